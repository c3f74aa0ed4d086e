"""Runs on disk -> a paper's table as it was measured here: which run belongs to which row, and its figures.

A run belongs to a row and a seed by its choices (schema.choices_key), in whatever study and on whatever machine it was
made; not where the code that made it has changed since, which is said.
"""

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from runner.config import schema
from runner.config.compose import compose
from runner.config.overrides import Overrides
from runner.config.schema import Config
from runner.disk import record, rundir
from runner.errors import BadInput
from runner.papers.facts import PaperRow, Table
from runner.papers.intervals import half_width
from runner.papers.measured import MeasuredRow, Seen
from runner.papers.recipe import Recipe

ENDED = ("complete", "diverged")
ERRORS = {  # a table's metric from an error in percent
    "top1_error": ("test_error", lambda error: error),
    "top1_accuracy": ("test_error", lambda error: 100 - error),
    "train_top1_accuracy": ("train_error", lambda error: 100 - error),
    "loss": ("test_loss", lambda loss: loss),
}


@dataclass(frozen=True)
class Point:
    """One run that a table wants: a row's label, a seed, what is typed for it, and its config."""

    label: str
    seed: int
    overrides: Overrides
    config: Config

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

    def all(self) -> list[Point]:
        """Every point, row by row."""
        return [point for points in self.points.values() for point in points]


def wanted(recipe: Recipe, budget: str, extra: Sequence[str] = ()) -> TablePlan:
    """Every run that a table wants at a budget. `extra`: overrides for all of them (data.path, compute)."""
    points: dict[str, tuple[Point, ...]] = {}
    reasons = {}
    if recipe.table.metric.name not in ERRORS:
        reasons = dict.fromkeys(recipe.table.rows, f"{recipe.table.metric.name} is not measured by training here")
    extra = Overrides(extra)
    for label in recipe.table.rows if not reasons else ():
        overrides = recipe.overrides(label, budget)
        if isinstance(overrides, str):
            reasons[label] = overrides
            continue
        kept = overrides.without(*extra.keys)
        study = f"study={recipe.name.replace('/', '.')}"
        try:
            first = compose([*kept, *extra, study])
        except BadInput as error:
            raise BadInput(f"{recipe.name}, {label}: {error}") from None
        points[label] = tuple(
            Point(label, seed, Overrides([*kept, *extra, study, f"seed={seed}"]), _seeded(first, seed))
            for seed in recipe.seeds(budget)
        )
    return TablePlan(recipe, budget, points, reasons, extra)


def _seeded(config: Config, seed: int) -> Config:
    """As `seed=...` would compose it; a table has hundreds of points."""
    return replace(config, seed=seed, label=f"{config.label.removesuffix(f'-s{config.seed}')}-s{seed}")


@dataclass(frozen=True)
class Found:
    """A run on disk."""

    folder: Path
    info: Mapping[str, Any]


def index(root: Path) -> dict[str, list[Found]]:
    """Every run under an output root that ended, by its choices; the newest first."""
    found: dict[str, list[Found]] = {}
    for study in sorted(path for path in root.glob("*/") if rundir.NAME.fullmatch(path.name)):
        for folder, info in rundir.runs(root, study.name):
            if info.get("state") in ENDED and "choices_key" in info:
                found.setdefault(info["choices_key"], []).append(Found(folder, info))
    for runs in found.values():
        runs.sort(key=lambda run: str(run.info.get("started")), reverse=True)
    return found


def current(point: Point, runs: Sequence[Found]) -> Found | None:
    """The newest of a point's runs that was made by the code as it is now."""
    from runner.training.build import files

    now = files(point.config) if runs else None
    for run in runs:
        if {k: v for k, v in run.info["code"].items() if not k.startswith("run ")} == now:
            return run
    return None


def rows(wanted: TablePlan, known: Mapping[str, list[Found]]) -> list[MeasuredRow]:
    """The table's rows with what was measured so far; `known` is the index of an output root."""
    return [_row(wanted, row, known) for row in wanted.recipe.table.rows.values()]


def _row(wanted: TablePlan, row: PaperRow, known: Mapping[str, list[Found]]) -> MeasuredRow:
    points = wanted.points.get(row.label, ())
    runs = [(point, current(point, known.get(point.key, ()))) for point in points]
    seen = tuple(_seen(wanted.recipe, row.label, point, run) for point, run in runs if run is not None)
    figures = [run.figure for run in seen if run.figure is not None]
    half = half_width(figures)
    summary: Mapping[str, Any] = next((run.summary for run in seen if run.state == "complete"), {})
    return MeasuredRow(
        theirs=row,
        overrides=points[0].overrides.without("seed", "study") if points else Overrides(),
        reason=wanted.reasons.get(row.label),
        seeds=tuple(point.seed for point in points),
        runs=seen,
        mean=statistics.fmean(figures) if figures else None,
        half=None if math.isnan(half) else half,
        **{key: summary.get(key) for key in ("params", "madds", "updates")},
    )


def _seen(recipe: Recipe, label: str, point: Point, run: Found) -> Seen:
    summary = record.read_summary(run.folder / "summary.json")
    state = str(run.info["state"])
    if state != "complete":
        return Seen(point.seed, run.folder, state, None, None, summary)
    return Seen(point.seed, run.folder, state, *_figures(recipe, label, run.folder, summary), summary)


def _figures(recipe: Recipe, label: str, folder: Path, summary: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """The row's figure in the table's metric, and that of the best test epoch (of the model itself, plain)."""
    column, convert = ERRORS[recipe.table.metric.name]
    variant, inference = recipe.result(label)
    results = [r for r in record.results(folder, summary) if (r["variant"], r["inference"]) == (variant, inference)]
    value = summary.get(column) if column.startswith("train") else next((r[column] for r in results), None)
    epochs = [float(row[column] or math.nan) for row in record.read(folder / "metrics.csv")]
    epochs = [epoch for epoch in epochs if math.isfinite(epoch)]
    best = min(epochs) if epochs and (variant, inference) == ("final", "plain") else None
    return (None if value is None else convert(value)), (None if best is None else convert(best))


def caption(table: Table, budget: str, rows: Sequence[MeasuredRow]) -> str:
    """Data with fingerprint, budget, seeds, device: without them a figure says nothing."""
    summaries = [run.summary for row in rows for run in row.runs]

    def said(values: Iterator[Any]) -> str:
        return " / ".join(dict.fromkeys(str(v) for v in values)) or "nothing run"

    data = said(
        f"{s['title']}, {s['train']:,} training images ({s['fingerprint'].removeprefix('sha256:')[:12]})"
        for s in (summary["data"] for summary in summaries)
    )
    epochs = said(s["epochs"] for s in summaries)
    devices = said(s["environment"]["gpu"] or s["environment"]["cpu"] for s in summaries)
    precision = said(s["compute"]["precision"] for s in summaries)
    seeds = said(len(row.seeds) for row in rows if row.seeds)
    return (
        f"{table.caption}. Budget {budget}: {data}; {epochs} epochs; {seeds} seeds a row declared; last epoch; "
        f"{devices}, {precision}; Student's t intervals"
    )
