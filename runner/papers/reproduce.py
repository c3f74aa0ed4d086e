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
from runner.disk.runs import Runs, StoredRun
from runner.errors import BadInput
from runner.explore import networks, reevaluate
from runner.launch import pool, sweep
from runner.papers import claims, departures, estimate, matching, provenance, recipe
from runner.papers.facts import Claim
from runner.papers.matching import Point, TablePlan
from runner.papers.measured import Judged, MeasuredRow, MeasuredTable
from runner.papers.recipe import BUDGETS

# What may be typed with a table: where images and runs lie, on what it runs, and how many images it takes at once.
# Everything else is the recipe's.
EXTRA = (
    "micro_batch", "data.path", "data.download", "data.workers", "data.stream",
    "checkpoint.every", "checkpoint.keep", "output.root",
)  # fmt: skip


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
    if table.metric.name in matching.COUNTED:
        rows = tuple(_counted(plan, row) for row in rows)
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
    left, right = (
        [matching.in_field(by_label[label], claim, table.metric) for label in side if label in by_label]
        for side in (claim.left, claim.right)
    )
    if claim.field in claims.EXACT or table.metric.name in matching.COUNTED:
        differs = _material(plan, matching.FULL, [*left, *right])
        left, right = ([_counted(plan, row) for row in side] for side in (left, right))
        return claims.judge(claim, table, left, right, matching.FULL, differs=differs)
    rows = [*left, *right]
    differs = _material(plan, plan.budget, rows)
    copies = dict.fromkeys(run.summary.data.copy for row in rows for run in row.runs if run.summary.data.copy)
    own = all(_on_own_data(plan.recipe, row) for row in rows)
    copy = " / ".join(copies) or None
    timed = {run.summary.environment.device for row in rows for run in row.runs}
    if table.metric.name == matching.TIME and len(timed) > 1:
        return Judged(claim, "not run", f"timed on different machines: {', '.join(sorted(timed))}")
    shared = table.metric.name == matching.GAIN or _share_runs(plan, claim)
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


def _on_own_data(loaded: recipe.Recipe, row: MeasuredRow) -> bool:
    """Whether a row's runs saw its dataset, all of it, as the data source vouches for; a paper may not say which.

    Where they are tested elsewhere, that is the row's dataset, and they trained on the one that the recipe names.
    """
    assert row.theirs is not None, "a paper's row"
    dataset = row.theirs.dataset
    elsewhere = loaded.elsewhere.get(dataset or "")
    trained = elsewhere.trained if elsewhere else dataset
    seen = [run.summary.data for run in row.runs]
    tested = [run.elsewhere for run in row.runs if run.elsewhere]
    return all(each.complete and trained in (None, each.dataset) for each in seen) and all(
        each.complete and each.dataset == dataset for each in tested
    )


def _elsewhere(plan: TablePlan, runs: Runs) -> list[Judged]:
    """The claims of the paper's other tables that have runs: Holm's adjustment is within a paper."""
    judged = []
    studies = {run.study for run in runs}
    for name in recipe.names():
        if not name.startswith(f"{plan.recipe.paper.id}/") or name == plan.recipe.name:
            continue
        found = recipe.load(name)
        if name.replace("/", ".") in studies or found.runs_of == plan.recipe.runs_of:
            other = matching.plan(found, plan.budget, plan.extra)
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
    exact = matching.COUNTED.get(plan.recipe.table.metric.name)
    size = exact(cost.params) if exact else None
    return replace(row, params=cost.params, madds=cost.madds, updates=updates, exact=size)


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


def unevaluated(plan: TablePlan, runs: Runs) -> list[tuple[Point, StoredRun]]:
    """The points whose run is complete, and not yet evaluated on the other images that the row is of."""
    found = [(point, matching.current(point, runs)) for point in plan.all() if point.images]
    return [
        (point, run)
        for point, run in found
        if run is not None
        and run.state == "complete"
        and matching.evaluation(run, plan.recipe.result(point.label), point.images_key) is None
    ]


def dry_run(plan: TablePlan, runs: Runs) -> None:
    """Print for each row what it changes, epochs, updates, seeds, what exists, and how long the rest takes."""
    everything, rate = missing(plan, runs), estimate.rate(runs)
    wanted, left = (len(matching.distinct(points)) for points in (plan.all(), everything))
    shared = set.intersection(*[set(point.overrides) for point in plan.all()]) if plan.all() else set()
    print(f"{plan.recipe.name}, budget {plan.budget}: {left} of {wanted} runs are missing")
    if plan.recipe.note:
        print(plan.recipe.note)
    print(f"all rows: {' '.join(o for o in plan.all()[0].overrides if o in shared) if plan.all() else '-'}")
    changed = {label: matching.changes(plan, label) for label in plan.points}
    for label in plan.recipe.table.rows:
        if label in plan.reasons:
            print(f"{label}: not runnable here: {plan.reasons[label]}")
            continue
        points = plan.points.get(label, ())
        if not points:
            print(f"{label}: counted, and not run")
            continue
        own = [o for o in points[0].overrides.without("seed") if o not in shared]
        to_run = [point for point in everything if point.label == label]
        updates = _updates(points[0].config, points[0].dataset)
        print(
            f"{label}: {' '.join(own) or '(as all)'}; {points[0].config.epochs} epochs, "
            f"{'?' if updates is None else f'{updates:,}'} updates{_assumed_data(points[0])}; "
            f"{len(points) - len(to_run)} of {len(points)} seeds exist; "
            f"the others take about {estimate.duration(estimate.seconds(to_run, rate))}"
            f"{f'; then evaluated with {points[0].images}' if points[0].images else ''}"
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
    points = matching.distinct(missing(plan, runs))
    if not points:
        return []
    parallel = jobs or max(1, len(gpus))
    total = estimate.seconds(points, estimate.rate(runs))
    time = estimate.duration(None if total is None else total / parallel)
    rows = len({point.label for point in points})
    print(f"{len(points)} runs of {rows} rows are missing: about {time} with {parallel} at once", file=sys.stderr)
    jobs_to_do = sweep.plan([(point.overrides, point.config) for point in points])
    return pool.launch(jobs_to_do, parallel=jobs, gpus=gpus, timeout=timeout)


def evaluate(plan: TablePlan, runs: Runs) -> int:
    """Evaluate the complete runs on the other images that their rows are of, as far as it is not done; how many were.

    The images are looked for where their source keeps them; data.path is of the training images.
    """
    todo = unevaluated(plan, runs)
    if todo:
        print(f"{len(todo)} evaluations on other images are missing", file=sys.stderr)
    extra = [each for each in plan.extra if each.group in ("compute", "output") or each.key == "data.download"]
    requests = {images: reevaluate.read([*images, *extra]) for images in dict.fromkeys(p.images for p, _ in todo)}
    for point, run in todo:
        reevaluate.evaluated(run, requests[point.images])
    return len(todo)


def folder(plan: TablePlan, root: Path) -> Path:
    """Where a table's files are written."""
    return root / "tables" / plan.recipe.name / plan.budget
