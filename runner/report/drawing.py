"""How the plots are drawn: as SVG in the page's own colours, or as a picture on white. matplotlib without pyplot.

On the page every colour is one of the page's CSS variables, so that one drawing serves light and dark. No label is read
as mathematics.
"""

import io
import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from tricktable.runner import terminal

DASHES = ("", "6 2", "2 2", "8 2 2 2", "4 1 1 1 1 1", "10 3")  # lines differ by more than their colour
PER_FIGURE = len(DASHES)
LOGARITHMIC = "log scale"  # beside an axis's name
# The formats of pictures, each with what its files do not say of their making.
UNSAID = {"png": ("Software",), "svg": ("Date", "Creator"), "pdf": ("CreationDate", "Creator", "Producer")}
TOLD = "told: "  # begins the name of what says its values where a pointer rests on it
LONGEST = 46  # characters of a label within a drawing
T = TypeVar("T")


@dataclass(frozen=True)
class Colours:
    """What a drawing is drawn in; the colours of its rows repeat from figure to figure."""

    ink: str
    muted: str
    grid: str
    paper: str
    theirs: str
    rows: tuple[str, ...]


PRINT = Colours(
    "#1d1f23", "#5c6068", "#e2e0da", "#ffffff", "#b3261e",
    ("#1f5fa8", "#b4470b", "#0f6f66", "#8e2a80", "#6d5800", "#4b5563"),
)  # fmt: skip
# Colours that nothing else has: in SVG, variables of the page's style take their place.
PAGE = Colours(
    "#fe0a01", "#fe0a02", "#fe0a03", "#fe0a04", "#fe0a05", tuple(f"#fe0b0{i}" for i in range(PER_FIGURE))
)  # fmt: skip


@dataclass(frozen=True)
class Plot:
    """A drawing: of what, in words for who cannot see it, which labels its lines stand for, and how it is drawn.

    seeds: whether it has a dot for each seed of a row, with the mean and its interval, which its key then explains.
    """

    title: str
    words: str
    labels: tuple[str, ...]
    draw: Callable[[Any, Colours], None]
    height: float  # inches
    seeds: bool = False
    compared: bool = False  # whether the paper's values are in it
    width: float = 4.0  # inches

    def svg(self, name: str) -> str:
        """As SVG for the page; `name` keeps its ids apart from those of others."""
        import matplotlib as mpl

        data = io.StringIO()
        with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": name, "font.size": 9}):
            self._figure(PAGE).savefig(data, format="svg", transparent=True, metadata={"Date": None})
        return _for_page(data.getvalue(), name)

    def picture(self, form: str = "png") -> bytes:
        """As a picture on white, with its title and legend in it: PNG, SVG or PDF. The same plot has the same bytes.

        Text is text, in a PDF of fonts that are in it whole (TrueType, as journals ask); nothing says when or by whom.
        """
        import matplotlib as mpl

        data = io.BytesIO()
        with mpl.rc_context({"font.size": 9, "pdf.fonttype": 42, "svg.fonttype": "none", "svg.hashsalt": self.title}):
            figure = self._figure(PRINT, legend=True)
            figure.savefig(data, format=form, dpi=200, metadata=dict.fromkeys(UNSAID[form]))
        return _told(data.getvalue().decode()).encode() if form == "svg" else data.getvalue()

    def _figure(self, colours: Colours, legend: bool = False) -> Any:
        from matplotlib.figure import Figure

        lines, labels = self._lines(colours) if legend else ([], [])
        below = 0.2 + 0.17 * max(2, len(labels)) if labels else 0.0
        figure = Figure(figsize=(self.width, self.height + below), layout="constrained", facecolor=colours.paper)
        self.draw(figure, colours)
        if labels:
            shown = figure.legend(lines, labels, loc="outside lower left", frameon=False, fontsize=8)
            for text in shown.get_texts():
                text.set_parse_math(False)
        if legend:
            figure.suptitle(self.title, fontsize=10, color=colours.ink, parse_math=False)
        return figure

    def _lines(self, colours: Colours) -> tuple[list[Any], list[str]]:
        from matplotlib.lines import Line2D

        if self.labels:
            styles = [{"color": colours.rows[i], "linestyle": dash(i)} for i in range(len(self.labels))]
            longest = round(LONGEST * self.width / Plot.width)
            return [Line2D([], [], **style) for style in styles], [short(label, longest) for label in self.labels]
        if not self.seeds:
            return [], []
        ours = Line2D([], [], color=colours.rows[0], marker="o", markersize=4)
        if not self.compared:
            return [ours], ["seeds, their mean and its 95% interval"]
        theirs = Line2D([], [], color=colours.theirs, marker="D", markerfacecolor="none", linestyle="none")
        return [ours, theirs], ["seeds, their mean and its 95% interval", "the paper"]


def prepare(panel: Any, colours: Colours, x: str, y: str, *, counted: bool = False) -> Any:
    """A plot's panel with its axes named, their lines thin; `counted`: x is of whole numbers."""
    from matplotlib.ticker import MaxNLocator

    panel.set_facecolor("none")
    if counted:
        panel.xaxis.set_major_locator(MaxNLocator("auto", integer=True, steps=[1, 2, 5, 10]))
    panel.set_xlabel(x, color=colours.muted)
    panel.set_ylabel(y, color=colours.muted)
    panel.tick_params(colors=colours.muted, length=0, pad=4)
    panel.grid(color=colours.grid, linewidth=0.8)
    panel.set_axisbelow(True)
    for side in ("top", "right", "left"):
        panel.spines[side].set_visible(False)
    panel.spines["bottom"].set_color(colours.muted)
    return panel


def scale(panel: Any, values: Sequence[float]) -> None:
    """Logarithmic where the values span decades, and then labelled in plain numbers."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    low, high = min(values), max(values)
    if low > 0 and high > 8 * low:
        panel.set_yscale("log")
        panel.set_ylabel(f"{panel.get_ylabel()}\n({LOGARITHMIC})".strip())
        few = math.log10(high / low) > 2
        panel.yaxis.set_major_locator(LogLocator(subs=(1.0,) if few else (1.0, 2.0, 5.0)))
        panel.yaxis.set_minor_formatter(NullFormatter())
        panel.minorticks_off()
    elif high - low < 1e-9 * abs(high):  # an axis fitted to it would show rounding
        panel.set_ylim(min(0.0, 2 * high), max(2 * high, 1e-12))
    panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}" if value >= 1e3 else f"{value:g}"))


def tell(panel: Any, x: float, y: float, said: str, marker: str = "o", **style: Any) -> None:
    """A point of a drawing, seen or not (alpha=0), that says its values where a pointer rests on it, in SVG."""
    panel.plot([x], [y], marker, gid=f"{TOLD}{terminal.clean(said)}", **style)


def dash(index: int) -> Any:
    """A row's line style, of which there are PER_FIGURE."""
    return (0, tuple(float(n) / 1.5 for n in DASHES[index].split())) if DASHES[index] else "-"


def parts(found: Sequence[T], size: int = PER_FIGURE) -> Iterator[tuple[str, Sequence[T]]]:
    """A drawing's share of many rows, and which of how many it is."""
    count = math.ceil(len(found) / size)
    for i in range(count):
        yield (f" ({i + 1} of {count})" if count > 1 else "", found[i * size : (i + 1) * size])


def short(label: str, longest: int = LONGEST) -> str:
    """A label within a drawing, where it cannot wrap; what is anybody's text does nothing there."""
    label = terminal.clean(label)
    return label if len(label) <= longest else f"{label[: longest - 1]}…"


def _for_page(svg: str, name: str) -> str:
    """The drawing alone: no prologue, no metadata, the page's colours, ids of its own; it grows with its container."""
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    box = re.search(r'viewBox="([0-9. ]+)"', svg)
    assert box is not None, "matplotlib writes a viewBox"
    svg = re.sub(r"<svg[^>]*>", f'<svg viewBox="{box[1]}" aria-hidden="true" focusable="false">', svg, count=1)
    svg = re.sub(r'(\bid="|xlink:href="#|url\(#)', lambda match: f"{match[1]}{name}-", svg)
    variables = {getattr(PAGE, name): name for name in ("ink", "muted", "grid", "theirs")}
    variables |= {colour: f"row-{i}" for i, colour in enumerate(PAGE.rows)}
    return _told(re.sub("#fe0[ab]0.", lambda match: f"var(--{variables[match[0]]})", svg))


def _told(svg: str) -> str:
    """The drawing, in which what has values to say says them: browsers show a title where a pointer rests."""
    return re.sub(rf'<g id="[^">]*?{TOLD}([^"]*)">', r"<g><title>\1</title>", svg)
