"""The report as one HTML page that is whole in its file: nothing is fetched, no script but its own, as a policy says.

Every text goes through `elements.el`, which escapes what is not already HTML.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from tricktable.runner.papers.facts import About
from tricktable.runner.papers.measured import Judged, MeasuredRow, MeasuredTable, Verdict
from tricktable.runner.report import cells, drawing, foot, headline, images, plots, script, style
from tricktable.runner.report.columns import CLAIMS, EVALUATED, LATER, OF_RUNS, Column, Kind, Line, columns
from tricktable.runner.report.elements import Html, el, join, text

POLICY = (
    f"default-src 'none'; script-src {script.source()}; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "form-action 'none'"
)
# Each verdict's tone and sign: a hint, in brackets, is not yet a verdict. Nobody needs to see the colour.
TONES: dict[Verdict, tuple[str, str]] = {
    "reproduced": ("good", "✓"),
    "contradicted": ("bad", "✗"),
    "undecided": ("open", "?"),
    "indication for": ("good hint", "(✓)"),
    "indication against": ("bad hint", "(✗)"),
    "no indication": ("open hint", "(?)"),
    "not run": ("quiet", "…"),
    "not runnable here": ("quiet", "–"),
    "qualitative": ("quiet", "¶"),
}
# The kinds of column that the style sheet sets in a way of their own, by the same name.
STYLED: tuple[Kind, ...] = ("ours", "counts", "verdicts")


def page(tables: Sequence[MeasuredTable]) -> str:
    """The whole page."""
    titles = list(dict.fromkeys(cells.title(each) for each in tables))
    title = titles[0] if len(titles) == 1 else f"{len(tables)} tables, measured"
    sections = [section(each, f"t{number}", len(tables) > 1) for number, each in enumerate(tables, 1)]
    return whole(title, _header(tables, title), *sections)


def whole(title: str, header: Html, *sections: Html) -> str:
    """A page of its own: a header, what stands below it, and the foot."""
    head = join(
        [
            Html('<meta charset="utf-8">'),
            Html(f'<meta http-equiv="Content-Security-Policy" content="{text(POLICY)}">'),
            Html('<meta name="viewport" content="width=device-width, initial-scale=1">'),
            Html('<meta name="color-scheme" content="light dark">'),
            el("title", f"{title} · tricktable"),
            el("style", Html(style.sheet())),
        ]
    )
    body = join([header, el("main", *sections), _footer(), el("script", Html(script.SCRIPT))])
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>{body}</body></html>\n'


def _header(tables: Sequence[MeasuredTable], title: str) -> Html:
    """What the page is about: the paper, where all tables are of one; how the claims came out; links to the tables."""
    only = tables[0] if len({each.title for each in tables}) == 1 else None
    links = [el("li", el("a", each.name, href=f"#t{number}")) for number, each in enumerate(tables, 1) if tables[1:]]
    return el(
        "header",
        el("p", "Theirs and ours" if any(map(cells.compared, tables)) else "Measured", class_="over"),
        el("h1", only.title if only else title),
        _by(only.paper.about) if only and only.paper else Html(),
        el("p", headline.conclusion(tables), class_="conclusion"),
        *[el("p", line, class_="banner") for each in tables if not tables[1:] for line in headline.run_here(each)],
        *_tallies(tables),
        el("nav", el("ul", *links), aria_label="Tables") if links else Html(),
    )


def _by(paper: About) -> Html:
    """Authors, venue or year, and a link."""
    said = [", ".join(paper.authors), paper.venue or str(paper.year)]
    known = bool(paper.arxiv and re.fullmatch(r"[0-9]{4}\.[0-9]{4,5}", paper.arxiv))
    address = f"https://arxiv.org/abs/{paper.arxiv}"
    link = el("a", f"arXiv:{paper.arxiv}", href=address, rel="noreferrer") if known else Html()
    return el("p", " · ".join(filter(None, said)), " · " if link else "", link, class_="by")


def _tallies(tables: Sequence[MeasuredTable]) -> list[Html]:
    """How many claims came out how, those that training decides apart from those that counts do."""
    found = []
    for how, counting in (("By training", False), ("By counting", True)):
        tally = sum((cells.tally(each, counting) for each in tables), Counter[Verdict]())
        shown = [el("li", _badge(verdict, f"{tally[verdict]} {verdict}")) for verdict in TONES if verdict in tally]
        if shown:
            found.append(
                el("ul", el("li", f"{how}:", class_="note"), *shown, class_="tally", aria_label=f"Claims {how.lower()}")
            )
    return found


def _footer() -> Html:
    """What made the page, and when."""
    address = foot.address()
    link = el("a", address, href=address, rel="noreferrer") if address else Html()
    return el("footer", el("p", foot.made(), " " if address else "", link))


def _badge(verdict: Verdict, said: str) -> Html:
    tone, sign = TONES[verdict]
    return el("span", el("span", sign, aria_hidden="true"), " ", said, class_=f"badge {tone}")


def section(table: MeasuredTable, name: str, several: bool) -> Html:
    """A table whole; where it is one of `several`, with what the page's head says of a single one."""
    drawn = [figure(plot, f"{name}f{i}", table.command) for i, plot in enumerate(plots.plots(table), 1)]
    return el(
        "section",
        el("p", f"{table.name} · {table.budget} budget", class_="over") if table.paper else Html(),
        el("h2", table.caption, id=f"{name}-title"),
        el("p", table.provenance, class_="note"),
        *(el("p", line, class_="fine") for line in ([headline.conclusion([table])] if several else [])),
        *(el("p", line, class_="banner") for line in (headline.run_here(table) if several else [])),
        *(el("p", el("strong", "Note: "), warning, class_="warning") for warning in table.warnings),
        _table(table),
        *(el("p", line, class_="fine") for line in cells.legend(table)),
        *_later(table),
        *_statements(table),
        again("The command that makes this table again", table.command),
        *([el("h3", "What the paper claims"), *_legend(table), _claims(table)] if table.claims else []),
        *([el("h3", "Seeds, curves and knobs"), el("div", *drawn, class_="figures")] if drawn else []),
        *([el("h3", "Test images"), *seen] if (seen := images.sections(table)) else []),
        id=name,
        aria_labelledby=f"{name}-title",
    )


def _statements(table: MeasuredTable) -> list[Html]:
    """Below the table: what differs, what is assumed, and, folded, what was typed."""
    found = []
    for heading, lines in cells.statements(table).items():
        found += [el("h3", heading), listed(lines)]
    typed = cells.overrides(table)
    return [*found, el("details", el("summary", cells.TYPED, class_="fine"), listed(typed))] if typed else found


def listed(lines: Sequence[str]) -> Html:
    """Sentences, each an item."""
    return el("ul", *(el("li", line) for line in lines), class_="said")


def again(said: str, command: str) -> Html:
    """A command, folded below what is said of it."""
    return el("details", el("summary", said, class_="fine"), el("pre", el("code", command), tabindex="0"))


def _table(table: MeasuredTable) -> Html:
    """The rows. A column that nothing is known for is left out."""
    said = {column: [column.cell(table, row) for row in table.rows] for column in columns(table)}
    shown = [column for column, values in said.items() if not all(map(_is_nothing, values))]
    rows = [_row(table, row, {each: said[each][i] for each in shown}) for i, row in enumerate(table.rows)]
    what = "the paper's and ours" if cells.compared(table) else "measured"
    return _grid(f"{table.caption}: {what}", what, shown, rows)


def _later(table: MeasuredTable) -> list[Html]:
    """A study's later evaluations, a table of their own."""
    if not table.evaluated:
        return []
    rows = []
    for each in table.evaluated:
        first, *others = EVALUATED
        cells_of = [el("td", c.cell(table, each), data_name=c.heading, role="cell") for c in others]
        rows.append(
            el("tr", el("th", _label(first.cell(table, each)), scope="row", role="rowheader"), *cells_of, role="row")
        )
    return [el("h3", LATER), _grid(LATER, "evaluated after training", EVALUATED, rows)]


def _grid(caption: str, what: str, shown: Sequence[Column[Line]], rows: Sequence[Html]) -> Html:
    """Rows under their headings. Roles are said, because cards on a phone would lose them."""
    headings = [el("th", each.heading, scope="col", role="columnheader", class_=_style(each)) for each in shown]
    grid = el(
        "table",
        el("caption", caption, class_="unseen"),
        el("thead", el("tr", *headings, role="row"), role="rowgroup"),
        el("tbody", *rows, role="rowgroup"),
        role="table",
    )
    return el("div", grid, class_="wide", role="region", aria_label=what.capitalize(), tabindex="0")


def _is_nothing(value: str) -> bool:
    return value in (cells.NOTHING, cells.NO_FIGURE)


def _style(column: Column[Line]) -> str | None:
    return column.kind if column.kind in STYLED else None


def _row(table: MeasuredTable, row: MeasuredRow, values: Mapping[Column[MeasuredRow], str]) -> Html:
    """A row's cells; of one that cannot be run the reason takes those of its figures."""
    found = []
    spanned = str(sum(column.name in OF_RUNS for column in values))
    for column, value in values.items():
        if column.name == "row":
            found.append(el("th", _label(value), scope="row", role="rowheader"))
        elif row.reason is None or column.name not in OF_RUNS:
            inside = _badges(table, row, column.name == "counting") if column.kind == "verdicts" else _value(value)
            kind = "none" if _is_nothing(value) else _style(column)
            found.append(el("td", inside, data_name=column.heading, role="cell", class_=kind))
        elif column.kind == "ours":
            found.append(el("td", value, class_="why", role="cell", colspan=spanned))
    return el("tr", *found, role="row")


def _label(label: str) -> Html:
    """A label may break after an underscore, as others do at spaces."""
    return join([join([Html("<wbr>" if i else ""), part]) for i, part in enumerate(re.split("(?<=[_,])", label))])


def _value(value: str) -> Html:
    """A figure; what stands beside it in brackets is small, and marks say what they mean."""
    figure, bracket, rest = value.partition(" (")
    said, end, marks = rest.partition(")")
    parts = [figure, *marks.strip()] if bracket else re.split(f"([{''.join(cells.MARKS)}])", figure)
    shown = [el("abbr", part, title=cells.MARKS[part]) if part in cells.MARKS else _counts(part) for part in parts]
    return el("span", *shown, el("small", f"({said}{end}") if bracket else Html())


def _counts(value: str) -> Html:
    """Theirs / ours may break into two lines after the stroke."""
    return Html(text(value).replace(" / ", "&nbsp;/ "))


def _badges(table: MeasuredTable, row: MeasuredRow, counting: bool) -> Html:
    counted = cells.counted(table, row, counting)
    found = [_badge(v, f"{counted[v]} {v}" if counted[v] > 1 else v) for v in TONES if v in counted]
    return el("span", *found, class_="badges") if found else Html(cells.NOTHING)


def _legend(table: MeasuredTable) -> list[Html]:
    return [el("p", line, class_="fine") for line in cells.verdict_legend(table)]


def _claims(table: MeasuredTable) -> Html:
    return el("div", *(_claim(table, judged) for judged in table.claims), class_="claims")


def _claim(table: MeasuredTable, judged: Judged) -> Html:
    """A card: the verdict, the claim, its figures, and why."""
    figures = [
        (column.heading, column.cell(table, judged))
        for column in CLAIMS
        if column.kind == "figure" and column.name != "by"
    ]
    shown = [el("div", el("dt", name), el("dd", value)) for name, value in figures if not _is_nothing(value)]
    why = cells.why(judged)
    return el(
        "article",
        _badge(judged.verdict, judged.verdict),
        el("span", " by counting", class_="note") if cells.by_counting(table, judged) else Html(),
        el("p", judged.claim.statement),
        el("dl", *shown) if shown else Html(),
        el("p", why, class_="fine") if not _is_nothing(why) else Html(),
        class_="card",
    )


def figure(plot: drawing.Plot, name: str, command: str) -> Html:
    """A drawing with its title, key and words; `name` is its own on the page."""
    key = [el("li", _swatch(i), el("span", label)) for i, label in enumerate(plot.labels)]
    if plot.seeds:
        key = [
            el("li", _dot("row-0"), "a seed; bar: mean and 95% interval"),
            *([el("li", _dot("theirs", hollow=True), "the paper")] if plot.compared else []),
        ]
    return el(
        "figure",
        el("h4", plot.title, id=f"{name}-title"),
        Html(
            plot.svg(name).replace('aria-hidden="true"', f'role="img" aria-labelledby="{name}-title {name}-words"', 1)
        ),
        el("ul", *key, class_="key") if key else Html(),
        el("figcaption", el("span", plot.words, id=f"{name}-words"), again("The command that made it", command)),
    )


def _swatch(index: int) -> Html:
    dashes = drawing.DASHES[index]
    drawn = f'stroke="var(--row-{index})" stroke-width="2.5" stroke-dasharray="{dashes}"'
    line = f'<line x1="0" y1="5" x2="36" y2="5" {drawn}/>'
    return Html(f'<svg viewBox="0 0 36 10" aria-hidden="true">{line}</svg>')


def _dot(colour: str, hollow: bool = False) -> Html:
    shape = (
        f'<path d="M18 0.5 22.5 5 18 9.5 13.5 5Z" fill="none" stroke="var(--{colour})" stroke-width="1.5"/>'
        if hollow
        else f'<circle cx="18" cy="5" r="3.5" fill="var(--{colour})"/>'
    )
    return Html(f'<svg viewBox="0 0 36 10" aria-hidden="true">{shape}</svg>')
