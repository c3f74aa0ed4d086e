"""how much a figure depends on one key: mean and range over seeds against its values, a line for each value of another

Learning rates of several optimizers: Wilson et al. 2017, arXiv:1705.08292; Loshchilov & Hutter 2019, arXiv:1711.05101;
Liu et al. 2020, arXiv:1908.03265, figure 6. At each value v of the key

    m(v) = 1/n sum_s figure(v, seed s),    with the bar from the least to the greatest of them

over the n runs that finished. Values at which a run diverged have a cross at the top.
"""

from collections.abc import Sequence
from typing import Any

from tricktable.runner.errors import BadInput
from tricktable.runner.explore.reevaluate import Request
from tricktable.runner.figures.figure import Ended, Figure, used
from tricktable.runner.papers.varying import Name, Point, Value, points, varying
from tricktable.runner.report.drawing import Colours, Plot, dash, parts, prepare, scale

Line = tuple[str, list[tuple[float, Point]]]


def sensitivity(
    runs: Ended, request: Request, key: str = "optimizer.lr", by: str | None = None, of: Name = "test_error"
) -> Figure:
    """Draw a figure of summary.json against a key whose values are numbers, with a line for each value of `by`.

    The key's axis is logarithmic where the values are above 0 and span decades. Runs of one value differ by their seed
    alone; BadInput where they do not.
    """
    used(request, "sensitivity")
    if by == key:
        raise BadInput(f"by={by}: it is the key already")
    found = points(runs, (key,) if by is None else (key, by), of)
    lines: dict[Value, list[tuple[float, Point]]] = {}
    for (value, *rest), point in found.items():
        if isinstance(value, str):
            others = ", ".join(each for each in varying(runs) if each != key)
            more = f"; these runs vary {others} too" if others else ""
            raise BadInput(f"key={key}: expected a key of numbers, got {value}{more}")
        lines.setdefault(rest[0] if rest else "", []).append((value, point))
    named = [(f"{by}={_written(each)}" if by else "", line) for each, line in lines.items()]
    drawn = tuple(_plot(part, key, of, number) for number, part in parts(named))
    records = [_record(key, by, values, point) for values, point in found.items()]
    return Figure(drawn, tuple(records))


def _plot(lines: Sequence[Line], key: str, of: Name, number: str) -> Plot:
    name, unit = of.replace("_", " "), ", %" if of.endswith("error") else ""
    values = sorted({value for _, line in lines for value, _ in line})
    logarithmic = 0 < 8 * values[0] < values[-1]
    lost = any(point.diverged for _, line in lines for _, point in line)
    axis = f"{key}{', logarithmic' if logarithmic else ''}{' (×: diverged)' if lost else ''}"

    def draw(figure: Any, colours: Colours) -> None:
        panel = prepare(figure.subplots(), colours, axis, name + unit)
        if logarithmic:
            _log_axis(panel, values)
        for i, (_, line) in enumerate(lines):
            _line(panel, line, colours.rows[i], i)
        figures = [figure for _, line in lines for _, point in line for figure in point.figures]
        scale(panel, figures or [1.0])

    said = "; ".join(_said(label, line) for label, line in lines)
    labels = tuple(label for label, _ in lines if label)
    title = f"{name[0].upper()}{name[1:]} by {key}{number}"
    return Plot(title, f"Mean and range over seeds. {said}.", labels, draw, 2.9)


def _line(panel: Any, line: Sequence[tuple[float, Point]], colour: str, index: int) -> None:
    """A line with bars from the least to the greatest; where all runs diverged it has a gap."""
    values = [value for value, _ in line]
    means = [float("nan") if point.mean is None else point.mean for _, point in line]
    panel.plot(values, means, color=colour, linewidth=1.5, linestyle=dash(index), marker="o", markersize=3.5)
    for value, point in line:
        if point.figures:
            panel.vlines(value, min(point.figures), max(point.figures), color=colour, linewidth=2.4, alpha=0.45)
    lost = [value for value, point in line if point.diverged]
    across = panel.get_xaxis_transform()
    panel.plot(lost, [1 - 0.05 * index] * len(lost), "x", color=colour, markersize=6, transform=across, clip_on=False)


def _log_axis(panel: Any, values: Sequence[float]) -> None:
    """Logarithmic, with plain numbers at powers of ten, or at the values where these are few."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

    panel.set_xscale("log")
    panel.xaxis.set_major_locator(FixedLocator(values) if len(values) <= 7 else LogLocator())
    panel.xaxis.set_minor_locator(NullLocator())
    panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _said(label: str, line: Sequence[tuple[float, Point]]) -> str:
    before = f"{label}: " if label else ""
    finished = [(point.mean, value) for value, point in line if point.mean is not None]
    lost = [f"{value:g}" for value, point in line if point.diverged]
    diverged = f"; runs diverged at {', '.join(lost)}" if lost else ""
    if not finished:
        return f"{before}no run finished{diverged}"
    mean, value = min(finished)
    return f"{before}least at {value:g}, {mean:.4g}{diverged}"


def _written(value: Value) -> str:
    return value if isinstance(value, str) else f"{value:g}"


def _record(key: str, by: str | None, values: Sequence[Value], point: Point) -> dict[str, Any]:
    return {
        key: values[0],
        **({by: values[1]} if by else {}),
        "mean": point.mean,
        "least": min(point.figures, default=None),
        "greatest": max(point.figures, default=None),
        "n": len(point.figures),
        "diverged": point.diverged,
    }
