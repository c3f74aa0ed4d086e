"""Which run belongs to which row of a paper's table: the rows at a budget, and what the runs on disk say of them.

A run belongs to a row and a seed by its choices (schema.choices_key), in whatever study and on whatever machine it was
made; not where the code that made it has changed since, which is said.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import Any

from runner.config import schema
from runner.config.compose import compose
from runner.config.overrides import Overrides
from runner.config.schema import Config
from runner.disk.code import changed
from runner.disk.runs import Evaluation, Runs, StoredRun
from runner.errors import BadInput
from runner.papers import studies
from runner.papers.facts import CURVES, Claim, Metric, PaperRow
from runner.papers.measured import Change, MeasuredRow, Measurement
from runner.papers.recipe import BUDGETS, Recipe

ERRORS = {  # a table's metric from an error in percent
    "top1_error": ("test_error", lambda error: error),
    "top1_accuracy": ("test_error", lambda error: 100 - error),
    "train_top1_accuracy": ("train_error", lambda error: 100 - error),
    "loss": ("test_loss", lambda loss: loss),
}
GAP, GAIN = "accuracy_gap", "accuracy_gain"  # in points: what other test images cost; what is won over a row
TIME = "train_time"  # of the steps of a run, without its evaluations
SECONDS = {"seconds": 1, "minutes": 60, "hours": 3600}
FP32_MEGABYTES = 4e-6  # of a parameter
COUNTED = {"model_size": lambda params: FP32_MEGABYTES * params}  # a table's metric from a network's parameters
FULL = BUDGETS[-1]  # the budget that does what the paper did
MODEL_ITSELF = ("final", "plain")  # the variant and inference whose test error metrics.csv has


@dataclass(frozen=True)
class Point:
    """One run that a table wants: a row's label, a seed, what is typed for it, its config, and the paper's dataset.

    `images`: what `tricktable evaluate` is given for the row's figure; nothing where it is of the run's own images.
    """

    label: str
    seed: int
    overrides: Overrides
    config: Config
    dataset: str | None = None
    images: Overrides = field(default_factory=Overrides)

    @cached_property
    def key(self) -> str:
        """What its run is found by."""
        return schema.choices_key(self.config)

    @cached_property
    def images_key(self) -> str | None:
        """What an evaluation on `images` is found by; None where there are none."""
        return schema.images_key(composed(self.images).data) if self.images else None


@dataclass(frozen=True)
class TablePlan:
    """A table at a budget: the points of each row that can be run, and why the others cannot."""

    recipe: Recipe
    budget: str
    points: Mapping[str, tuple[Point, ...]]
    reasons: Mapping[str, str]
    extra: Overrides

    @property
    def study(self) -> str:
        """The study that its runs are made in."""
        return self.recipe.name.replace("/", ".")

    def all(self) -> list[Point]:
        """Every point, row by row."""
        return [point for points in self.points.values() for point in points]

    def baseline(self, seed: int) -> Point | None:
        """The point of this seed that gains are over."""
        points = self.points.get(self.recipe.against or "", ())
        return next((point for point in points if point.seed == seed), None)


def distinct(points: Iterable[Point]) -> list[Point]:
    """One point of each run: rows that are tested on different images may share theirs."""
    return [*{point.key: point for point in reversed([*points])}.values()][::-1]


def plan(recipe: Recipe, budget: str, extra: Sequence[str] = ()) -> TablePlan:
    """Every run that a table wants at a budget. `extra`: overrides for all of them (data.path, compute)."""
    points: dict[str, tuple[Point, ...]] = {}
    reasons = {}
    reason = unmeasured(recipe)
    if reason:
        reasons = dict.fromkeys(recipe.table.rows, reason)
    extra = Overrides(extra)
    for label, row in recipe.table.rows.items() if not reasons else ():
        overrides = typed(recipe, label, budget, extra)
        if isinstance(overrides, str):
            reasons[label] = overrides
            continue
        if recipe.table.metric.name in COUNTED:
            continue
        try:
            config = composed(overrides)
        except BadInput as error:
            raise BadInput(f"{recipe.name}, {label}: {error}") from None
        images = recipe.images(label, budget)
        points[label] = tuple(
            Point(label, seed, Overrides([*overrides, f"seed={seed}"]), _seeded(config, seed), row.dataset, images)
            for seed in recipe.seeds(budget)
        )
    return TablePlan(recipe, budget, points, reasons, extra)


def unmeasured(recipe: Recipe) -> str | None:
    """Why no figure of the table is measured here; None where they are."""
    name = recipe.table.metric.name
    if name == GAP and not recipe.elsewhere:
        return "the recipe names no other test images (elsewhere) for a gap"
    if name == GAIN and not recipe.against:
        return "the recipe names no row that gains are over (against)"
    return None if name in (*ERRORS, *COUNTED, GAP, GAIN, TIME) else f"{name} is not measured by training here"


def typed(recipe: Recipe, label: str, budget: str, extra: Overrides) -> Overrides | str:
    """What is typed for a row but for its seed, the study included; or why it cannot be run."""
    overrides = recipe.overrides(label, budget)
    if isinstance(overrides, str):
        return overrides
    return Overrides([*overrides.without(*extra.keys), *extra, f"study={recipe.name.replace('/', '.')}"])


@lru_cache(maxsize=1024)
def composed(overrides: Overrides) -> Config:
    """A row's config: the same row is asked for by its table, by what it counts, and by its paper's other tables."""
    return compose(overrides)


def changes(plan: TablePlan, label: str) -> tuple[Change, ...]:
    """What the table's budget sets otherwise for a row than the paper's budget does, each with what that one has."""
    here = typed(plan.recipe, label, plan.budget, plan.extra)
    paper = typed(plan.recipe, label, FULL, plan.extra)
    if plan.budget == FULL or isinstance(here, str) or isinstance(paper, str):
        return ()
    full = studies.choices(schema.plain(composed(paper)))
    found = [Change(each.key, each.value, _instead(each.key, paper, full)) for each in here if each not in paper]
    return (*found, *(Change(each.key, None, each.value) for each in paper if each.key not in here.keys))


def _instead(key: str, paper: Overrides, full: Mapping[str, Any]) -> str | None:
    """What the paper's budget has for a key: as it is typed there, else what it comes to; None where it has none."""
    return paper.get(key) or (studies.written(full[key]) if key in full else None)


def _seeded(config: Config, seed: int) -> Config:
    """As `seed=...` would compose it; a table has hundreds of points."""
    return replace(config, seed=seed, label=f"{config.label.removesuffix(f'-s{config.seed}')}-s{seed}")


def current(point: Point, runs: Runs) -> StoredRun | None:
    """The newest of a point's runs that was made by the code as it is now."""
    from runner.training.objects import files

    found = runs.by_choices.get(point.key, ())
    now = files(point.config) if found else {}
    return next((run for run in found if not changed(run.info.identity.code, now)), None)


def rows(plan: TablePlan, runs: Runs) -> list[MeasuredRow]:
    """The table's rows with what was measured so far."""
    return [_row(plan, row, runs) for row in plan.recipe.table.rows.values()]


def _row(plan: TablePlan, row: PaperRow, runs: Runs) -> MeasuredRow:
    points = plan.points.get(row.label, ())
    found = [(point, current(point, runs)) for point in points]
    measured = tuple(_measurement(plan, point, run, runs) for point, run in found if run is not None)
    summary = next((each.summary for each in measured if each.state == "complete"), None)
    return MeasuredRow(
        label=row.label,
        theirs=row,
        overrides=points[0].overrides.without("seed", *schema.cosmetic()) if points else Overrides(),
        changes=changes(plan, row.label) if points else (),
        reason=plan.reasons.get(row.label),
        seeds=tuple(point.seed for point in points),
        runs=measured,
        params=summary.params if summary else None,
        madds=summary.madds if summary else None,
        updates=summary.updates if summary else None,
    )


def _measurement(plan: TablePlan, point: Point, run: StoredRun, runs: Runs) -> Measurement:
    """The row's figure in the table's metric, and that of the best test epoch (of the model itself, plain)."""
    metric, result = plan.recipe.table.metric.name, plan.recipe.result(point.label)
    elsewhere = evaluation(run, result, point.images_key) if run.state == "complete" and point.images else None
    measured = Measurement(run, point.seed, None, elsewhere=elsewhere)
    if run.state != "complete":
        return measured
    if metric == GAP:
        return replace(measured, figure=_less(elsewhere, evaluation(run, result)))
    if metric == TIME:
        return replace(measured, figure=_time(run, plan.recipe.table.metric.unit))
    if metric == GAIN:
        base = plan.baseline(point.seed)
        other = current(base, runs) if base else None
        if base is None or other is None or other.state != "complete":
            return measured
        own = evaluation(run, result)
        return replace(measured, figure=_less(evaluation(other, plan.recipe.result(base.label)), own))
    name, convert = ERRORS[metric]
    figure = run.summary.figure(name) if name.startswith("train_") else None
    if not name.startswith("train_"):
        found = elsewhere if point.images else evaluation(run, result)
        figure = getattr(found, name) if found else None
    best = _best(run, name) if result == MODEL_ITSELF and not point.images else None
    return replace(
        measured,
        figure=None if figure is None else convert(figure),
        best=None if best is None else convert(best),
    )


def in_field(row: MeasuredRow, claim: Claim, metric: Metric) -> MeasuredRow:
    """The row with what its runs measure of a claim's field, where that is not the table's figure."""
    if claim.field not in CURVES:
        return row
    runs = []
    for measured in row.runs:
        figure = _of_curve(measured.run, claim, metric) if measured.state == "complete" else None
        runs.append(replace(measured, figure=figure, best=figure))
    return replace(row, runs=tuple(runs))


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


def evaluation(run: StoredRun, result: tuple[str, str], images_key: str | None = None) -> Evaluation | None:
    """A complete run's evaluation by this (variant, inference): on the images of a key, or on its own test images."""
    own = run.summary.data.fingerprint
    for each in run.evaluations:
        there = each.fingerprint == own if images_key is None else each.images_key == images_key
        if there and (each.variant, each.inference) == result:
            return each
    return None


def _less(error: Evaluation | None, other: Evaluation | None) -> float | None:
    """By how many points the first has the larger error; None where one is not there."""
    if error is None or other is None or error.test_error is None or other.test_error is None:
        return None
    return error.test_error - other.test_error


def _time(run: StoredRun, unit: str) -> float | None:
    """How long a run's steps took, in this unit; None where an epoch does not say how fast it was."""
    before, seconds = 0, 0.0
    for epoch in run.epochs:
        if not epoch.images_per_second or epoch.samples is None:
            return None
        seconds += (epoch.samples - before) / epoch.images_per_second
        before = epoch.samples
    return seconds / SECONDS[unit] if run.epochs else None


def _best(run: StoredRun, name: str) -> float | None:
    """The least value of a column of metrics.csv."""
    values = [getattr(epoch, name) for epoch in run.epochs]
    return min((value for value in values if value is not None and math.isfinite(value)), default=None)
