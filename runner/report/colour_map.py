"""Values as colours: a map whose steps look alike, dark where little is; for cells of a table, and for contours.

Its colours are the same on a light page and on a dark one, and so is what is written on them: black or white, whichever
contrasts more (WCAG 2.2, relative luminance).
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

from tricktable.runner.report.drawing import LOGARITHMIC, Colours

MAP = "viridis"  # perceptually even, and in grey too
LEVELS = 12
EPS = 1e-9
WHITE, BLACK = "#ffffff", "#111111"
RGB = Sequence[float]


def shades(low: float, high: float) -> Any:
    """matplotlib's mappable from values to colours: logarithmic where they span decades, as drawing.scale is."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LogNorm, Normalize

    norm = LogNorm(low, high) if 0 < 8 * low < high else Normalize(low, high)
    return ScalarMappable(norm, MAP)


def on(colour: RGB) -> str:
    """What is read best on a colour (RGB in 0..1): black or white."""
    light = luminance(colour)
    return WHITE if 1.05 / (light + 0.05) > (light + 0.05) / 0.05 else BLACK


def luminance(colour: RGB) -> float:
    """The relative luminance of an sRGB colour, its channels in 0..1."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour[:3]]
    return sum(share * c for share, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contours(
    panel: Any, colours: Colours, name: str, along: "Tensor", values: "Tensor", bounds: tuple[float, float]
) -> None:
    """Fill a square panel with values (N x N above 0, rows upwards) over N places along both axes; mark its middle.

    name: what the values are. bounds: the least and greatest value of the colours, which several panels may share. What
    is not finite stays empty.
    """
    from matplotlib.colors import LogNorm

    norm, steps = LogNorm(*bounds), np.geomspace(*bounds, LEVELS)
    steps[0], steps[-1] = bounds[0] * (1 - EPS), bounds[1] * (1 + EPS)  # both ends lie within
    places, shown = along.tolist(), np.ma.masked_invalid(values.numpy())
    filled = panel.contourf(places, places, shown, levels=steps, norm=norm, cmap=MAP)
    inner = [level for level in steps[1:-1] if shown.min() < level < shown.max()]
    if inner:  # there is a line to draw
        inks = [on(filled.to_rgba(level)) for level in inner]
        lines = panel.contour(places, places, shown, levels=inner, colors=inks, linewidths=0.6)
        panel.clabel(lines, [level for level in inner if level in steps[1:-1:2]], fmt=_plain, fontsize=7)
    panel.plot([0], [0], "+", color=on(filled.to_rgba(shown[len(places) // 2, len(places) // 2])), markersize=9)
    panel.set_aspect("equal")
    panel.grid(visible=False)
    bar = panel.figure.colorbar(filled, ax=panel, ticks=steps[::2], format=lambda value, _: _plain(value))
    bar.outline.set_visible(False)
    bar.ax.minorticks_off()
    bar.ax.tick_params(colors=colours.muted, length=0)
    bar.set_label(f"{name} ({LOGARITHMIC})", color=colours.muted)


def _plain(value: float) -> str:
    """Two figures, without an exponent where that is short."""
    return f"{value:,.0f}" if 10 <= value < 1e6 else f"{value:.2g}"
