"""An atlas for people, papers and pandas: sentences, Markdown, CSV, and a page with its map."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tricktable.runner import report, terminal
from tricktable.runner.papers.atlas import Atlas
from tricktable.runner.papers.atlas_file import AND, Members
from tricktable.runner.papers.interactions import LEVEL, Estimate
from tricktable.runner.report import atlas_map, page, records
from tricktable.runner.report.drawing import Plot
from tricktable.runner.report.elements import Html, el
from tricktable.runner.report.fitting import Field, shown
from tricktable.runner.report.markdown import escaped, table_row

RANKED = ("trick", "effect ± 95%", "p", "found")
PAIRED = ("pair", "interaction ± 95%", "p", "both together", "sum of the two")
Row = Sequence[str]


def write(atlas: Atlas, folder: Path, figures: Sequence[str] = ()) -> list[Path]:
    """Write every file of an atlas; their paths, the page last."""
    pictures = {
        f"{name}.{form}": plot.picture(form)
        for name, plot in atlas_map.plots(atlas).items()
        for form in dict.fromkeys(("png", *figures))
    }
    texts = {
        "atlas.md": "\n".join(_markdown(atlas)),
        "cells.csv": records.as_csv(cells(atlas)),
        "singles.csv": records.as_csv(singles(atlas)),
        "pairs.csv": records.as_csv(pairs(atlas)),
    }
    return report.put(folder, {**texts, **pictures, "report.html": _page(atlas)})


def show(atlas: Atlas) -> None:
    """Print what was learned, the tricks in their order, and the pairs that were found."""
    console = terminal.console()
    for line in headline(atlas):
        print(line)
    for headings, rows in ((RANKED, _ranked(atlas)), (PAIRED, _found(atlas))):
        if rows:
            columns = zip(*([terminal.clean(value) for value in row] for row in rows), strict=True)
            fields = [
                Field(name, tuple(texts), text=not i)
                for i, (name, texts) in enumerate(zip(headings, columns, strict=True))
            ]
            console.print(shown(fields, console.width)[0], soft_wrap=False)
    for line in [*atlas.warnings, *legend(atlas), atlas.provenance]:
        print(line)


def headline(atlas: Atlas) -> list[str]:
    """What was learned, a sentence each."""
    counted = f"{len(atlas.pairs)} pair{'' if len(atlas.pairs) == 1 else 's'} of {len(atlas.tricks)} tricks"
    said = []
    if atlas.pairs and atlas.smallest is not None:
        number = {0: "none", 1: "one interaction"}.get(len(atlas.found), f"{len(atlas.found)} interactions")
        power = f"one of {atlas.smallest:.1f} points, were it alone, would be found four times in five"
        were = "was" if len(atlas.found) < 2 else "were"
        said.append(f"Of {counted} {number} {were} found with {atlas.n} seeds a cell; {power}.")
    if atlas.additive is not None:
        left = 1 - atlas.additive.share - atlas.additive.noise
        said.append(
            f"Sums of single effects explain {atlas.additive.share:.0%} of the variance between cells; "
            f"{atlas.additive.noise:.0%} is the noise of the seeds, {left:.0%} interactions."
        )
    best = _best(atlas)
    if best is not None:
        label, mean, base = best
        others = f", where the base has {base:.2f}%" if label != "base" else ""
        said.append(f"The best cell is {label}: {mean:.2f}%{others}.")
    return said


def _best(atlas: Atlas) -> tuple[str, float, float] | None:
    """The label and mean of the cell with the least error, and the base's mean; only cells with every seed count."""
    base = atlas.cells[()].mean
    means = {
        each.label: each.mean for each in atlas.cells.values() if len(each.figures) == atlas.n and each.mean is not None
    }
    if base is None or not means:
        return None
    least = min(means, key=lambda label: means[label])
    return least, means[least], base


def legend(atlas: Atlas) -> list[str]:
    """What the figures are."""
    return [
        "Values: test error in percentage points; below zero is less error.",
        "Effect: the error with the trick less that without. Interaction: the change by both less their effects' sum.",
        f"Found: p below {LEVEL:g} after Benjamini and Hochberg, so that about {LEVEL:.0%} of what is found is false. "
        "Intervals are of one figure each; the spreads of all inform each other (moderated t).",
        "All cells share their seeds, and with them initial values, orders and draws; differences are within a seed.",
    ]


def _estimate(each: Estimate) -> str:
    return f"{each.mean:+.2f} ± {each.half:.2f}"


def _p(each: Estimate) -> str:
    return "<0.001" if each.adjusted < 0.001 else f"{each.adjusted:.3f}"


def _ranked(atlas: Atlas) -> list[Row]:
    found = [(trick, atlas.singles[trick]) for trick in atlas.ranking]
    return [(trick, _estimate(each), _p(each), "found" if each.found else "") for trick, each in found]


def _found(atlas: Atlas) -> list[Row]:
    return [
        (AND.join(pair), _estimate(atlas.pairs[pair]), _p(atlas.pairs[pair]), *_sums(atlas, pair))
        for pair in atlas.found
    ]


def _sums(atlas: Atlas, pair: Members) -> tuple[str, str]:
    """The mean change with both tricks, and that of the two alone added up."""
    base, both = atlas.cells[()].mean, atlas.cells[pair].mean
    assert base is not None and both is not None, "a pair that was found has figures"
    return f"{both - base:+.2f}", f"{sum(atlas.singles[trick].mean for trick in pair):+.2f}"


def _refused(atlas: Atlas) -> list[str]:
    return [f"{AND.join(pair)}: {reason}" for pair, reason in atlas.reasons.items()]


def _markdown(atlas: Atlas) -> Iterator[str]:
    yield from (
        f"# {escaped(atlas.name)}: which tricks add up",
        "",
        *(f"{escaped(line)}  " for line in headline(atlas)),
        "",
    )
    for heading, headings, rows in _tables(atlas):
        yield from (f"## {heading}", "", table_row(headings), table_row(["---"] * len(headings)))
        yield from (table_row([escaped(value) for value in row]) for row in rows)
        yield ""
    if atlas.reasons:
        yield from ("## Pairs without a figure", "", *(f"- {escaped(line)}" for line in _refused(atlas)), "")
    yield from (*(f"{escaped(line)}  " for line in legend(atlas)), "", escaped(atlas.provenance), "")
    yield from (f"**Note:** {escaped(warning)}  " for warning in atlas.warnings)
    yield from ("Made by:", "", f"    {terminal.clean(atlas.command)}", "")


def _tables(atlas: Atlas) -> Iterator[tuple[str, Row, list[Row]]]:
    if rows := _ranked(atlas):
        yield "Each trick alone", RANKED, rows
    if rows := _found(atlas):
        yield "Interactions that were found", PAIRED, rows


def _page(atlas: Atlas) -> str:
    title = f"{atlas.name}: which tricks add up"
    header = el(
        "header",
        el("p", "Atlas", class_="over"),
        el("h1", title),
        *(el("p", line, class_="conclusion") for line in headline(atlas)),
    )
    drawn = atlas_map.plots(atlas).items()
    section = el(
        "section",
        el("p", atlas.provenance, class_="note"),
        *(el("p", el("strong", "Note: "), warning, class_="warning") for warning in atlas.warnings),
        *(el("div", page.figure(plot, name, atlas.command), class_=_size(plot)) for name, plot in drawn),
        *(part for heading, headings, rows in _tables(atlas) for part in (el("h3", heading), _grid(headings, rows))),
        *([el("h3", "Pairs without a figure"), page.listed(_refused(atlas))] if atlas.reasons else []),
        el("h3", "How to read this"),
        page.listed(legend(atlas)),
        page.again("The command that makes this atlas again", atlas.command),
    )
    return page.whole(title, header, section)


def _size(plot: Plot) -> str:
    return "figures" if plot.width == Plot.width else "whole"


def _grid(headings: Row, rows: Sequence[Row]) -> Html:
    head = el("tr", *(el("th", name, scope="col", role="columnheader") for name in headings), role="row")
    body = [
        el(
            "tr",
            el("th", row[0], scope="row", role="rowheader"),
            *(el("td", value, data_name=name, role="cell") for name, value in zip(headings[1:], row[1:], strict=True)),
            role="row",
        )
        for row in rows
    ]
    table = el("table", el("thead", head, role="rowgroup"), el("tbody", *body, role="rowgroup"), role="table")
    return el("div", table, class_="wide", role="region", aria_label=headings[0], tabindex="0")


def cells(atlas: Atlas) -> list[dict[str, Any]]:
    """A record for each run."""
    return [
        {**_of(cell.members), "seed": run.seed, "test_error": run.figure, "state": run.state, "run": run.run.id}
        for cell in atlas.cells.values()
        for run in cell.runs
    ]


def singles(atlas: Atlas) -> list[dict[str, Any]]:
    """A record for each trick."""
    return [{"trick": trick, **_record(atlas.singles.get(trick))} for trick in atlas.tricks]


def pairs(atlas: Atlas) -> list[dict[str, Any]]:
    """A record for each pair, those without a figure with the reason."""
    every = [*atlas.pairs, *atlas.reasons]
    return [{**_of(pair), **_record(atlas.pairs.get(pair)), "reason": atlas.reasons.get(pair)} for pair in every]


def _of(members: Members) -> dict[str, Any]:
    return dict(zip(("a", "b"), (*members, None, None), strict=False))


def _record(each: Estimate | None) -> dict[str, Any]:
    if each is None:
        return dict.fromkeys(("effect", "ci95", "p", "p_adjusted", "found", "n"))
    return {
        "effect": each.mean,
        "ci95": each.half,
        "p": each.p,
        "p_adjusted": each.adjusted,
        "found": int(each.found),
        "n": each.n,
    }
