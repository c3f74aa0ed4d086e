"""The columns of a table, of a paper's or a study's, of claims, and of later evaluations: one list for every format."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Generic, Literal, TypeVar

from tricktable.runner.papers.intervals import half_width
from tricktable.runner.papers.measured import Evaluated, Judged, MeasuredRow, MeasuredTable
from tricktable.runner.report import cells

# What stands in a column, by which each format says how it is set.
Kind = Literal[
    "label", "figure", "ours", "counts", "verdicts",  # a paper's rows
    "overrides", "number",  # a study's rows, and its later evaluations
    "statement", "verdict", "why",  # claims; their other columns are figures
]  # fmt: skip
Line = TypeVar("Line", MeasuredRow, Judged, Evaluated)


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
    Column("verdicts", "verdicts by training", partial(cells.verdicts, counting=False), "verdicts"),
    Column("counting", "verdicts by counting", partial(cells.verdicts, counting=True), "verdicts"),
)
APART: Column[MeasuredRow] = Column("apart", "paper's value", cells.theirs_apart)
BEST: Column[MeasuredRow] = Column("best", "ours, best epoch", cells.best)
_AFTER = [column.name for column in OF_PAPER].index("ours") + 1
_VERDICTS = [column.name for column in OF_PAPER].index("verdicts")
OF_RUNS = ("ours", "best", "difference", "runs")  # what a row that cannot be run has nothing of


def _change(table: MeasuredTable, row: MeasuredRow) -> str:
    return "baseline" if row is table.base else cells.with_half(*cells.change(table, row), sign=True)


OF_STUDY: tuple[Column[MeasuredRow], ...] = (
    Column("row", "row", _label, "overrides"),
    Column("n", "n", lambda _, row: str(len(row.figures)), "number"),
    Column("diverged", "diverged", lambda _, row: str(row.diverged), "number"),
    Column("error", "test error % ± 95%", lambda _, row: cells.with_half(row.mean, row.half), "number"),
    Column("change", "change from baseline ± 95%", _change, "number"),
    Column("params", "params", partial(cells.count, name="params"), "number"),
    Column("updates", "updates", partial(cells.count, name="updates"), "number"),
)
EVALUATED: tuple[Column[Evaluated], ...] = (
    Column("row", "row", lambda _, each: each.label, "overrides"),
    Column("what", "evaluated as", lambda _, each: each.what, "overrides"),
    Column("n", "n", lambda _, each: str(len(each.figures)), "number"),
    Column(
        "error", "test error % ± 95%", lambda _, each: cells.with_half(each.mean, half_width(each.figures)), "number"
    ),
)
LATER = "Evaluated after training: other inferences, other images, or several runs as one ensemble"


def _effect_ours(table: MeasuredTable, judged: Judged) -> str:
    return cells.interval(judged.ours, judged.half, cells.claim_unit(table, judged), sign=True)


CLAIMS: tuple[Column[Judged], ...] = (
    Column("statement", "claim", lambda _, judged: judged.claim.statement, "statement"),
    Column("verdict", "verdict", lambda _, judged: judged.verdict, "verdict"),
    Column("by", "decided by", lambda table, judged: "counting" if cells.by_counting(table, judged) else "training"),
    Column("theirs", "effect in the paper", cells.effect_theirs),
    Column("ours", "effect here ± 95%", _effect_ours),
    Column("p", "p", lambda _, judged: cells.chance(judged.p)),
    Column("holm", "p by Holm", lambda _, judged: cells.chance(judged.adjusted)),
    Column("ratio", "ratio", cells.ratio),
    Column("why", "why", lambda _, judged: cells.why(judged), "why"),
)


def columns(table: MeasuredTable) -> tuple[Column[MeasuredRow], ...]:
    """Those of a table's rows, headed as it needs them."""
    if table.paper is None:
        alone = len(table.rows) == 1  # there is nothing that it changed from
        return tuple(each for each in OF_STUDY if not (alone and each.name == "change"))
    best = (BEST,) if table.selects_best else ()
    other = cells.otherwise(table)
    theirs = any(APART.cell(table, row) != cells.NOTHING for row in table.rows)
    apart = (replace(APART, heading=f"{APART.heading} ({other})"),) if other and theirs else ()
    shown = (*OF_PAPER[:_AFTER], *best, *OF_PAPER[_AFTER:_VERDICTS], *apart, *OF_PAPER[_VERDICTS:])
    if not any(cells.by_counting(table, judged) for judged in table.claims):
        shown = tuple(each for each in shown if each.name != "counting")
    if cells.compared(table):
        return shown
    shown = tuple(each for each in shown if each.name not in ("theirs", "difference"))
    return tuple(replace(each, heading=each.heading.removesuffix(", theirs / ours")) for each in shown)


def grid(table: MeasuredTable, columns: Sequence[Column[Line]], lines: Sequence[Line]) -> list[list[str]]:
    """The cells of rows or of claims, one list a line."""
    return [[column.cell(table, line) for column in columns] for line in lines]
