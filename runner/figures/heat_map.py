"""a study of two keys as a grid: the mean figure over seeds in each cell, the best outlined, diverged ones named

Loshchilov & Hutter 2019, arXiv:1711.05101, figure 1 (learning rate and weight decay). A cell is

    m(x, y) = 1/n sum_s figure(x, y, seed s)

over the n runs that finished; it says how many diverged, and «div» where all did.
"""

from typing import Any

from tricktable.runner.errors import BadInput
from tricktable.runner.explore.reevaluate import Request
from tricktable.runner.figures.figure import Ended, Figure, used
from tricktable.runner.papers.varying import Name, Point, Value, points, varying
from tricktable.runner.report.heat_map import of_points


def heat_map(
    runs: Ended, request: Request, x: str | None = None, y: str | None = None, of: Name = "test_error"
) -> Figure:
    """Draw the runs by two keys, numbers or not: x and y, or the two that vary. `of`: a figure of summary.json.

    The least is the best. Runs of a cell differ by their seed alone; BadInput where others would fall into it.
    """
    used(request, "heat_map")
    across, up = _keys(runs, x, y)
    found = points(runs, (across, up), of)
    name = f"{of.replace('_', ' ')}{', %' if of.endswith('error') else ''}"
    plot = of_points(found, across, up, name)
    return Figure((plot,), tuple(_record(across, up, key, point) for key, point in found.items()))


def _keys(runs: Ended, x: str | None, y: str | None) -> tuple[str, str]:
    if x is not None and y is not None:
        return x, y
    free = [key for key in varying(runs) if key not in (x, y)]
    if len(free) != (x is None) + (y is None):
        vary = ", ".join(varying(runs)) or "nothing"
        raise BadInput(f"heat_map: type x=<key> and y=<key>; these runs vary {vary}")
    return x or free[0], y or free[-1]


def _record(x: str, y: str, key: tuple[Value, ...], point: Point) -> dict[str, Any]:
    return {
        x: key[0],
        y: key[1],
        "mean": point.mean,
        "least": min(point.figures, default=None),
        "greatest": max(point.figures, default=None),
        "n": len(point.figures),
        "diverged": point.diverged,
    }
