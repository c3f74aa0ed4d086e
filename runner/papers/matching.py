"""Which run belongs to which row of a paper's table, and what the runs on disk say of it.

A run belongs to a row and a seed by its choices (schema.choices_key), in whatever study and on whatever machine it was
made; not where the code that made it has changed since, which is said.
"""

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import replace

from tricktable.runner.config import schema
from tricktable.runner.config.compose import seeded
from tricktable.runner.config.overrides import Overrides
from tricktable.runner.disk.code import changed
from tricktable.runner.disk.evaluation import Evaluation
from tricktable.runner.disk.runs import Runs, StoredRun
from tricktable.runner.papers.facts import CURVES, GRIDS, Claim, Metric, PaperRow
from tricktable.runner.papers.measured import MeasuredRow, Measurement, Setting
from tricktable.runner.papers.metrics import ERRORS, GAIN, GAP, TIME, less, time
from tricktable.runner.papers.plan import Point, TablePlan, changes, composed
from tricktable.runner.papers.recipe import MODEL_ITSELF


def current(point: Point, runs: Runs) -> StoredRun | None:
    """The newest of a point's runs that was made by the code as it is now; None where it waits for others."""
    if point.key not in runs.looked_up:
        runs.looked_up[point.key] = _newest(point, runs)
    return runs.looked_up[point.key]


def _newest(point: Point, runs: Runs) -> StoredRun | None:
    from tricktable.runner.training.objects import files

    settled = settle(point, runs)
    found = [run for run in runs.by_choices.get(settled.choices, ()) if runs.whole(run)] if settled else []
    if point.precision:
        found = [run for run in found if run.summary.compute.precision == point.precision]
    now = files(settled.config) if settled and found else {}
    return next((run for run in found if not changed(run.info.identity.code, now)), None)


def settle(point: Point, runs: Runs) -> Point | None:
    """The point with the runs that come first named by their folders, and with its grid's best setting.

    None until these have ended, or where they cannot be gone on from: they diverged.
    """
    if not point.waits:
        return point
    overrides = point.overrides
    for name, prior in point.priors.items():
        run = current(prior, runs)
        if run is None or run.state != "complete":
            return None
        overrides = Overrides(_named(each.key, run) if each.value == name else each for each in overrides)
    if point.trials:
        best = chosen(settings(point.trials, runs))
        if best is None:
            return None
        overrides = overrides.updated(best.setting)
    return replace(point, overrides=overrides, config=_by_id(overrides, point.seed), priors={}, trials=())


def _named(key: str, run: StoredRun) -> str:
    """An override whose value is a run's folder."""
    folder = str(run.folder).replace("\\", "\\\\").replace("'", "\\'")
    return f"{key}='{folder}'"


def _by_id(overrides: Overrides, seed: int) -> schema.Config:
    """The config of what is typed, with runs that it names by their ids, as a run's own key has them."""
    from tricktable.runner.training.named import by_id

    return by_id(seeded(composed(overrides.without("seed")), seed))


def settings(trials: Sequence[Point], runs: Runs) -> tuple[Setting, ...]:
    """The settings of a row's grid, in its order, each with its runs so far, and the best one marked as chosen."""
    by_setting: dict[Overrides, list[Point]] = {}
    for trial in trials:
        by_setting.setdefault(trial.setting, []).append(trial)
    found = [_setting(setting, points, runs) for setting, points in by_setting.items()]
    if any(each.validation is None for each in found):
        return tuple(found)
    best = min(found, key=lambda each: each.validation or 0.0, default=None)  # the first of equals
    if best is None or best.validation == math.inf:
        return tuple(found)
    return tuple(replace(each, chosen=each is best) for each in found)


def _setting(setting: Overrides, points: Sequence[Point], runs: Runs) -> Setting:
    """validation: the mean error in percent; infinite where a run diverged, None where one has not ended."""
    found = [(point, current(point, runs)) for point in points]
    errors = [_validation_error(point, run) for point, run in found]
    known = [error for error in errors if error is not None]
    return Setting(
        setting,
        tuple(point.seed for point in points),
        tuple(Measurement(run, point.seed, None) for point, run in found if run is not None),
        statistics.fmean(known) if len(known) == len(errors) else None,
    )


def _validation_error(point: Point, run: StoredRun | None) -> float | None:
    if run is None:
        return None
    if run.state == "diverged":
        return math.inf
    found = evaluation(run, point.result)
    return found.val_error if found else None


def chosen(found: Sequence[Setting]) -> Setting | None:
    """The setting with the least validation error; None where it is not known yet, or all diverged."""
    return next((each for each in found if each.chosen), None)


def rows(plan: TablePlan, runs: Runs) -> list[MeasuredRow]:
    """The table's rows with what was measured so far."""
    return [_row(plan, row, runs) for row in plan.recipe.table.rows.values()]


def _row(plan: TablePlan, row: PaperRow, runs: Runs) -> MeasuredRow:
    points = plan.points.get(row.label, ())
    found = [(point, current(point, runs)) for point in points]
    measured = tuple(_measurement(plan, point, run, runs) for point, run in found if run is not None)
    summary = next((each.summary for each in measured if each.state == "complete"), None)
    grid = settings(plan.grids.get(row.label, ()), runs)
    if grid:
        trials = {(point.setting, point.seed): point for point in plan.grids[row.label]}
        grid = tuple(
            replace(each, runs=tuple(_measurement(plan, trials[each.setting, m.seed], m.run, runs) for m in each.runs))
            for each in grid
        )
    return MeasuredRow(
        label=row.label,
        theirs=row,
        overrides=_typed(points, chosen(grid)),
        changes=changes(plan, row.label) if points or grid else (),
        reason=plan.reasons.get(row.label),
        seeds=tuple(point.seed for point in points),
        runs=measured,
        grid=grid,
        params=summary.params if summary else None,
        madds=summary.madds if summary else None,
        updates=summary.updates if summary else None,
    )


def _typed(points: Sequence[Point], best: Setting | None) -> Overrides:
    """What was typed for a row, but for its seed: with the grid's best setting, where that is known."""
    if not points:
        return Overrides()
    overrides = points[0].overrides.updated(best.setting if best else ())
    return overrides.without("seed", *schema.cosmetic())


def _measurement(plan: TablePlan, point: Point, run: StoredRun, runs: Runs) -> Measurement:
    """The row's figure in the table's metric, and that of the best test epoch (of the model itself, plain)."""
    metric, result = plan.recipe.table.metric.name, point.result
    if run.state != "complete":
        return Measurement(run, point.seed, None)
    own = elsewhere = None
    if (members := joined(point, runs)) is not None:
        own = evaluation(run, result, members=members)
        elsewhere = evaluation(run, result, point.images_key, members) if point.images_key else None
    measured = Measurement(run, point.seed, None, elsewhere=elsewhere)
    if metric == GAP:
        return replace(measured, figure=less(elsewhere, own))
    if metric == TIME:
        return replace(measured, figure=time(run, plan.recipe.table.metric.unit))
    if metric == GAIN:
        base = plan.baseline(point.seed)
        other = current(base, runs) if base else None
        if base is None or other is None or other.state != "complete":
            return measured
        return replace(measured, figure=less(evaluation(other, base.result), own))
    name, convert = ERRORS[metric]
    figure = run.summary.figure(name) if name.startswith("train_") else None
    if not name.startswith("train_"):
        found = elsewhere if point.images_key else own
        figure = getattr(found, name) if found else None
    best = _best(run, name) if result == MODEL_ITSELF and not (point.evaluation or point.joined) else None
    return replace(
        measured,
        figure=None if figure is None else convert(figure),
        best=None if best is None else convert(best),
    )


def joined(point: Point, runs: Runs) -> tuple[StoredRun, ...] | None:
    """The complete runs that join a point's run in an ensemble; None where one is not there."""
    found = [current(each, runs) for each in point.joined]
    complete = tuple(run for run in found if run is not None and run.state == "complete")
    return complete if len(complete) == len(found) else None


def in_field(row: MeasuredRow, claim: Claim, metric: Metric) -> MeasuredRow:
    """The row with what its runs measure of a claim's field, where that is not the table's figure."""
    if claim.field in GRIDS:
        return _over_the_grid(row, claim.field, metric)
    if claim.field not in CURVES:
        return row
    runs = []
    for measured in row.runs:
        figure = _of_curve(measured.run, claim, metric) if measured.state == "complete" else None
        runs.append(replace(measured, figure=figure, best=figure))
    return replace(row, runs=tuple(runs))


def _over_the_grid(row: MeasuredRow, field: str, metric: Metric) -> MeasuredRow:
    """The row with one figure for each seed of its grid: the best, the median or the range over all settings.

    A run that diverged is the worst there is; where that makes the figure infinite, the seed has none.
    """
    worst = math.inf if metric.better == "lower" else -math.inf
    runs = []
    for seed in dict.fromkeys(seed for each in row.grid for seed in each.seeds):
        found = [measured for each in row.grid for measured in each.runs if measured.seed == seed]
        if len(found) < len(row.grid):
            continue
        figures = [worst if each.state == "diverged" else each.figure for each in found]
        known = [figure for figure in figures if figure is not None]
        figure = _statistic(field, known, metric) if len(known) == len(found) else math.inf
        run = next((each for each in found if each.state == "complete"), found[0])
        runs.append(replace(run, seed=seed, figure=figure if math.isfinite(figure) else None, best=None))
    seeds = tuple(dict.fromkeys(seed for each in row.grid for seed in each.seeds))
    return replace(row, runs=tuple(runs), seeds=seeds)


def _statistic(field: str, figures: Sequence[float], metric: Metric) -> float:
    if field == "grid_best":
        return min(figures) if metric.better == "lower" else max(figures)
    return statistics.median(figures) if field == "grid_median" else max(figures) - min(figures)


def _of_curve(run: StoredRun, claim: Claim, metric: Metric) -> float | None:
    """A field of a complete run; None where it has none, or never reached the target."""
    if claim.target is None:
        return run.summary.figure(claim.field or "")
    name, convert = ERRORS[metric.name]
    sign = 1 if metric.better == "lower" else -1
    for epoch in run.epochs:
        value = getattr(epoch, name)
        if value is not None and sign * convert(value) <= sign * claim.target:
            return float(epoch.epoch)
    return None


def evaluation(
    run: StoredRun, result: tuple[str, str], images_key: str | None = None, members: Iterable[StoredRun] = ()
) -> Evaluation | None:
    """A complete run's evaluation by this (variant, inference): on the images of a key, or on its own test images.

    members: the runs whose models join its own in an ensemble.
    """
    own, others = run.summary.data.fingerprint, " ".join(each.id for each in members) or None
    for each in run.evaluations:
        there = each.fingerprint == own if images_key is None else each.images_key == images_key
        if there and (each.variant, each.inference) == result and each.members == others:
            return each
    return None


def _best(run: StoredRun, name: str) -> float | None:
    """The least value of a column of metrics.csv."""
    values = [getattr(epoch, name) for epoch in run.epochs]
    return min((value for value in values if value is not None and math.isfinite(value)), default=None)
