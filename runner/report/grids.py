"""What was tried for a table's rows before their own seeds: in sentences, as heat maps, and as records."""

import math
import statistics
from collections.abc import Sequence
from typing import Any

from tricktable.runner.config.overrides import Overrides
from tricktable.runner.disk.runs import StoredRun
from tricktable.runner.errors import BadInput, StorageProblem
from tricktable.runner.papers import varying
from tricktable.runner.papers.measured import MeasuredRow, MeasuredTable, Setting
from tricktable.runner.report.drawing import Plot

TRIED = "Tried for each row, and what was chosen"
DIVERGED = "div"
MOST_KEYS = 2  # of a heat map


def sentences(table: MeasuredTable) -> list[str]:
    """One for each row that has a grid."""
    return [f"{row.label}: {_sentence(table, row.grid)}" for row in table.rows if row.grid]


def _sentence(table: MeasuredTable, grid: Sequence[Setting]) -> str:
    seeds = len(grid[0].seeds)
    tried = f"{len(grid)} settings of {' and '.join(_keys(grid))}, {seeds} seed{'s' * (seeds > 1)} each"
    ended = [each for each in grid if len(each.runs) == len(each.seeds)]
    if len(ended) < len(grid):
        return f"{tried}, of which {len(ended)} have ended."
    if not _selects(table):
        return f"{tried}{_span(table, grid)}; none is chosen: claims are of the best, the median or the range of all."
    best = next((each for each in grid if each.chosen), None)
    if best is None:
        return f"{tried}, in all of which a run diverged: the row has no run of its own."
    others = sorted(each.validation for each in grid if each is not best and each.validation is not None)
    finite = [error for error in others if math.isfinite(error)]
    held_out = best.runs[0].run.summary.data.validation
    said = f"of {tried}, by the error on {held_out:,} held-out training images: {best.validation:.2f}%"
    if finite:
        said += f"; the others had {finite[0]:.2f}%" + (f" to {finite[-1]:.2f}%" if finite[1:] else "")
    if len(finite) < len(others):
        said += f", and in {len(others) - len(finite)} a run diverged"
    return f"{best.setting} was chosen {said}. The row's seeds are other runs, on all training images."


def _span(table: MeasuredTable, grid: Sequence[Setting]) -> str:
    """The best and the worst setting with their mean errors, and in how many a run diverged."""
    errors = {each.setting: _mean(table, each) for each in grid}
    finite = sorted((error, str(setting)) for setting, error in errors.items() if math.isfinite(error))
    said = f"; {finite[0][0]:.2f}% error with {finite[0][1]}" if finite else ""
    if finite[1:]:
        said += f" to {finite[-1][0]:.2f}% with {finite[-1][1]}"
    return f"{said}; in {len(errors) - len(finite)} a run diverged" if len(finite) < len(errors) else said


def _selects(table: MeasuredTable) -> bool:
    tune = table.recipe.tuned(table.budget) if table.recipe else None
    return tune is not None and tune.validation is not None


def _keys(grid: Sequence[Setting]) -> list[str]:
    return [each.key for each in grid[0].setting]


def maps(table: MeasuredTable) -> list[Plot]:
    """A heat map for each row that was tried on a grid of one key or two, as far as its runs have ended.

    Of a study one of all its runs, where exactly two keys vary.
    """
    if table.paper is None:
        return _two_way([*{run.run.folder: run.run for row in table.rows for run in row.runs}.values()])
    return [
        _map(table, row)
        for row in table.rows
        if row.grid and len(_keys(row.grid)) <= MOST_KEYS and any(each.runs for each in row.grid)
    ]


def _two_way(runs: Sequence[StoredRun]) -> list[Plot]:
    """A study as a grid; nothing where it is none, or where its runs do not say what they varied."""
    from tricktable.runner.report.heat_map import of_points

    try:
        keys = varying.varying(runs)
        if len(keys) != MOST_KEYS:
            return []
        found = varying.points(runs, keys, "test_error")
    except (BadInput, StorageProblem):
        return []
    longest = max(len({values[i] for values in found}) for i in range(MOST_KEYS))
    return [of_points(found, keys[0], keys[1], "test error, %")] if len(found) > longest else []


def _map(table: MeasuredTable, row: MeasuredRow) -> Plot:
    from tricktable.runner.report.heat_map import heat_map

    x, *more = _keys(row.grid)
    cells = {_place(each.setting): value for each in row.grid if (value := _cell(table, each)) is not None}
    what = "validation" if _selects(table) else "test"
    title = f"{what.capitalize()} error over the grid, %: {row.label}"
    return heat_map(title, _sentence(table, row.grid), x, more[0] if more else "", cells)


def _place(setting: Overrides) -> tuple[float | str, float | str]:
    """The values of a setting's one or two keys: numbers where they are."""
    x, *y = (_number(each.value) for each in setting)
    return x, y[0] if y else ""


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _cell(table: MeasuredTable, setting: Setting) -> float | str | None:
    """A setting's error in percent, the mean over its seeds; None where one has not ended."""
    if _selects(table):
        error = setting.validation
    elif len(setting.runs) < len(setting.seeds):
        return None
    else:
        error = _mean(table, setting)
    return DIVERGED if error == math.inf else error


def _mean(table: MeasuredTable, setting: Setting) -> float:
    """The mean of a setting's figures, as errors; infinite where one has none, for its run diverged."""
    figures = [run.figure for run in setting.runs]
    known = [figure for figure in figures if figure is not None]
    if len(known) < len(figures):
        return math.inf
    mean = statistics.fmean(known)
    return mean if table.metric.better == "lower" else 100 - mean


def records(table: MeasuredTable) -> list[dict[str, Any]]:
    """One for each setting of each row's grid, with exact figures."""
    return [_record(table, row, each) for row in table.rows for each in row.grid]


def _record(table: MeasuredTable, row: MeasuredRow, setting: Setting) -> dict[str, Any]:
    figures = [run.figure for run in setting.runs if run.figure is not None]
    return {
        "table": table.name,
        "row": row.label,
        "budget": table.budget,
        "setting": str(setting.setting),
        "seeds": " ".join(map(str, setting.seeds)),
        "ended": len(setting.runs),
        "diverged": sum(run.state == "diverged" for run in setting.runs),
        "validation_error": setting.validation,
        "metric": table.metric.name,
        "ours": statistics.fmean(figures) if figures else None,
        "chosen": int(setting.chosen),
    }
