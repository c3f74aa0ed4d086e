"""Tables as Markdown."""

import re
from collections.abc import Iterator, Sequence

from tricktable.runner import terminal
from tricktable.runner.papers.measured import MeasuredTable
from tricktable.runner.report import cells, headline
from tricktable.runner.report.columns import CLAIMS, EVALUATED, LATER, Column, Kind, Line, columns, grid

_SPECIAL = re.compile(r"([\\|*`\[\]~$#])|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
_LINK = re.compile(r"\][(\[:]")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_RIGHT: tuple[Kind, ...] = ("figure", "ours", "counts", "verdict")


def document(tables: Sequence[MeasuredTable]) -> str:
    """The tables one after the other, each with what it was measured on."""
    return "\n".join(line for each in tables for line in (_study(each) if each.paper is None else _paper(each)))


def _study(table: MeasuredTable) -> Iterator[str]:
    yield from (f"# {escaped(table.name)}", "", escaped(headline.conclusion([table])), "")
    yield from _grid(table, columns(table), table.rows)
    yield from (f"{escaped(line)}  " for line in cells.legend(table))
    yield ""
    if table.evaluated:
        yield from (f"## {escaped(LATER)}", "")
        yield from _grid(table, EVALUATED, table.evaluated)
    yield from (escaped(table.provenance), "")
    yield from _warnings(table)


def _warnings(table: MeasuredTable) -> Iterator[str]:
    for warning in table.warnings:
        yield from (f"**Note:** {escaped(warning)}", "")


def _list(heading: str, lines: Sequence[str]) -> Iterator[str]:
    yield from (f"## {escaped(heading)}", "", *(f"- {escaped(line)}" for line in lines), "")


def _paper(table: MeasuredTable) -> Iterator[str]:
    """With claims, legend and command."""
    yield from (f"# {escaped(cells.title(table))}", "", escaped(headline.conclusion([table])), "")
    yield from (f"{escaped(table.name)}: {escaped(table.caption)}", "")
    for line in headline.run_here(table):
        yield from (f"**{escaped(line)}**", "")
    yield from _grid(table, columns(table), table.rows)
    yield from (f"{escaped(line)}  " for line in cells.legend(table))
    yield ""
    if table.claims:
        yield from ("## Claims", "")
        yield from _grid(table, CLAIMS, table.claims)
        yield from (f"{escaped(line)}  " for line in cells.verdict_legend(table))
        yield ""
    yield from (escaped(table.provenance), "")
    yield from _warnings(table)
    for heading, lines in cells.statements(table).items():
        yield from _list(heading, lines)
    typed = cells.overrides(table)
    yield from _list(cells.TYPED, typed) if typed else ()
    yield from ("Made by:", "", *(f"    {terminal.clean(line)}" for line in table.command.splitlines()), "")


def _grid(table: MeasuredTable, columns: Sequence[Column[Line]], lines: Sequence[Line]) -> Iterator[str]:
    yield table_row([escaped(column.heading) for column in columns])
    yield table_row(["---:" if column.kind in _RIGHT else "---" for column in columns])
    for values in grid(table, columns, lines):
        yield table_row([_cell(column.kind, value) for column, value in zip(columns, values, strict=True)])
    yield ""


def table_row(values: Sequence[str]) -> str:
    """A row of a table; the values are escaped already."""
    return f"| {' | '.join(values)} |"


def _cell(kind: Kind, text: str) -> str:
    """Brackets of overrides, `augment=[crop,flip]`, stand for themselves: they are no link."""
    found = escaped(text)
    return re.sub(r"\\([\[\]])", r"\1", found) if kind == "overrides" and not _LINK.search(text) else found


def escaped(text: str) -> str:
    """Text that stands for itself in Markdown, on one line; underscores within words need no escape."""
    text = "".join(_ENTITIES.get(c, c) for c in terminal.clean(" ".join(text.split())))
    return _SPECIAL.sub(lambda match: f"\\{match[0]}", text)
