"""A paper's table from its recipe: planned, estimated and made; tabulate.py measures it."""

import math
import sys
from collections.abc import Collection, Sequence
from pathlib import Path

from tricktable.runner import data
from tricktable.runner.config.compose import compose
from tricktable.runner.config.overrides import Overrides
from tricktable.runner.disk import runs as disk
from tricktable.runner.disk.runs import Runs, StoredRun
from tricktable.runner.errors import BadInput
from tricktable.runner.explore import reevaluate
from tricktable.runner.launch import pool, sweep
from tricktable.runner.launch.engines.engine import Engine
from tricktable.runner.launch.outcome import Outcome
from tricktable.runner.papers import departures, estimate, matching, recipe
from tricktable.runner.papers import plan as planning
from tricktable.runner.papers.plan import Point, TablePlan, distinct
from tricktable.runner.papers.recipe import BUDGETS
from tricktable.runner.papers.tabulate import updates

# What may be typed with a table: where images and runs lie, where rows go besides, on what it runs, and how many
# images it takes at once.
# Everything else is the recipe's.
EXTRA = (
    "micro_batch", "data.path", "data.download", "data.workers", "data.stream",
    "checkpoint.every", "checkpoint.keep", "output.root", "log",
)  # fmt: skip


def requested(name: str, budget: str | None, overrides: Sequence[str]) -> tuple[TablePlan, Runs]:
    """What a table wants at a budget, and the runs there are; without a budget, the fullest of which there are runs."""
    runs = disk.under(root(overrides))
    loaded = recipe.load(name)
    if budget is not None:
        return planning.plan(loaded, budget, overrides), runs
    for each in reversed(BUDGETS) if runs.by_choices else ():
        plan = planning.plan(loaded, each, overrides)
        if any(point.choices in runs.by_choices for point in plan.needed()):
            return plan, runs
    return planning.plan(loaded, BUDGETS[-1], overrides), runs


def root(overrides: Sequence[str]) -> Path:
    """Where the runs of tables lie by what was typed. BadInput where that is not to be typed with a table."""
    for override in Overrides(overrides):
        if override.key not in EXTRA and override.group != "compute":
            raise BadInput(f"{override.key}: the recipe says it; with a table, type compute or {', '.join(EXTRA)}")
    return Path(compose(overrides).output.root)


def missing(plan: TablePlan, runs: Runs) -> list[Point]:
    """The points that no run on disk is for, those that others wait for among them; each once."""
    return [point for point in plan.needed() if matching.current(point, runs) is None]


def ready(plan: TablePlan, runs: Runs) -> list[Point]:
    """Those of them that can be run now, for they wait for nothing more."""
    settled = [matching.settle(point, runs) for point in missing(plan, runs)]
    return distinct(point for point in settled if point is not None)


def unevaluated(plan: TablePlan, runs: Runs) -> list[tuple[Point, StoredRun]]:
    """The points whose run is complete and not yet evaluated as their figure is: elsewhere, otherwise, or together."""
    found = []
    for point in plan.all():
        run = matching.current(point, runs) if point.evaluation or point.joined else None
        members = matching.joined(point, runs)
        if run is None or run.state != "complete" or members is None:
            continue
        if matching.evaluation(run, point.result, point.images_key, members) is None:
            found.append((point, run))
    return found


def dry_run(plan: TablePlan, runs: Runs) -> None:
    """Print for each row what it changes, epochs, updates, seeds, what exists, and how long the rest takes."""
    lacking, rate = {point.key for point in missing(plan, runs)}, _rate(plan, runs)
    each = [points[0] for points in (*plan.points.values(), *plan.grids.values()) if points]
    shared = set.intersection(*[set(point.overrides.without(*_tried(point))) for point in each]) if each else set()
    print(f"{plan.recipe.name}, budget {plan.budget}: {len(lacking)} of {len(plan.needed())} runs are missing")
    if plan.recipe.note:
        print(plan.recipe.note)
    print(f"all rows: {' '.join(o for o in each[0].overrides if o in shared) if each else '-'}")
    for label in plan.recipe.table.rows:
        print(f"{label}: {_row(plan, label, shared, lacking, rate)}")
    changed = {label: planning.changes(plan, label) for label in plan.points}
    for heading, lines in departures.said(plan.recipe, plan.budget, changed).items():
        print("\n".join([f"{heading}:", *(f"- {line}" for line in lines)]))


def _rate(plan: TablePlan, runs: Runs) -> float | None:
    """How fast the device is that was typed with the table, or that this machine has."""
    needed = plan.needed()
    return estimate.rate(runs, needed[0].config.compute) if needed else None


def _row(plan: TablePlan, label: str, shared: Collection[str], lacking: Collection[str], rate: float | None) -> str:
    """What a dry run says of a row."""
    points, trials = plan.points.get(label, ()), plan.grids.get(label, ())
    if label in plan.reasons:
        return f"not runnable here: {plan.reasons[label]}"
    if not points and not trials:
        return "counted, and not run"
    first = (*points, *trials)[0]
    own = [each for each in first.overrides.without("seed", *_tried(first)) if each not in shared]
    steps = updates(first.config, first.dataset)
    wanted = distinct(each for point in (*trials, *points) for each in point.needed())
    to_run = [point for point in wanted if point.key in lacking]
    said = [f"{' '.join(own) or '(as all)'}"]
    said.append(f"{first.config.epochs} epochs, {'?' if steps is None else f'{steps:,}'} updates{_assumed_data(first)}")
    before = sorted({prior.label for point in wanted for prior in point.priors.values()})
    said += [f"first come {', '.join(before)}"] if before else []
    said += [f"first come {_grid(trials)}"] if trials else []
    seeds = [point for point in points if point.key not in lacking]
    said += [f"{len(seeds)} of {len(points)} seeds exist"] if points else []
    said.append(f"the others take about {estimate.duration(estimate.seconds(to_run, rate))}")
    said += [f"then evaluated with {points[0].evaluation}"] if points and points[0].evaluation else []
    return "; ".join(said)


def _tried(point: Point) -> frozenset[str]:
    """The keys that a grid sets for a trial."""
    return point.setting.keys | {"data.validation"} if point.setting else frozenset()


def _grid(trials: Sequence[Point]) -> str:
    """How many settings of which keys a row is tried with."""
    settings = {trial.setting for trial in trials}
    keys = ", ".join(each.key for each in trials[0].setting)
    seeds = len(trials) // len(settings)
    return f"{len(settings)} settings of {keys}, {seeds} seed{'s' * (seeds > 1)} each"


def _assumed_data(point: Point) -> str:
    """Whose size a row's updates and time are of, where that is taken from the paper and not from the source."""
    size = data.known(point.config.data, point.dataset)
    if size is None or data.known(point.config.data) is not None:
        return ""
    return f" on {point.dataset}'s {size[0]:,} images"


def make(
    plan: TablePlan, runs: Runs, *, jobs: int | None, gpus: Sequence[int] = (), timeout: float | None = None,
    until: float = math.inf, heard: bool = False, engine: Engine | None = None,
) -> list[Outcome]:  # fmt: skip
    """Run what is missing, after one line with the estimated time; what became of each. The rest as `pool.launch`.

    What waits for other runs comes in a later round, when these have ended. All that is known of it is on disk: a call
    that was killed is repeated, and goes on where it was.
    """
    lacking = missing(plan, runs)
    if not lacking:
        return []
    parallel = jobs or max(1, len(gpus))
    total = estimate.seconds(lacking, _rate(plan, runs))
    time = estimate.duration(None if total is None else total / parallel)
    rows = len({point.label for point in lacking})
    print(f"{len(lacking)} runs of {rows} rows are missing: about {time} with {parallel} at once", file=sys.stderr)
    outcomes: dict[str, Outcome] = {}
    while todo := [point for point in ready(plan, runs) if point.key not in outcomes]:
        made = pool.launch(
            sweep.plan([(point.overrides, point.config) for point in todo], engine),
            parallel=jobs, gpus=gpus, timeout=timeout, until=until, heard=heard, engine=engine,
        )  # fmt: skip
        outcomes |= {point.key: outcome for point, outcome in zip(todo, made, strict=True)}
        runs = disk.under(runs.root)
    return list(outcomes.values())


def evaluate(plan: TablePlan, runs: Runs) -> int:
    """Evaluate the complete runs as their rows' figures are, as far as it is not done; how many were.

    On other images these are looked for where their source keeps them; data.path is of the training images.
    """
    todo = unevaluated(plan, runs)
    if todo:
        print(f"{len(todo)} evaluations are missing", file=sys.stderr)
    extra = [each for each in plan.extra if each.group in ("compute", "output") or each.key == "data.download"]
    requests = {typed: reevaluate.read([*typed, *extra]) for typed in dict.fromkeys(p.evaluation for p, _ in todo)}
    for point, run in todo:
        members = matching.joined(point, runs)
        reevaluate.evaluated(run, requests[point.evaluation], members or ())
    return len(todo)


def folder(plan: TablePlan, root: Path) -> Path:
    """Where a table's files are written."""
    return root / "tables" / plan.recipe.name / plan.budget
