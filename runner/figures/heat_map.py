"""a study of two keys as a grid: the mean figure over seeds in each cell, the best outlined, diverged ones named

Loshchilov & Hutter 2019, arXiv:1711.05101, figure 1 (learning rate and weight decay). A cell is

    m(x, y) = 1/n sum_s figure(x, y, seed s)

over the n runs that finished; it says how many diverged, and «div» where all did.
"""

from typing import Any

from runner.errors import BadInput
from runner.explore.reevaluate import Request
from runner.figures.figure import Ended, Figure, used
from runner.papers.varying import Name, Point, Value, points, varying
from runner.report import heat_map as grid


def heat_map(
    runs: Ended, request: Request, x: str | None = None, y: str | None = None, of: Name = "test_error"
) -> Figure:
    """Draw the runs by two keys, numbers or not: x and y, or the two that vary. `of`: a figure of summary.json.

    The least is the best. Runs of a cell differ by their seed alone; BadInput where others would fall into it.
    """
    used(request, "heat_map")
    across, up = _keys(runs, x, y)
    found: dict[tuple[Value, Value], Point] = {
        (values[0], values[1]): point for values, point in points(runs, (across, up), of).items()
    }
    name = f"{of.replace('_', ' ')}{', %' if of.endswith('error') else ''}"
    means = {key: point.mean for key, point in found.items() if point.mean is not None}
    cells = {key: "div" if point.mean is None else point.mean for key, point in found.items()}
    if means:
        best = min(means, key=lambda key: means[key])
        words = f"{len(found)} cells; the best is {means[best]:.4g} at {across}={best[0]}, {up}={best[1]}."
    else:
        words = f"{len(found)} cells; all runs diverged."
    notes = {key: f"{point.diverged} div" for key, point in found.items() if point.mean is not None and point.diverged}
    title = f"Mean {name} (outlined: the best)" if means else f"Mean {name}"
    plot = grid.heat_map(title, words, across, up, cells, notes)
    return Figure((plot,), tuple(_record(across, up, key, point) for key, point in found.items()))


def _keys(runs: Ended, x: str | None, y: str | None) -> tuple[str, str]:
    if x is not None and y is not None:
        return x, y
    free = [key for key in varying(runs) if key not in (x, y)]
    if len(free) != (x is None) + (y is None):
        vary = ", ".join(varying(runs)) or "nothing"
        raise BadInput(f"heat_map: type x=<key> and y=<key>; these runs vary {vary}")
    return x or free[0], y or free[-1]


def _record(x: str, y: str, key: tuple[Value, Value], point: Point) -> dict[str, Any]:
    return {
        x: key[0],
        y: key[1],
        "mean": point.mean,
        "least": min(point.figures, default=None),
        "greatest": max(point.figures, default=None),
        "n": len(point.figures),
        "diverged": point.diverged,
    }
