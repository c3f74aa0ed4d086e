"""A grid of figures: a cell for each pair of values, its figure printed in it, the best outlined."""

from collections.abc import Mapping, Sequence
from typing import Any

from tricktable.runner.papers.varying import Point
from tricktable.runner.report.colour_map import on, shades
from tricktable.runner.report.drawing import Colours, Plot, prepare, short

Value = float | str
NONE = "–"  # no run
WIDTH, HEIGHT = 0.62, 0.42  # of a cell, in inches
LETTER = 0.075  # inches of a name's letter
LONG = 7  # letters, which as a column's name are wider than it


def heat_map(
    title: str,
    words: str,
    x: str,
    y: str,
    cells: Mapping[tuple[Value, Value], float | str],
    notes: Mapping[tuple[Value, Value], str] | None = None,
) -> Plot:
    """Draw figures by (value of x, value of y); the least is the best, and outlined.

    x, y: what the axes are named. A cell that is a text has no figure and says why (`div`); one that is not there has
    no run. notes: a few small letters under a cell's figure. Numbers ascend, to the right and upwards; other values
    keep the order of the cells. Cells are of one size, so that values that rise by a factor are log spaced.
    """
    across, up = (_order([key[i] for key in cells]) for i in (0, 1))
    figures = [figure for figure in cells.values() if not isinstance(figure, str)]
    names, labels = ([_label(value) for value in values] for values in (across, up))
    slanted = len(names) > 1 and max(map(len, names)) > LONG
    notes = notes or {}

    def draw(figure: Any, colours: Colours) -> None:
        panel = prepare(figure.subplots(), colours, x, y)
        panel.grid(visible=False)
        panel.spines["bottom"].set_visible(False)
        for i, a in enumerate(across):
            for j, b in enumerate(up):
                _cell(panel, colours, (i, j), cells.get((a, b), NONE), notes.get((a, b), ""), figures)
        panel.set_xlim(-0.54, len(across) - 0.46)
        panel.set_ylim(-0.54, len(up) - 0.46)
        panel.set_xticks(range(len(across)), names, parse_math=False)
        panel.set_yticks(range(len(up)), labels, parse_math=False)
        if slanted:
            for label in panel.get_xticklabels():
                label.set(rotation=30, ha="right", rotation_mode="anchor")

    width = max(LETTER * max(len(title), len(x)) + 0.6, 0.7 + LETTER * max(map(len, labels)) + WIDTH * len(across))
    height = max(LETTER * len(y) + 0.6, 0.95 + HEIGHT * len(up)) + (LETTER / 2 * max(map(len, names)) if slanted else 0)
    return Plot(title, words, (), draw, height, width=width)


def of_points(found: Mapping[tuple[Value, ...], Point], x: str, y: str, name: str) -> Plot:
    """Draw the mean figures of runs by the values of two keys, as papers.varying has them; `name`: what they are."""
    points = {(values[0], values[1]): point for values, point in found.items()}
    means = {key: point.mean for key, point in points.items() if point.mean is not None}
    cells = {key: means.get(key, "div") for key in points}
    if means:
        best = min(means, key=lambda key: means[key])
        words = f"{len(found)} cells; the best is {means[best]:.4g} at {x}={best[0]}, {y}={best[1]}."
    else:
        words = f"{len(found)} cells; all runs diverged."
    notes = {key: f"{points[key].diverged} div" for key in means if points[key].diverged}
    title = f"Mean {name} (outlined: the best)" if means else f"Mean {name}"
    return heat_map(title, words, x, y, cells, notes)


def _cell(
    panel: Any, colours: Colours, at: tuple[int, int], value: float | str, note: str, figures: Sequence[float]
) -> None:
    """One cell; figures are those of all cells."""
    from matplotlib.patches import Rectangle

    corner = (at[0] - 0.48, at[1] - 0.48)
    if isinstance(value, str):
        panel.add_patch(Rectangle(corner, 0.96, 0.96, facecolor="none", edgecolor=colours.grid))
        panel.text(*at, value, color=colours.muted, ha="center", va="center", parse_math=False)
        return
    best = value == min(figures)
    colour = shades(min(figures), max(figures)).to_rgba(value)
    panel.add_patch(Rectangle(corner, 0.96, 0.96, facecolor=colour))
    if best:
        frame = Rectangle(corner, 0.96, 0.96, facecolor="none", edgecolor=colours.theirs, linewidth=2.5, zorder=3)
        panel.add_patch(frame)
    style = {"color": on(colour), "ha": "center", "parse_math": False}
    weight = "bold" if best else "normal"
    panel.text(at[0], at[1] + (0.1 if note else 0), _figure(value), va="center", weight=weight, **style)
    panel.text(at[0], at[1] - 0.38, note, va="bottom", fontsize=6, **style)


def _order(values: Sequence[Value]) -> list[Value]:
    """Each once: numbers in ascending order, with texts among them in that of their first cells."""
    once = list(dict.fromkeys(values))
    return sorted(once, key=float) if not any(isinstance(value, str) for value in once) else once


def _label(value: Value) -> str:
    return short(value) if isinstance(value, str) else f"{value:g}"


def _figure(value: float) -> str:
    return f"{value:.2f}" if abs(value) < 100 else f"{value:.3g}"
