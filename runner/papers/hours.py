"""What every paper's tables and claims take at the paper's budget, in hours of a machine: docs/cpu-budget.md.

A claim takes the runs of the rows that it compares, and those that come before them; runs that rows share count once.
Nothing is run: epochs, images and multiply-adds are those that the recipes ask for (estimate.py has the formula).
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from tricktable.runner.papers import estimate, recipe
from tricktable.runner.papers.claims import OF_RUNS
from tricktable.runner.papers.facts import Claim
from tricktable.runner.papers.plan import FULL, Point, TablePlan, distinct, plan
from tricktable.runner.papers.recipe import Recipe

BILLION = 1e9
YEAR = 365 * 24 * 3600  # seconds
LIMITS = (1, 10, 100, 1000, 10_000)  # hours
CHEAPEST = 40  # claims that are listed one by one
DECIDED = 10  # claims that get a verdict, and what they take together
VERDICT = "verdict"
CLAIMS = ("claim", "statement", "runs", "hours", "gets")
TABLES = ("recipe", "runs", "hours", "claims", "verdicts")


@dataclass(frozen=True)
class ClaimCost:
    """A claim that training decides. gets: `verdict`, or why its runs give no more than an indication."""

    name: str
    statement: str
    runs: int
    seconds: float | None
    gets: str


@dataclass(frozen=True)
class TableCost:
    """A table's runs, all of them, and the claims on it that training decides. seconds: None where not known."""

    name: str
    runs: int
    seconds: float | None
    claims: tuple[ClaimCost, ...]

    @property
    def verdicts(self) -> int:
        """How many claims get a verdict."""
        return sum(claim.gets == VERDICT for claim in self.claims)


def table(name: str, rate: float) -> TableCost:
    """A table's cost on a machine of so many multiply-adds a second."""
    loaded = recipe.load(name)
    wanted = plan(loaded, FULL)
    needed = wanted.needed()
    claims = tuple(_claims(wanted, rate))
    return TableCost(name, len(needed), estimate.seconds(needed, rate), claims)


def _claims(wanted: TablePlan, rate: float) -> Iterator[ClaimCost]:
    loaded = wanted.recipe
    for claim in loaded.paper.claims.values():
        labels = {*claim.left, *claim.right}
        by_training = claim.kind != "qualitative" and claim.field in ("value", *OF_RUNS)
        if claim.table != loaded.table.id or not by_training or not _can_be_run(wanted, labels):
            continue
        needed = distinct(_needed(wanted, labels))
        seconds = estimate.seconds(needed, rate)
        name = f"{loaded.paper.id}: {claim.id}"
        yield ClaimCost(name, claim.statement, len(needed), seconds, _gets(loaded, claim, labels))


def _can_be_run(wanted: TablePlan, labels: Collection[str]) -> bool:
    return all(wanted.points.get(label) or wanted.grids.get(label) for label in labels)


def _needed(wanted: TablePlan, labels: Iterable[str]) -> Iterator[Point]:
    for label in labels:
        for point in (*wanted.grids.get(label, ()), *wanted.points.get(label, ())):
            yield from point.needed()


def _gets(loaded: Recipe, claim: Claim, labels: Collection[str]) -> str:
    """A verdict, or no more than an indication and why: as claims.py caps it."""
    rows = [loaded.table.rows[label] for label in labels]
    if "memory" in {claim.confidence, *(row.confidence for row in rows)}:
        return "indication (memory)"
    for each in loaded.deviations(FULL):
        if each.material and any(each.of(label) for label in labels):
            return f"indication ({each.material})"
    return VERDICT


def ordered(costs: Iterable[TableCost]) -> list[TableCost]:
    """Those that have runs of which the cost is known, the cheapest first."""
    return sorted(
        (each for each in costs if each.runs and each.seconds is not None), key=lambda each: each.seconds or 0
    )


def cheapest(costs: Iterable[TableCost]) -> list[ClaimCost]:
    """The claims of all tables of which the cost is known, the cheapest first."""
    claims = [claim for each in costs for claim in each.claims if claim.seconds is not None]
    return sorted(claims, key=lambda claim: claim.seconds or 0)


def told(seconds: float) -> str:
    """Hours, to two digits where they are few."""
    hours = seconds / 3600
    return f"{hours:.2f}" if hours < 1 else f"{hours:.1f}" if hours < 10 else f"{hours:,.0f}"


def lines(costs: Sequence[TableCost]) -> list[tuple[str, str]]:
    """For the terminal: each table, the cheapest first, and what it takes."""
    found = ordered(costs)
    return [
        (each.name, f"{told(each.seconds or 0):>10} h  {each.runs:>4} runs  {len(each.claims):>2} claims")
        for each in found
    ]


def within(costs: Sequence[TableCost]) -> list[tuple[str, ...]]:
    """Of each limit: the tables that it holds, and the claims that it holds when each has its own rows alone."""
    tables, claims = ordered(costs), cheapest(costs)
    found: list[tuple[str, ...]] = []
    for limit in (*LIMITS, None):
        most = float("inf") if limit is None else 3600 * limit
        held = [each for each in tables if (each.seconds or 0) <= most]
        alone = [claim for claim in claims if (claim.seconds or 0) <= most]
        found.append(
            (
                "any" if limit is None else f"{limit:,}",
                str(len(held)),
                str(sum(len(each.claims) for each in held)),
                str(len(alone)),
                str(sum(claim.gets == VERDICT for claim in alone)),
            )
        )
    return found


def claim_row(claim: ClaimCost) -> str:
    """A claim's row of the page."""
    return _row((claim.name, claim.statement, claim.runs, told(claim.seconds or 0), claim.gets))


def table_row(each: TableCost) -> str:
    """A table's row of the page."""
    return _row((f"`{each.name}`", each.runs, told(each.seconds or 0), len(each.claims), each.verdicts))


def markdown(costs: Sequence[TableCost], rate: float) -> str:
    """docs/cpu-budget.md."""
    tables, claims = ordered(costs), cheapest(costs)
    unknown = [f"`{each.name}`" for each in costs if each.runs and each.seconds is None]
    without = sum(not each.runs for each in costs)
    total = sum(each.seconds or 0 for each in tables)
    text = [
        TOP.format(rate=f"{rate / BILLION:g}", start=estimate.START, passes=estimate.BACKWARD),
        *_grid(("hours", "tables", "their claims", "claims alone", "of them verdicts"), map(_row, within(costs))),
        "",
        f"The {len(tables)} tables together are {told(total)} hours, {total / YEAR:,.0f} years. {without} more",
        "have no row that can be run here ([recipes.md](recipes.md) says why)"
        + (f"; of {', '.join(unknown)}" if unknown else "."),
        *(["the images' size is not known before they are read."] if unknown else []),
        *_verdicts(claims),
        "",
        f"## The {min(CHEAPEST, len(claims))} cheapest claims",
        "",
        *_grid(CLAIMS, map(claim_row, claims[:CHEAPEST])),
        "",
        "## Every table",
        "",
        *_grid(TABLES, map(table_row, tables)),
    ]
    return "\n".join(text)


def _verdicts(claims: Sequence[ClaimCost]) -> list[str]:
    """What the cheapest claims that get a verdict take; nothing where there are fewer."""
    found = [claim.seconds or 0 for claim in claims if claim.gets == VERDICT][:DECIDED]
    if len(found) < DECIDED:
        return []
    return ["", f"The {DECIDED} cheapest claims that get a verdict take {told(sum(found))} hours, each by itself."]


def _grid(header: Sequence[str], rows: Iterable[str]) -> list[str]:
    return [_row(header), _row(["---"] * len(header)), *rows]


def _row(cells: Iterable[object]) -> str:
    return f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in cells)} |"


TOP = """# Hours on a CPU

Generated by `make docs` (`tricktable list tables --hours {rate} --markdown`). What the papers' own budgets take on a
CPU of {rate} billion multiply-adds a second: two cores that train ResNet-20. `tricktable list tables --hours` measures
the machine that it runs on. A run takes

    {start:g} s + epochs x images x {passes} x multiply-adds of the network / rate

with every seed and every setting of a grid that a recipe declares. Evaluations and decoding are not in it, nor what a
step costs beside its multiply-adds: a network of a few thousand of them takes several times as long.
A claim by itself takes the runs of the rows that it compares; runs that rows share count once. Claims that counting
decides are not here. An indication is all that a claim gets that rests on memory, or whose recipe differs from the
paper in something material.

## What fits
"""
