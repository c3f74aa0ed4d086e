"""A paper's table as it was measured: its rows with their runs, and what becomes of each of its claims."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tricktable.runner import data
from tricktable.runner.config.overrides import Overrides
from tricktable.runner.config.schema import Config
from tricktable.runner.disk.runs import Runs
from tricktable.runner.explore import networks
from tricktable.runner.papers import claims, departures, listing, matching, metrics, provenance, recipe
from tricktable.runner.papers import plan as planning
from tricktable.runner.papers.facts import Claim
from tricktable.runner.papers.measured import Judged, MeasuredRow, MeasuredTable
from tricktable.runner.papers.plan import FULL, TablePlan
from tricktable.runner.papers.recipe import Recipe


def tabulate(plan: TablePlan, runs: Runs, command: str) -> MeasuredTable:
    """The table with what was measured so far, and a verdict for each of its claims."""
    table = plan.recipe.table
    rows = tuple(matching.rows(plan, runs))
    if table.metric.name in metrics.COUNTED:
        rows = tuple(_counted(plan, row) for row in rows)
    judged = claims.within_paper([*_judged(plan, rows), *_elsewhere(plan, runs)])
    prints = {run.summary.data.fingerprint for row in rows for run in row.sources}
    datasets = {row.theirs.dataset for row in rows if row.theirs and row.sources}
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
        warnings=(*provenance.left_out(runs.unusable), *warnings, *provenance.warnings(rows)),
        damaged=runs.unusable,
        paper=plan.recipe.paper,
        recipe=plan.recipe,
    )


def without_runs(loaded: Recipe) -> MeasuredTable:
    """A table as it stands where nothing was trained: what counts decide of its claims, and what cannot be run here."""
    plan = TablePlan(loaded, FULL, {}, listing.barred(loaded), Overrides())
    rows = tuple(matching.rows(plan, Runs(Path(), ())))
    return MeasuredTable(
        name=loaded.name,
        title=loaded.paper.about.title,
        caption=loaded.table.caption,
        metric=loaded.table.metric,
        budget=FULL,
        rows=rows,
        claims=tuple(_judged(plan, rows)),
        provenance=provenance.of(loaded.table, FULL, rows),
        command=plan.command,
        paper=loaded.paper,
        recipe=loaded,
    )


def _judged(plan: TablePlan, rows: Sequence[MeasuredRow]) -> list[Judged]:
    """The table's claims, before Holm."""
    by_label = {row.label: row for row in rows}
    table = plan.recipe.table
    return [_judge(plan, claim, by_label) for claim in plan.recipe.paper.claims.values() if claim.table == table.id]


def _judge(plan: TablePlan, claim: Claim, by_label: dict[str, MeasuredRow]) -> Judged:
    """One claim: by what its rows count at the paper's budget, whatever was run, or by their runs."""
    table = plan.recipe.table
    left, right = (
        [matching.in_field(by_label[label], claim, table.metric) for label in side if label in by_label]
        for side in (claim.left, claim.right)
    )
    if claim.field in claims.EXACT or table.metric.name in metrics.COUNTED:
        differs = _material(plan, FULL, [*left, *right])
        left, right = ([_counted(plan, row) for row in side] for side in (left, right))
        return claims.judge(claim, table, left, right, FULL, differs=differs)
    rows = [*left, *right]
    differs = _material(plan, plan.budget, rows)
    copies = dict.fromkeys(run.summary.data.copy for row in rows for run in row.sources if run.summary.data.copy)
    own = all(departures.on_own_data(plan.recipe, row) for row in rows)
    copy = " / ".join(copies) or None
    timed = {run.summary.environment.device for row in rows for run in row.runs}
    if table.metric.name == metrics.TIME and len(timed) > 1:
        return Judged(claim, "not run", f"timed on different machines: {', '.join(sorted(timed))}")
    shared = table.metric.name == metrics.GAIN or _share_runs(plan, claim)
    judged = claims.judge(
        claim, table, left, right, plan.budget, own_data=own, copy=copy, paired=shared, differs=differs
    )
    return replace(judged, reason=f"{judged.reason}; paired by seed") if shared and judged.p else judged


def _material(plan: TablePlan, budget: str, rows: Sequence[MeasuredRow]) -> list[str]:
    """Of which kinds is what the recipe does otherwise on one of these rows, where it says that this is material."""
    said = plan.recipe.deviations(budget)
    return [each.material for each in said if each.material and any(each.of(row.label) for row in rows)]


def _share_runs(plan: TablePlan, claim: Claim) -> bool:
    """Whether both sides are of the same runs, tested on different images: their figures go together by seed."""
    sides = [
        [point.key for label in side for point in plan.points.get(label, ())] for side in (claim.left, claim.right)
    ]
    return len(claim.left) == len(claim.right) == 1 and sides[0] == sides[1] != []


def _elsewhere(plan: TablePlan, runs: Runs) -> list[Judged]:
    """The claims of the paper's other tables that have runs: Holm's adjustment is within a paper."""
    judged = []
    studies = {run.study for run in runs}
    for name in recipe.names():
        if not name.startswith(f"{plan.recipe.paper.id}/") or name == plan.recipe.name:
            continue
        found = recipe.load(name)
        if planning.study(found) in studies or found.runs_of == plan.recipe.runs_of:
            other = planning.plan(found, plan.budget, plan.extra)
            judged += _judged(other, matching.rows(other, runs))
    return judged


def _counted(plan: TablePlan, row: MeasuredRow) -> MeasuredRow:
    """A row with what its network and its schedule count at the paper's budget, trained or not."""
    overrides = planning.typed(plan.recipe, row.label, "paper", plan.extra)
    if isinstance(overrides, str):
        return row
    config = planning.composed(overrides)
    dataset = row.theirs.dataset if row.theirs else None
    size = data.known(config.data, dataset)
    cost = networks.cost(config, *(size[1:] if size else ()))
    steps = updates(config, dataset)
    if steps is None and plan.budget == FULL:
        steps = row.updates  # what its runs took
    exact = metrics.COUNTED.get(plan.recipe.table.metric.name)
    size = exact(cost.params) if exact else None
    return replace(row, params=cost.params, madds=cost.madds, updates=steps, exact=size)


def updates(config: Config, dataset: str | None) -> int | None:
    """The steps of a run; None where the size of its data cannot be known before it is read.

    A source of anybody's images is taken to be given the paper's dataset, all of it, where its size is known.
    """
    from tricktable.runner.training import build

    size = data.known(config.data, dataset)
    return build.plan(config, size[0]).updates(config.epochs) if size else None
