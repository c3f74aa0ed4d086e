"""A paper's table from its recipe: what exists, what is missing, how long that takes, and the table itself."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from runner import data
from runner.config.compose import compose
from runner.config.overrides import Overrides
from runner.errors import BadInput
from runner.launch import pool, sweep
from runner.papers import claims, estimate, matching, recipe
from runner.papers.matching import Found, Point, TablePlan
from runner.papers.measured import Judged, Measured, MeasuredRow
from runner.papers.recipe import BUDGETS, Recipe

# What may be typed with a table: where images and runs lie, and on what it runs. Everything else is the recipe's.
EXTRA = ("data.path", "data.download", "data.workers", "data.stream", "output.root")


def asked(name: str, budget: str | None, overrides: Sequence[str]) -> tuple[TablePlan, Path]:
    """What a table wants at a budget, and the output root; without a budget, the fullest of which there are runs."""
    for override in Overrides(overrides):
        if override.key not in EXTRA and override.group != "compute":
            raise BadInput(f"{override.key}: the recipe says it; with a table, type compute or {', '.join(EXTRA)}")
    root = Path(compose(overrides).output.root)
    loaded = recipe.load(name)
    if budget is not None:
        return matching.wanted(loaded, budget, overrides), root
    known = matching.index(root)
    each = [matching.wanted(loaded, each, overrides) for each in reversed(BUDGETS)]
    return next((w for w in each if any(point.key in known for point in w.all())), each[0]), root


def measured(wanted: TablePlan, root: Path, command: str) -> Measured:
    """The table with what was measured so far, and a verdict for each of its claims."""
    loaded = wanted.recipe
    known = matching.index(root)
    rows = tuple(matching.rows(wanted, known))
    judged = claims.within_paper([*_judged(wanted, rows), *_elsewhere(wanted, root, known)])
    judged = [each for each in judged if each.claim.table == loaded.table.id]
    caption = matching.caption(loaded.table, wanted.budget, rows)
    prints = {run.summary["data"]["fingerprint"] for row in rows for run in row.runs}
    datasets = {row.theirs.dataset for row in rows if row.runs}
    warnings = ("runs of one dataset saw different bytes: see the fingerprints",) if len(prints) > len(datasets) else ()
    return Measured(loaded, wanted.budget, rows, tuple(judged), caption, command, warnings)


def _judged(wanted: TablePlan, rows: Sequence[MeasuredRow]) -> list[Judged]:
    """The table's claims, before Holm."""
    table, paper = wanted.recipe.table, wanted.recipe.paper
    by_label = {row.theirs.label: row for row in rows}
    verdicts = []
    for claim in paper.claims.values():
        if claim.table != table.id:
            continue
        left, right = ([by_label[label] for label in side if label in by_label] for side in (claim.left, claim.right))
        if claim.field in claims.EXACT:  # what the paper did, whatever was run
            left, right = ([_counted(wanted.recipe, row) for row in side] for side in (left, right))
            verdicts.append(claims.judge(claim, table, left, right, "paper"))
            continue
        runs = [(row.theirs.dataset, run.summary["data"]["title"]) for row in (*left, *right) for run in row.runs]
        own = all(dataset is None or title.split()[0] == dataset for dataset, title in runs)
        copied = any("JPEG" in title for _, title in runs)
        verdicts.append(claims.judge(claim, table, left, right, wanted.budget, own_data=own, jpeg_copy=copied))
    return verdicts


def _elsewhere(wanted: TablePlan, root: Path, known: dict[str, list[Found]]) -> list[Judged]:
    """The claims of the paper's other tables that have runs: Holm's adjustment is within a paper."""
    judged = []
    for name in recipe.names():
        same_paper = name.startswith(f"{wanted.recipe.paper.id}/") and name != wanted.recipe.name
        if same_paper and (root / name.replace("/", ".")).is_dir():
            other = matching.wanted(recipe.load(name), wanted.budget, wanted.extra)
            judged += _judged(other, matching.rows(other, known))
    return judged


def _counted(loaded: Recipe, row: MeasuredRow) -> MeasuredRow:
    """A row with what its network and its schedule count at the paper's budget, trained or not."""
    from runner.papers import statics

    overrides = loaded.overrides(row.theirs.label, "paper")
    if isinstance(overrides, str):
        return row
    config = compose(overrides)
    size = data.known(config.data)
    network = statics.counts(estimate.network(overrides), *(size[1:] if size else ()))
    return replace(
        row,
        params=int(network["params"]),
        madds=int(network["madds"]),
        updates=statics.updates(tuple(overrides), size[0]) if size else None,
    )


def missing(wanted: TablePlan, known: dict[str, list[Found]]) -> list[Point]:
    """The points that no run on disk is for."""
    return [point for point in wanted.all() if matching.current(point, known.get(point.key, ())) is None]


def dry_run(wanted: TablePlan, root: Path) -> None:
    """Print for each row what it changes, epochs, updates, seeds, what exists, and how long the rest takes."""
    known = matching.index(root)
    everything = missing(wanted, known)
    shared = set.intersection(*[set(point.overrides) for point in wanted.all()]) if wanted.all() else set()
    print(f"{wanted.recipe.name}, budget {wanted.budget}: {len(everything)} of {len(wanted.all())} runs are missing")
    if wanted.recipe.note:
        print(wanted.recipe.note)
    print(f"all rows: {' '.join(o for o in wanted.all()[0].overrides if o in shared) if wanted.all() else '-'}")
    for label in wanted.recipe.table.rows:
        if label in wanted.reasons:
            print(f"{label}: not runnable here: {wanted.reasons[label]}")
            continue
        points = wanted.points[label]
        own = [o for o in points[0].overrides.without("seed") if o not in shared]
        left = [point for point in points if point in everything]
        print(
            f"{label}: {' '.join(own) or '(as all)'}; {points[0].config.epochs} epochs, {_updates(points[0])} updates; "
            f"{len(points) - len(left)} of {len(points)} seeds exist; "
            f"the others take about {estimate.duration(estimate.seconds(left, known))}"
        )


def _updates(point: Point) -> str:
    from runner.training import build

    size = data.known(point.config.data)
    return f"{build.plan(point.config, size[0]).updates(point.config.epochs):,}" if size else "?"


def make(
    wanted: TablePlan, root: Path, *, jobs: int | None, gpus: Sequence[int] = (), timeout: float | None = None
) -> list[pool.Outcome]:
    """Run what is missing, after one line with the estimated time; what became of each."""
    known = matching.index(root)
    points = missing(wanted, known)
    if not points:
        return []
    parallel = jobs or max(1, len(gpus))
    total = estimate.seconds(points, known)
    time = estimate.duration(None if total is None else total / parallel)
    rows = len({point.label for point in points})
    print(f"{len(points)} runs of {rows} rows are missing: about {time} with {parallel} at once", file=sys.stderr)
    return pool.launch(sweep.plan([point.overrides for point in points]), parallel=jobs, gpus=gpus, timeout=timeout)


def folder(wanted: TablePlan, root: Path) -> Path:
    """Where a table's files are written."""
    return root / "tables" / wanted.recipe.name / wanted.budget
