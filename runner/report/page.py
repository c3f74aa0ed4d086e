"""The report as one HTML page that is whole in its file: no script, nothing is fetched, and a policy in it says so.

Every text goes through `el`, which escapes what is not already HTML.
"""

import html
import re
from collections.abc import Sequence

from runner import terminal
from runner.papers.measured import Judged, Measured, MeasuredRow, Verdict
from runner.report import cells, drawing, plots, style

POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
# Each verdict's tone and sign: a hint, in brackets, is not yet a verdict. Nobody needs to see the colour.
TONES: dict[Verdict, tuple[str, str]] = {
    "reproduced": ("good", "✓"),
    "contradicted": ("bad", "✗"),
    "undecided": ("open", "?"),
    "indication for": ("good hint", "(✓)"),
    "indication against": ("bad hint", "(✗)"),
    "indication of nothing": ("open hint", "(?)"),
    "not run": ("quiet", "…"),
    "not runnable here": ("quiet", "–"),
    "qualitative": ("quiet", "¶"),
}


_KINDS = {2: "ours", 5: "counts", 6: "counts", 7: "counts", 8: "verdicts"}  # a column's style


class Html(str):
    """Text that is HTML."""


def el(name: str, *inside: str, **attributes: str | None) -> Html:
    """An element. What is inside is escaped unless it is Html; so are attributes, and those of None are left out."""
    given = "".join(
        f' {key.strip("_").replace("_", "-")}="{text(value)}"' for key, value in attributes.items() if value is not None
    )
    return Html(f"<{name}{given}>{join(inside)}</{name}>")


def join(parts: Sequence[str]) -> Html:
    """Parts one after the other, escaped unless they are Html."""
    return Html("".join(part if isinstance(part, Html) else text(part) for part in parts))


def text(value: str) -> Html:
    """Text from anywhere, as HTML that shows it."""
    lines = (terminal.clean(line) for line in value.split("\n"))
    return Html(html.escape("\n".join(lines)))


def page(tables: Sequence[Measured]) -> str:
    """The whole page."""
    titles = list(dict.fromkeys(cells.title(each) for each in tables))
    title = titles[0] if len(titles) == 1 else f"{len(tables)} tables, measured"
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
    sections = [_section(each, f"t{number}") for number, each in enumerate(tables, 1)]
    body = join([_header(tables, title), el("main", *sections), el("footer", el("p", "Made by tricktable."))])
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>{body}</body></html>\n'


def _header(tables: Sequence[Measured], title: str) -> Html:
    papers = {each.recipe.paper.id: each.recipe.paper.about for each in tables}
    counted: dict[str, int] = {}
    for each in tables:
        for verdict, count in cells.tally(each).items():
            counted[verdict] = counted.get(verdict, 0) + count
    only = next(iter(papers.values())) if len(papers) == 1 else None
    links = [
        el("li", el("a", each.recipe.name, href=f"#t{number}")) for number, each in enumerate(tables, 1) if tables[1:]
    ]
    return el(
        "header",
        el("p", "Theirs and ours" if any(map(cells.compared, tables)) else "Measured", class_="over"),
        el("h1", only.title if only else title),
        _by(only.authors, only.year, only.venue, only.arxiv) if only else Html(),
        _tally(counted),
        el("nav", el("ul", *links), aria_label="Tables") if links else Html(),
    )


def _by(authors: Sequence[str], year: int, venue: str | None, arxiv: str | None) -> Html:
    if not authors:
        return Html()
    said = [", ".join(authors), venue or str(year)]
    known = bool(arxiv and re.fullmatch(r"[0-9]{4}\.[0-9]{4,5}", arxiv))
    link = el("a", f"arXiv:{arxiv}", href=f"https://arxiv.org/abs/{arxiv}", rel="noreferrer") if known else Html()
    return el("p", " · ".join(filter(None, said)), " · " if link else "", link, class_="by")


def _tally(counted: dict[str, int]) -> Html:
    """How many claims came out how, the decided ones first."""
    shown = [el("li", _badge(verdict, f"{counted[verdict]} {verdict}")) for verdict in TONES if verdict in counted]
    return el("ul", *shown, class_="tally", aria_label="Claims by verdict") if shown else Html()


def _badge(verdict: str, said: str) -> Html:
    tone, sign = TONES.get(verdict, ("quiet", "–"))  # type: ignore[call-overload]
    return el("span", el("span", sign, aria_hidden="true"), " ", said, class_=f"badge {tone}")


def _section(measured: Measured, name: str) -> Html:
    recipe = measured.recipe
    drawn = [_figure(plot, f"{name}f{i}", measured.command) for i, plot in enumerate(plots.plots(measured), 1)]
    return el(
        "section",
        el("p", f"{recipe.name} · budget {measured.budget}", class_="over"),
        el("h2", recipe.table.caption, id=f"{name}-title"),
        el("p", measured.caption, class_="note"),
        *(el("p", el("strong", "Note: "), warning, class_="warning") for warning in measured.warnings),
        _table(measured),
        *(el("p", line, class_="fine") for line in cells.legend(measured)),
        _command("The command that makes this table again", measured.command),
        *([el("h3", "What the paper claims"), _claims(measured)] if measured.claims else []),
        *([el("h3", "Seeds, curves and knobs"), el("div", *drawn, class_="figures")] if drawn else []),
        id=name,
        aria_labelledby=f"{name}-title",
    )


def _command(said: str, command: str) -> Html:
    return el("details", el("summary", said, class_="fine"), el("pre", el("code", command), tabindex="0"))


def _table(measured: Measured) -> Html:
    """Roles are said, because cards on a phone would lose them. A column that nothing is known for is left out."""
    cell_rows = [cells.row_cells(measured, row) for row in measured.rows]
    shown = [i for i in range(len(cells.ROW_COLUMNS)) if any(each[i] != cells.NOTHING for each in cell_rows)]
    columns = cells.columns(measured)
    names = [el("th", columns[i], scope="col", role="columnheader", class_=_KINDS.get(i)) for i in shown]
    rows = [_row(measured, row, each, shown) for row, each in zip(measured.rows, cell_rows, strict=True)]
    table = el(
        "table",
        el("caption", f"{measured.recipe.table.caption}: theirs and ours", class_="unseen"),
        el("thead", el("tr", *names, role="row"), role="rowgroup"),
        el("tbody", *rows, role="rowgroup"),
        role="table",
    )
    return el("div", table, class_="wide", role="region", aria_label="Theirs and ours", tabindex="0")


def _row(measured: Measured, row: MeasuredRow, values: Sequence[str], shown: Sequence[int]) -> Html:
    """A row's cells; of one that cannot be run the reason takes those of its figures."""
    found = [el("th", _label(values[0]), scope="row", role="rowheader")]
    figures = [i for i in shown if i in (2, 3, 4)]
    for i in shown[1:]:
        name, value = cells.columns(measured)[i], values[i]
        if i == 2 and row.reason is not None:
            found.append(el("td", value, class_="why", role="cell", colspan=str(len(figures))))
        elif row.reason is None or i not in figures:
            inside = _badges(measured, row) if i == len(values) - 1 else _value(value)
            kind = "none" if value == cells.NOTHING else _KINDS.get(i)
            found.append(el("td", inside, data_name=name, role="cell", class_=kind))
    return el("tr", *found, role="row")


def _label(label: str) -> Html:
    """A label may break after an underscore, as others do at spaces."""
    return join([join([Html("<wbr>" if i else ""), part]) for i, part in enumerate(re.split("(?<=_)", label))])


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


def _badges(measured: Measured, row: MeasuredRow) -> Html:
    counted = cells.counted(measured, row)
    found = [_badge(v, f"{counted[v]} {v}" if counted[v] > 1 else v) for v in TONES if v in counted]
    return el("span", *found, class_="badges") if found else Html(cells.NOTHING)


def _claims(measured: Measured) -> Html:
    return el("div", *(_claim(measured, judged) for judged in measured.claims), class_="claims")


def _claim(measured: Measured, judged: Judged) -> Html:
    statement, verdict, *figures, why = cells.claim_cells(measured, judged)
    shown = [
        el("div", el("dt", name), el("dd", value))
        for name, value in zip(cells.CLAIM_COLUMNS[2:-1], figures, strict=True)
        if value != cells.NOTHING
    ]
    return el(
        "article",
        _badge(verdict, verdict),
        el("p", statement),
        el("dl", *shown) if shown else Html(),
        el("p", why, class_="fine") if why != cells.NOTHING else Html(),
        class_="card",
    )


def _figure(plot: drawing.Plot, name: str, command: str) -> Html:
    key = [el("li", _swatch(i), el("span", label)) for i, label in enumerate(plot.labels)]
    if not key:
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
        el("ul", *key, class_="key"),
        el("figcaption", el("span", plot.words, id=f"{name}-words"), _command("The command that made it", command)),
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
