"""Which run belongs to which row of a paper's table: the rows at a budget, and what the runs on disk say of them.

A run belongs to a row and a seed by its choices (schema.choices_key), in whatever study and on whatever machine it was
made; not where the code that made it has changed since, which is said.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

from runner.config import schema
from runner.config.compose import compose
from runner.config.overrides import Overrides
from runner.config.schema import Config
from runner.disk.code import changed
from runner.disk.runs import Runs, StoredRun
from runner.errors import BadInput
from runner.papers import studies
from runner.papers.facts import PaperRow
from runner.papers.measured import Change, MeasuredRow, Measurement
from runner.papers.recipe import BUDGETS, Recipe

ERRORS = {  # a table's metric from an error in percent
    "top1_error": ("test_error", lambda error: error),
    "top1_accuracy": ("test_error", lambda error: 100 - error),
    "train_top1_accuracy": ("train_error", lambda error: 100 - error),
    "loss": ("test_loss", lambda loss: loss),
}
FULL = BUDGETS[-1]  # the budget that does what the paper did
MODEL_ITSELF = ("final", "plain")  # the variant and inference whose test error metrics.csv has


@dataclass(frozen=True)
class Point:
    """One run that a table wants: a row's label, a seed, what is typed for it, its config, and the paper's dataset."""

    label: str
    seed: int
    overrides: Overrides
    config: Config
    dataset: str | None = None

    @cached_property
    def key(self) -> str:
        """What its run is found by."""
        return schema.choices_key(self.config)


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


def plan(recipe: Recipe, budget: str, extra: Sequence[str] = ()) -> TablePlan:
    """Every run that a table wants at a budget. `extra`: overrides for all of them (data.path, compute)."""
    points: dict[str, tuple[Point, ...]] = {}
    reasons = {}
    if recipe.table.metric.name not in ERRORS:
        reasons = dict.fromkeys(recipe.table.rows, f"{recipe.table.metric.name} is not measured by training here")
    extra = Overrides(extra)
    for label, row in recipe.table.rows.items() if not reasons else ():
        overrides = typed(recipe, label, budget, extra)
        if isinstance(overrides, str):
            reasons[label] = overrides
            continue
        try:
            config = composed(overrides)
        except BadInput as error:
            raise BadInput(f"{recipe.name}, {label}: {error}") from None
        points[label] = tuple(
            Point(label, seed, Overrides([*overrides, f"seed={seed}"]), _seeded(config, seed), row.dataset)
            for seed in recipe.seeds(budget)
        )
    return TablePlan(recipe, budget, points, reasons, extra)


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
    measured = tuple(_measurement(plan.recipe, point, run) for point, run in found if run is not None)
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


def _measurement(recipe: Recipe, point: Point, run: StoredRun) -> Measurement:
    """The row's figure in the table's metric, and that of the best test epoch (of the model itself, plain)."""
    if run.state != "complete":
        return Measurement(run, point.seed, None)
    name, convert = ERRORS[recipe.table.metric.name]
    result = recipe.result(point.label)
    if name.startswith("train_"):
        figure = run.summary.figure(name)
    else:
        images = run.summary.data.fingerprint  # an evaluation may be on others
        own = (e for e in run.evaluations if (e.variant, e.inference, e.fingerprint) == (*result, images))
        figure = next((getattr(each, name) for each in own), None)
    best = _best(run, name) if result == MODEL_ITSELF else None
    return Measurement(
        run,
        point.seed,
        None if figure is None else convert(figure),
        None if best is None else convert(best),
    )


def _best(run: StoredRun, name: str) -> float | None:
    """The least value of a column of metrics.csv."""
    values = [getattr(epoch, name) for epoch in run.epochs]
    return min((value for value in values if value is not None and math.isfinite(value)), default=None)
