"""A paper's table from its recipe: planned, estimated, made, and measured with a verdict for each claim."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from runner import data
from runner.config.compose import compose
from runner.config.overrides import Overrides
from runner.config.schema import Config
from runner.disk import runs as disk
from runner.disk.runs import Runs
from runner.errors import BadInput
from runner.explore import networks
from runner.launch import pool, sweep
from runner.papers import claims, departures, estimate, matching, provenance, recipe
from runner.papers.facts import Claim
from runner.papers.matching import Point, TablePlan
from runner.papers.measured import Judged, MeasuredRow, MeasuredTable
from runner.papers.recipe import BUDGETS

# What may be typed with a table: where images and runs lie, and on what it runs. Everything else is the recipe's.
EXTRA = ("data.path", "data.download", "data.workers", "data.stream", "output.root")


def requested(name: str, budget: str | None, overrides: Sequence[str]) -> tuple[TablePlan, Runs]:
    """What a table wants at a budget, and the runs there are; without a budget, the fullest of which there are runs."""
    for override in Overrides(overrides):
        if override.key not in EXTRA and override.group != "compute":
            raise BadInput(f"{override.key}: the recipe says it; with a table, type compute or {', '.join(EXTRA)}")
    loaded = recipe.load(name)
    runs = disk.under(Path(compose(overrides).output.root))
    if budget is not None:
        return matching.plan(loaded, budget, overrides), runs
    for each in reversed(BUDGETS) if runs.by_choices else ():
        plan = matching.plan(loaded, each, overrides)
        if any(point.key in runs.by_choices for point in plan.all()):
            return plan, runs
    return matching.plan(loaded, BUDGETS[-1], overrides), runs


def tabulate(plan: TablePlan, runs: Runs, command: str) -> MeasuredTable:
    """The table with what was measured so far, and a verdict for each of its claims."""
    table = plan.recipe.table
    rows = tuple(matching.rows(plan, runs))
    judged = claims.within_paper([*_judged(plan, rows), *_elsewhere(plan, runs)])
    prints = {run.summary.data.fingerprint for row in rows for run in row.runs}
    datasets = {row.theirs.dataset for row in rows if row.theirs and row.runs}
    warnings = ("runs of one dataset saw different bytes: see the fingerprints",) if len(prints) > len(datasets) else ()
    return MeasuredTable(
        name=plan.recipe.name,
        title=plan.recipe.paper.about.title,
        caption=table.caption,
        metric=table.metric,
        budget=plan.budget,
        rows=rows,
        claims=tuple(each for each in judged if each.claim.table == table.id),
        provenance=provenance.of(table, plan.budget, rows),
        command=command,
        warnings=(*warnings, *provenance.warnings(rows)),
        paper=plan.recipe.paper,
        recipe=plan.recipe,
    )


def _judged(plan: TablePlan, rows: Sequence[MeasuredRow]) -> list[Judged]:
    """The table's claims, before Holm."""
    by_label = {row.label: row for row in rows}
    table = plan.recipe.table
    return [_judge(plan, claim, by_label) for claim in plan.recipe.paper.claims.values() if claim.table == table.id]


def _judge(plan: TablePlan, claim: Claim, by_label: dict[str, MeasuredRow]) -> Judged:
    """One claim: by what its rows count at the paper's budget, whatever was run, or by their runs."""
    table = plan.recipe.table
    left, right = ([by_label[label] for label in side if label in by_label] for side in (claim.left, claim.right))
    if claim.field in claims.EXACT:
        differs = _material(plan, matching.FULL, [*left, *right])
        left, right = ([_counted(plan, row) for row in side] for side in (left, right))
        return claims.judge(claim, table, left, right, matching.FULL, differs=differs)
    rows = [*left, *right]
    differs = _material(plan, plan.budget, rows)
    copies = dict.fromkeys(run.summary.data.copy for row in rows for run in row.runs if run.summary.data.copy)
    own = all(map(_on_own_data, rows))
    return claims.judge(
        claim, table, left, right, plan.budget, own_data=own, copy=" / ".join(copies) or None, differs=differs
    )


def _material(plan: TablePlan, budget: str, rows: Sequence[MeasuredRow]) -> list[str]:
    """Of which kinds is what the recipe does otherwise on one of these rows, where it says that this is material."""
    said = plan.recipe.deviations(budget)
    return [each.material for each in said if each.material and any(each.of(row.label) for row in rows)]


def _on_own_data(row: MeasuredRow) -> bool:
    """Whether a row's runs saw its dataset, all of it, as the data source vouches for; a paper may not say which."""
    assert row.theirs is not None, "a paper's row"
    seen = [run.summary.data for run in row.runs]
    return all(each.complete and row.theirs.dataset in (None, each.dataset) for each in seen)


def _elsewhere(plan: TablePlan, runs: Runs) -> list[Judged]:
    """The claims of the paper's other tables that have runs: Holm's adjustment is within a paper."""
    judged = []
    studies = {run.study for run in runs}
    for name in recipe.names():
        if not name.startswith(f"{plan.recipe.paper.id}/") or name == plan.recipe.name:
            continue
        if name.replace("/", ".") in studies:
            other = matching.plan(recipe.load(name), plan.budget, plan.extra)
            judged += _judged(other, matching.rows(other, runs))
    return judged


def _counted(plan: TablePlan, row: MeasuredRow) -> MeasuredRow:
    """A row with what its network and its schedule count at the paper's budget, trained or not."""
    overrides = matching.typed(plan.recipe, row.label, "paper", plan.extra)
    if isinstance(overrides, str):
        return row
    config = matching.composed(overrides)
    dataset = row.theirs.dataset if row.theirs else None
    size = data.known(config.data, dataset)
    cost = networks.cost(config, *(size[1:] if size else ()))
    updates = _updates(config, dataset)
    if updates is None and plan.budget == matching.FULL:
        updates = row.updates  # what its runs took
    return replace(row, params=cost.params, madds=cost.madds, updates=updates)


def _updates(config: Config, dataset: str | None) -> int | None:
    """The steps of a run; None where the size of its data cannot be known before it is read.

    A source of anybody's images is taken to be given the paper's dataset, all of it, where its size is known.
    """
    from runner.training import build

    size = data.known(config.data, dataset)
    return build.plan(config, size[0]).updates(config.epochs) if size else None


def missing(plan: TablePlan, runs: Runs) -> list[Point]:
    """The points that no run on disk is for."""
    return [point for point in plan.all() if matching.current(point, runs) is None]


def dry_run(plan: TablePlan, runs: Runs) -> None:
    """Print for each row what it changes, epochs, updates, seeds, what exists, and how long the rest takes."""
    everything, rate = missing(plan, runs), estimate.rate(runs)
    shared = set.intersection(*[set(point.overrides) for point in plan.all()]) if plan.all() else set()
    print(f"{plan.recipe.name}, budget {plan.budget}: {len(everything)} of {len(plan.all())} runs are missing")
    if plan.recipe.note:
        print(plan.recipe.note)
    print(f"all rows: {' '.join(o for o in plan.all()[0].overrides if o in shared) if plan.all() else '-'}")
    changed = {label: matching.changes(plan, label) for label in plan.points}
    for label in plan.recipe.table.rows:
        if label in plan.reasons:
            print(f"{label}: not runnable here: {plan.reasons[label]}")
            continue
        points = plan.points[label]
        own = [o for o in points[0].overrides.without("seed") if o not in shared]
        left = [point for point in everything if point.label == label]
        updates = _updates(points[0].config, points[0].dataset)
        print(
            f"{label}: {' '.join(own) or '(as all)'}; {points[0].config.epochs} epochs, "
            f"{'?' if updates is None else f'{updates:,}'} updates{_assumed_data(points[0])}; "
            f"{len(points) - len(left)} of {len(points)} seeds exist; "
            f"the others take about {estimate.duration(estimate.seconds(left, rate))}"
        )
    for heading, lines in departures.said(plan.recipe, plan.budget, changed).items():
        print("\n".join([f"{heading}:", *(f"- {line}" for line in lines)]))


def _assumed_data(point: Point) -> str:
    """Whose size a row's updates and time are of, where that is taken from the paper and not from the source."""
    size = data.known(point.config.data, point.dataset)
    if size is None or data.known(point.config.data) is not None:
        return ""
    return f" on {point.dataset}'s {size[0]:,} images"


def make(
    plan: TablePlan, runs: Runs, *, jobs: int | None, gpus: Sequence[int] = (), timeout: float | None = None
) -> list[pool.Outcome]:
    """Run what is missing, after one line with the estimated time; what became of each."""
    points = missing(plan, runs)
    if not points:
        return []
    parallel = jobs or max(1, len(gpus))
    total = estimate.seconds(points, estimate.rate(runs))
    time = estimate.duration(None if total is None else total / parallel)
    rows = len({point.label for point in points})
    print(f"{len(points)} runs of {rows} rows are missing: about {time} with {parallel} at once", file=sys.stderr)
    jobs_to_do = sweep.plan([(point.overrides, point.config) for point in points])
    return pool.launch(jobs_to_do, parallel=jobs, gpus=gpus, timeout=timeout)


def folder(plan: TablePlan, root: Path) -> Path:
    """Where a table's files are written."""
    return root / "tables" / plan.recipe.name / plan.budget
