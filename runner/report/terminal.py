"""What a person sees of tables on a terminal."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tricktable.runner import terminal
from tricktable.runner.disk.evaluation import Evaluation
from tricktable.runner.disk.runs import StoredRun
from tricktable.runner.errors import ExpectationFailed
from tricktable.runner.papers import statics as facts
from tricktable.runner.papers.measured import MeasuredTable
from tricktable.runner.papers.statics import Decided
from tricktable.runner.report import cells, headline
from tricktable.runner.report.columns import CLAIMS, EVALUATED, LATER, Column, Kind, Line, columns, grid
from tricktable.runner.report.fitting import Field, shown

TEXTS: tuple[Kind, ...] = ("label", "overrides", "ours", "verdicts", "statement", "verdict", "why")
LEFT: tuple[Kind, ...] = ("label", "overrides", "verdicts", "statement", "verdict", "why")
# What is left out on a narrow terminal, the last of these first; the files have it.
SPARED = ("runs", "diverged", "counting", "best", "updates", "params", "madds")


def show(table: MeasuredTable) -> None:
    """Print a table and what it was measured on; a paper's with its claims and what is missing.

    It is as wide as the terminal at most, and says what it left out for that.
    """
    console = terminal.console()
    above = [cells.title(table), cells.unit(table), ""] if table.paper is not None else []
    _lines(console, [*above, headline.conclusion([table]), *headline.run_here(table)])
    left_out = _print(console, table, columns(table), table.rows)
    if table.claims:
        _print(console, table, CLAIMS, table.claims)
    if table.evaluated:
        _lines(console, ["", f"{LATER}:"])
        _print(console, table, EVALUATED, table.evaluated)
    said = [f"Left out at {console.width} columns: {', '.join(left_out)}. table.csv has them."] if left_out else []
    absent = {row.label: len(row.missing) for row in table.rows if row.missing}
    if absent:
        runs = f"{sum(absent.values())} runs are missing, in {len(absent)} rows"
        said.append(f"{runs}: tricktable table {table.name} --run --budget {table.budget} makes them")
    said += [*cells.legend(table), *cells.verdict_legend(table), *table.warnings, table.provenance]
    sections = {**cells.statements(table), cells.TYPED: cells.overrides(table)}
    for heading, several in sections.items():
        said += [f"{heading}:", *(f"- {line}" for line in several)] if several else []
    _lines(console, said)


def _lines(console: Any, lines: Sequence[str]) -> None:
    """Sentences, broken between words where the terminal is narrower."""
    for line in lines:
        item = "- " if line.startswith("- ") else ""
        for i, part in enumerate(terminal.wrapped(terminal.clean(line.removeprefix(item)), console.width - len(item))):
            console.print(f"{' ' * len(item) if i else item}{part}", markup=False, soft_wrap=True)


def _print(console: Any, table: MeasuredTable, columns: Sequence[Column[Line]], lines: Sequence[Line]) -> list[str]:
    """Print rows as they fit; the headings of the columns that do not."""
    values = [map(terminal.clean, row) for row in grid(table, columns, lines)]
    fields = [
        Field(
            each.heading,
            tuple(texts),
            right=each.kind not in LEFT,
            text=each.kind in TEXTS,
            rank=SPARED.index(each.name) + 1 if each.name in SPARED else 0,
        )
        for each, texts in zip(columns, zip(*values, strict=True), strict=True)
    ]
    drawn, left_out = shown(fields, console.width)
    console.print(drawn, soft_wrap=False)
    return left_out


def progress(table: MeasuredTable, folder: Path) -> None:
    """Print in one line how far a table is, where several are made."""
    wanted = sum(len(row.seeds) for row in table.rows)
    there = wanted - sum(len(row.missing) for row in table.rows)
    said = [f"{there} of {wanted} seeds", *(f"{number} {verdict}" for verdict, number in cells.tally(table).items())]
    print(f"{table.name}: {', '.join(said)}; {folder}")


def statics(decided: Sequence[Decided]) -> int:
    """Print the facts with their verdicts; 9 where one is contradicted that is no known misprint, else 0."""
    console = terminal.console(200)
    _plain(console, facts.COLUMNS, [facts.cells(each) for each in decided])
    print(facts.tally(decided))
    return ExpectationFailed.exit_code if any(each.verdict == "contradicted" for each in decided) else 0


def evaluations(evaluated: Sequence[tuple[StoredRun, Sequence[Evaluation]]]) -> None:
    """Print what finished runs came to when they were evaluated again."""
    headings = ["run", "variant", "inference", "picked", "data", "val error %", "test error %", "test loss"]
    rows = []
    top5 = any(each.test_top5_error is not None for _, found in evaluated for each in found)
    headings += ["top-5 error %"] if top5 else []
    for run, found in evaluated:
        for each in found:
            figures = [_figure(each.val_error, 2), _figure(each.test_error, 2), _figure(each.test_loss, 4)]
            figures += [_figure(each.test_top5_error, 2)] if top5 else []
            picked = "-" if each.picked is None else str(each.picked)
            rows.append([run.id, each.variant, each.inference, picked, each.data, *figures])
    _plain(terminal.console(), headings, rows)


def _plain(console: Any, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table of texts, none of which is left out."""
    columns = zip(*(map(terminal.clean, row) for row in rows), strict=True)
    fields = [Field(name, tuple(texts), text=True) for name, texts in zip(headings, columns, strict=True)]
    console.print(shown(fields, console.width)[0], soft_wrap=False)


def _figure(value: float | None, decimals: int) -> str:
    return "-" if value is None else f"{value:.{decimals}f}"
