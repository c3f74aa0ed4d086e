"""The plots of a table: every seed beside the paper's value, learning curves with bands over seeds, knobs by epoch."""

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from tricktable.runner.disk.runs import StoredRun
from tricktable.runner.errors import StorageProblem
from tricktable.runner.papers.measured import MeasuredRow, MeasuredTable
from tricktable.runner.report import cells, grids
from tricktable.runner.report.drawing import PER_FIGURE, Colours, Plot, dash, parts, prepare, scale, short, tell

KNOBS = {"lr": "learning rate", "batch_size": "batch size", "noise_scale": "noise scale", "size": "image size"}
TOLD = 40  # points of a line that say their values
Series = list[tuple[float, float]]


def plots(table: MeasuredTable) -> list[Plot]:
    """A table's plots, those that its runs so far can fill; of many rows a few at a time."""
    return [plot for drawn in _by_kind(table).values() for plot in drawn]


def named(table: MeasuredTable) -> dict[str, Plot]:
    """The plots by kind and number."""
    return {
        f"{kind}{f'-{i}' if i > 1 else ''}": plot
        for kind, drawn in _by_kind(table).items()
        for i, plot in enumerate(drawn, 1)
    }


def _by_kind(table: MeasuredTable) -> dict[str, list[Plot]]:
    return {"seeds": seeds(table), "grid": grids.maps(table), "curves": curves(table), "knobs": knobs(table)}


def curves(table: MeasuredTable) -> list[Plot]:
    """Test error by epoch: mean over the finished seeds, and the band from the best to the worst of them."""
    found = [(row.label, _courses(row, "test_error")) for row in table.rows]
    return learning_curves([(label, courses) for label, courses in found if courses], "test_error", "epoch")


def learning_curves(found: Sequence[tuple[str, Sequence[Series]]], of: str, x: str) -> list[Plot]:
    """Learning curves by label: a column of metrics.csv against epoch, updates or samples, with bands over seeds."""
    return [_curves(part, of, x, number) for number, part in parts(found)]


def _curves(part: Sequence[tuple[str, Sequence[Series]]], of: str, x: str, number: str) -> Plot:
    name, unit = KNOBS.get(of, of.replace("_", " ")), "%" if of.endswith("_error") else ""

    def draw(figure: Any, colours: Colours) -> None:
        axis = f"{name}, {unit}" if unit else name
        panel = prepare(figure.subplots(), colours, x, axis, counted=True)
        for i, (_, courses) in enumerate(part):
            places, mean, low, high = band(courses)
            panel.fill_between(places, low, high, color=colours.rows[i], alpha=0.12, linewidth=0)
            panel.plot(places, mean, color=colours.rows[i], linewidth=1.5, linestyle=dash(i))
            for label, k in _told(part, i, len(places)):
                spread = f" ({_end(low[k], unit)} to {_end(high[k], unit)})" if low[k] < high[k] else ""
                said = f"{label}, {x} {places[k]:g}: {_end(mean[k], unit)}{spread}"
                tell(panel, places[k], mean[k], said, color=colours.rows[i], alpha=0, markersize=8)
        values = [value for _, courses in part for course in courses for _, value in course]
        scale(panel, values)

    ends = "; ".join(
        f"{label} ends at {_end(band(courses)[1][-1], unit)} (mean of {len(courses)})" for label, courses in part
    )
    labels = tuple(label for label, _ in part)
    title = f"{name[0].upper()}{name[1:]} by {x}{number}"
    return Plot(title, f"Mean and range over seeds. {ends}.", labels, draw, 2.9)


def _told(part: Sequence[tuple[str, Any]], i: int, count: int) -> list[tuple[str, int]]:
    """The points of a line that say their values, the last among them; and whose line it is."""
    return [(part[i][0], k) for k in range(count - 1, -1, -max(1, math.ceil(count / TOLD)))]


def _end(value: float, unit: str) -> str:
    return f"{value:.2f}{unit}" if unit else f"{value:.4g}"


def knobs(table: MeasuredTable) -> list[Plot]:
    """The knobs over the epochs. They do not depend on the seed; rows with the same course are one line."""
    alike: dict[str, tuple[dict[str, Series], list[str]]] = {}
    for row in table.rows:
        for run in (run for run in row.runs if run.state == "complete"):
            found = {name: values for name in KNOBS if (values := course(run.run, name))}
            if found:
                alike.setdefault(repr(found), (found, []))[1].append(row.label)
                break
    return [_knobs(part, number) for number, part in parts(list(alike.values()))]


def _knobs(part: Sequence[tuple[dict[str, Series], list[str]]], number: str) -> Plot:
    names = [name for name in KNOBS if any(name in found for found, _ in part)]

    def draw(figure: Any, colours: Colours) -> None:
        panels = figure.subplots(len(names), sharex=True, squeeze=False)[:, 0]
        for panel, name in zip(panels, names, strict=True):
            prepare(panel, colours, "epoch" if name == names[-1] else "", KNOBS[name], counted=True)
            for i, found in ((i, found) for i, (found, _) in enumerate(part) if name in found):
                epochs, values = zip(*found[name], strict=True)
                # A row of metrics.csv has the knobs of its epoch's last step.
                panel.step([0, *epochs], [values[0], *values], where="pre", color=colours.rows[i], linestyle=dash(i))
            scale(panel, [value for found, _ in part for _, value in found.get(name, [])])

    parts = [f"{_alike(labels)}: {_said(found)}" for found, labels in part]
    labels = tuple(_alike(labels) for _, labels in part)
    return Plot(f"Knobs by epoch{number}", "; ".join(parts), labels, draw, 0.5 + 1.35 * len(names))


def _said(found: Mapping[str, Series]) -> str:
    return ", ".join(f"{KNOBS[name]} from {c[0][1]:.4g} to {c[-1][1]:.4g}" for name, c in found.items())


def _alike(labels: Sequence[str]) -> str:
    more = f" and {len(labels) - 4} more" if len(labels) > 4 else ""
    return ", ".join(labels[:4]) + more


def seeds(table: MeasuredTable) -> list[Plot]:
    """Every seed of every row as a dot, their mean with its interval, and the paper's value."""
    rows = [row for row in table.rows if row.figures]
    return [_seeds(table, part, number) for number, part in parts(rows, 2 * PER_FIGURE)]


def _seeds(table: MeasuredTable, rows: Sequence[MeasuredRow], number: str) -> Plot:
    unit = table.metric.unit

    def draw(figure: Any, colours: Colours) -> None:
        panel = prepare(figure.subplots(), colours, cells.unit(table), "")
        for y, row in enumerate(rows):
            panel.axhline(y, color=colours.grid, linewidth=0.8, zorder=0)
            if row.mean is not None:
                half = row.half if row.half is not None and math.isfinite(row.half) else 0.0
                panel.plot([row.mean - half, row.mean + half], [y, y], color=colours.rows[0], linewidth=2.4, alpha=0.55)
                said = f"{row.label}: {cells.interval(row.mean, row.half, unit)}"
                tell(panel, row.mean, y, said, "|", color=colours.rows[0], markersize=13, markeredgewidth=2)
            for run in row.runs:
                if run.figure is not None:
                    said = f"{row.label}, seed {run.seed}: {cells.figure(run.figure, unit)}"
                    tell(panel, run.figure, y, said, color=colours.rows[0], markersize=4, alpha=0.65)
            if (theirs := _theirs(table, row)) is not None:
                said = f"{row.label}, the paper: {cells.figure(theirs, unit)}"
                tell(panel, theirs, y, said, "D", color=colours.theirs, markersize=5.5, markerfacecolor="none")
            across = panel.get_yaxis_transform()
            panel.text(
                0,
                y - 0.24,
                short(row.label),
                transform=across,
                color=colours.ink,
                fontsize=8.5,
                parse_math=False,
            )
        panel.set_ylim(len(rows) - 0.5, -0.75)
        panel.set_yticks([])
        panel.grid(axis="y", visible=False)

    parts = []
    for row in rows:
        theirs = cells.figure(_theirs(table, row), unit)
        beside = "" if theirs == cells.NOTHING else f", theirs {theirs}"
        whose = "" if table.paper is None else "ours "
        parts.append(f"{row.label}: {whose}{cells.interval(row.mean, row.half, unit)}{beside}")
    compared = any(_theirs(table, row) is not None for row in rows)
    title = f"Every seed{' beside the paper' if compared else ''}{number}"
    return Plot(title, f"{'; '.join(parts)}.", (), draw, 0.75 + 0.42 * len(rows), seeds=True, compared=compared)


def _theirs(table: MeasuredTable, row: MeasuredRow) -> float | None:
    """The paper's value, where ours may be compared with it."""
    return row.theirs.value if row.theirs and cells.beside(table, row) else None


def _courses(row: MeasuredRow, column: str) -> list[Series]:
    """A column by epoch, of each finished run that has it."""
    found = [course(run.run, column) for run in row.runs if run.state == "complete"]
    return [each for each in found if each]


def course(run: StoredRun, column: str, x: str = "epoch") -> Series:
    """A column of metrics.csv against another; nothing where that is damaged: the run's figures stand all the same."""
    try:
        rows = [{**row.figures, **vars(row)} for row in run.epochs]
    except StorageProblem:
        return []
    found = [(row[x], row.get(column)) for row in rows if row[x] is not None]
    return [(float(place), value) for place, value in found if value is not None and math.isfinite(value)]


def band(courses: Sequence[Series]) -> tuple[list[float], list[float], list[float], list[float]]:
    """Places, and over the courses the mean, least and greatest value there."""
    at: dict[float, list[float]] = {}
    for each in courses:
        for place, value in each:
            at.setdefault(place, []).append(value)
    places = sorted(at)
    return (places, *([f(at[p]) for p in places] for f in (statistics.fmean, min, max)))  # type: ignore[return-value]
