"""An atlas drawn: a cell for each pair of tricks, the single tricks on its diagonal; and the tricks in a row."""

from typing import Any

from tricktable.runner.papers.atlas import Atlas
from tricktable.runner.papers.atlas_file import AND, Members
from tricktable.runner.papers.interactions import Estimate
from tricktable.runner.report.colour_map import on
from tricktable.runner.report.drawing import LONGEST, Colours, Plot, prepare, short, tell

MAP = "RdBu_r"  # blue where it helps, red where it harms; even for those who do not see red or green
SIDE = 0.44  # of a cell, in inches
LETTER = 0.07  # inches of a name's letter
FOUND = "*"  # beside an effect that was found


def plots(atlas: Atlas) -> dict[str, Plot]:
    """The plots by their files' names: what there are figures for."""
    drawn = {"interactions": interactions(atlas)} if atlas.pairs else {}
    return {**drawn, **({"singles": singles(atlas)} if atlas.singles else {})}


def interactions(atlas: Atlas) -> Plot:
    """Interactions below the diagonal, effects of the tricks alone on it; a star where it was found."""
    names = [short(trick, 24) for trick in atlas.tricks]
    cells: dict[Members, Estimate] = {**atlas.pairs, **{(trick,): each for trick, each in atlas.singles.items()}}
    deepest = _deepest([abs(each.mean) for each in atlas.pairs.values()])

    def draw(figure: Any, colours: Colours) -> None:
        panel = prepare(figure.subplots(), colours, "", "")
        panel.grid(visible=False)
        panel.spines["bottom"].set_visible(False)
        for i, trick in enumerate(atlas.tricks):
            for j, other in enumerate(atlas.tricks[: i + 1]):
                members = (trick,) if i == j else (other, trick)
                _cell(panel, colours, (j, i), members, cells.get(members), deepest)
        panel.set_xlim(-0.54, len(names) - 0.46)
        panel.set_ylim(len(names) - 0.46, -0.54)
        panel.set_xticks(range(len(names)), names, parse_math=False, rotation=40, ha="right", rotation_mode="anchor")
        panel.set_yticks(range(len(names)), names, parse_math=False)
        panel.set_aspect("equal")

    longest = LETTER * max(map(len, names))
    width = 0.5 + longest + SIDE * len(names)
    height = 0.4 + 0.7 * longest + SIDE * len(names)
    words = (
        "Interaction of each pair in percentage points of error; on the diagonal, framed, the trick alone. Blue is "
        f"less error, red is more, the deepest of {deepest:.1f} points and beyond; a star: found."
    )
    return Plot("Which tricks add up", words, (), draw, height, width=max(width, Plot.width))


def _deepest(sizes: list[float]) -> float:
    """The size from which colours are as deep as they go: one pair in twenty, so that it does not pale all others."""
    return sorted(sizes)[int(0.95 * (len(sizes) - 1))] or max(sizes) or 1.0


def _cell(
    panel: Any, colours: Colours, at: tuple[int, int], members: Members, estimate: Estimate | None, deepest: float
) -> None:
    from matplotlib import colormaps
    from matplotlib.patches import Rectangle

    corner, alone = (at[0] - 0.48, at[1] - 0.48), len(members) == 1
    if estimate is None:
        panel.add_patch(Rectangle(corner, 0.96, 0.96, facecolor="none", edgecolor=colours.grid))
        panel.text(*at, "–", color=colours.muted, ha="center", va="center")
        return
    shade = colormaps[MAP](0.5 + 0.5 * max(-1.0, min(1.0, estimate.mean / deepest)))
    edge = colours.ink if alone else "none"
    panel.add_patch(Rectangle(corner, 0.96, 0.96, facecolor=shade, edgecolor=edge, linewidth=1.2))
    star = FOUND if estimate.found else ""
    weight = "bold" if estimate.found else "normal"
    style = {"color": on(shade), "ha": "center", "va": "center", "parse_math": False}
    panel.text(*at, f"{estimate.mean:+.1f}{star}", fontsize=7.5, weight=weight, **style)
    said = f"{AND.join(members)}: {estimate.mean:+.2f} ± {estimate.half:.2f}"
    tell(panel, *at, said, "s", color=colours.ink, alpha=0, markersize=14)


def singles(atlas: Atlas) -> Plot:
    """Each trick's effect alone, with its interval; the most useful first."""
    ranking = atlas.ranking

    def draw(figure: Any, colours: Colours) -> None:
        panel = prepare(figure.subplots(), colours, "test error with the trick less without, points", "")
        panel.axvline(0, color=colours.muted, linewidth=1)
        for y, trick in enumerate(ranking):
            each = atlas.singles[trick]
            colour = colours.rows[0] if each.found else colours.muted
            panel.plot([each.mean - each.half, each.mean + each.half], [y, y], color=colour, linewidth=2.2, alpha=0.6)
            tell(panel, each.mean, y, f"{trick}: {each.mean:+.2f} ± {each.half:.2f}", color=colour, markersize=5)
        panel.set_yticks(range(len(ranking)), [short(trick, LONGEST // 2) for trick in ranking], parse_math=False)
        panel.set_ylim(len(ranking) - 0.5, -0.5)
        panel.grid(axis="y", visible=False)

    words = "; ".join(
        f"{trick} {atlas.singles[trick].mean:+.2f} ± {atlas.singles[trick].half:.2f}" for trick in ranking
    )
    title = "Each trick alone (blue: found)"
    return Plot(title, f"{words}.", (), draw, 0.7 + 0.24 * len(ranking))
