"""The columns of a table, of a paper's or a study's, and of a paper's claims: one list for every format."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Generic, Literal, TypeVar

from runner.papers.measured import Judged, MeasuredRow, MeasuredTable
from runner.report import cells

# What stands in a column, by which each format says how it is set.
Kind = Literal[
    "label", "figure", "ours", "counts", "verdicts",  # a paper's rows
    "overrides", "number",  # a study's rows
    "statement", "verdict", "why",  # claims; their other columns are figures
]  # fmt: skip
Line = TypeVar("Line", MeasuredRow, Judged)


@dataclass(frozen=True)
class Column(Generic[Line]):
    """A column: its name here, its heading, what a row or a claim has in it, and of which kind that is."""

    name: str
    heading: str
    cell: Callable[[MeasuredTable, Line], str]
    kind: Kind = "figure"


def _label(table: MeasuredTable, row: MeasuredRow) -> str:
    return row.label


def _count(name: str, heading: str) -> Column[MeasuredRow]:
    return Column(name, heading, partial(cells.count, name=name), "counts")


OF_PAPER: tuple[Column[MeasuredRow], ...] = (
    Column("row", "row", _label, "label"),
    Column("theirs", "theirs", cells.theirs),
    Column("ours", "ours ± 95%", cells.ours, "ours"),
    Column("difference", "difference", cells.difference),
    Column("runs", "runs", cells.runs),
    _count("updates", "updates, theirs / ours"),
    _count("params", "params, theirs / ours"),
    _count("madds", "MAdds, theirs / ours"),
    Column("verdicts", "verdicts", cells.verdicts, "verdicts"),
)
BEST: Column[MeasuredRow] = Column("best", "ours, best epoch", cells.best)
_AFTER = [column.name for column in OF_PAPER].index("ours") + 1
OF_RUNS = ("ours", "best", "difference", "runs")  # what a row that cannot be run has nothing of


def _difference(table: MeasuredTable, row: MeasuredRow) -> str:
    return cells.NO_FIGURE if row is table.rows[0] else cells.shown(cells.less_first(table, row)[0], sign=True)


def _difference_half(table: MeasuredTable, row: MeasuredRow) -> str:
    return cells.shown(math.nan if row is table.rows[0] else cells.less_first(table, row)[1])


OF_STUDY: tuple[Column[MeasuredRow], ...] = (
    Column("row", "row", _label, "overrides"),
    Column("n", "n", lambda _, row: str(len(row.figures)), "number"),
    Column("diverged", "diverged", lambda _, row: str(row.diverged), "number"),
    Column("error", "test error %", lambda _, row: cells.shown(row.mean), "number"),
    Column("half", "± 95%", lambda _, row: cells.shown(row.half), "number"),
    Column("difference", "less the first row's", _difference, "number"),
    Column("difference_half", "± 95%", _difference_half, "number"),
    Column("params", "params", partial(cells.count, name="params"), "number"),
    Column("updates", "updates", partial(cells.count, name="updates"), "number"),
)


def _effect_theirs(table: MeasuredTable, judged: Judged) -> str:
    return cells.figure(judged.theirs, cells.claim_unit(table, judged), sign=True)


def _effect_ours(table: MeasuredTable, judged: Judged) -> str:
    return cells.interval(judged.ours, judged.half, cells.claim_unit(table, judged), sign=True)


CLAIMS: tuple[Column[Judged], ...] = (
    Column("statement", "claim", lambda _, judged: judged.claim.statement, "statement"),
    Column("verdict", "verdict", lambda _, judged: judged.verdict, "verdict"),
    Column("theirs", "effect, theirs", _effect_theirs),
    Column("ours", "effect, ours ± 95%", _effect_ours),
    Column("p", "p", lambda _, judged: cells.chance(judged.p)),
    Column("holm", "p by Holm", lambda _, judged: cells.chance(judged.adjusted)),
    Column("ratio", "ratio", lambda _, judged: cells.figure(judged.ratio, "percent")),
    Column("why", "why", lambda _, judged: cells.why(judged), "why"),
)


def columns(table: MeasuredTable) -> tuple[Column[MeasuredRow], ...]:
    """Those of a table's rows, headed as it needs them."""
    if table.paper is None:
        return OF_STUDY
    shown = (*OF_PAPER[:_AFTER], BEST, *OF_PAPER[_AFTER:]) if table.selects_best else OF_PAPER
    if cells.compared(table):
        return shown
    return tuple(replace(each, heading=each.heading.removesuffix(", theirs / ours")) for each in shown)


def grid(table: MeasuredTable, columns: Sequence[Column[Line]], lines: Sequence[Line]) -> list[list[str]]:
    """The cells of rows or of claims, one list a line."""
    return [[column.cell(table, line) for column in columns] for line in lines]
