"""What a person sees of tables on a terminal."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from runner import terminal
from runner.disk.runs import Evaluation, StoredRun
from runner.errors import ExpectationFailed
from runner.papers import statics as facts
from runner.papers.measured import MeasuredTable
from runner.papers.statics import Decided
from runner.report import cells
from runner.report.columns import CLAIMS, Column, Kind, Line, columns, grid

# Where a kind of column is set otherwise than rich would: long overrides and counts are broken, not cut.
_SET: dict[Kind, dict[str, Any]] = {
    "overrides": {"justify": "left", "overflow": "fold"},
    "number": {"justify": "right", "overflow": "fold"},
}


def show(table: MeasuredTable) -> None:
    """Print a table and what it was measured on; a paper's with its claims and what is missing."""
    from rich.markup import escape

    console = terminal.console()
    if table.paper is not None:
        console.print(escape(cells.title(table)), escape(cells.unit(table)), sep="\n", soft_wrap=True)
    console.print(_grid(table, columns(table), table.rows))
    if table.claims:
        console.print(_grid(table, CLAIMS, table.claims))
    absent = {row.label: len(row.missing) for row in table.rows if row.missing}
    if absent:
        runs = f"{sum(absent.values())} runs are missing, in {len(absent)} rows"
        print(f"{runs}: tricktable table {table.name} --run --budget {table.budget} makes them")
    lines = [f"Run here: {line}" for line in cells.run_here(table)]
    lines += [*cells.legend(table), *cells.verdict_legend(table), *table.warnings, table.provenance]
    sections = {**cells.statements(table), cells.TYPED: cells.overrides(table)}
    for heading, several in sections.items():
        lines += [f"{heading}:", *(f"- {line}" for line in several)] if several else []
    for line in lines:
        console.print(escape(line), soft_wrap=True)


def progress(table: MeasuredTable, folder: Path) -> None:
    """Print in one line how far a table is, where several are made."""
    wanted = sum(len(row.seeds) for row in table.rows)
    there = wanted - sum(len(row.missing) for row in table.rows)
    said = [f"{there} of {wanted} seeds", *(f"{number} {verdict}" for verdict, number in cells.tally(table).items())]
    print(f"{table.name}: {', '.join(said)}; {folder}")


def _grid(table: MeasuredTable, columns: Sequence[Column[Line]], lines: Sequence[Line]) -> Any:
    from rich.markup import escape
    from rich.table import Table

    shown = Table()
    for column in columns:
        shown.add_column(column.heading, **_SET.get(column.kind, {}))
    for values in grid(table, columns, lines):
        shown.add_row(*map(escape, values))
    return shown


def statics(decided: Sequence[Decided]) -> int:
    """Print the facts with their verdicts; 9 where one is contradicted that is no known misprint, else 0."""
    from rich.markup import escape
    from rich.table import Table

    grid = Table(*facts.COLUMNS)
    for each in decided:
        grid.add_row(*map(escape, facts.cells(each)))
    terminal.console(200).print(grid)
    print(facts.tally(decided))
    return ExpectationFailed.exit_code if any(each.verdict == "contradicted" for each in decided) else 0


def evaluations(evaluated: Sequence[tuple[StoredRun, Sequence[Evaluation]]]) -> None:
    """Print what finished runs came to when they were evaluated again."""
    from rich.markup import escape
    from rich.table import Table

    shown = Table("run", "variant", "inference", "picked", "data", "val error %", "test error %", "test loss")
    for run, found in evaluated:
        for each in found:
            figures = [_figure(each.val_error, 2), _figure(each.test_error, 2), _figure(each.test_loss, 4)]
            picked = "-" if each.picked is None else str(each.picked)
            shown.add_row(*map(escape, [run.id, each.variant, each.inference, picked, each.data, *figures]))
    terminal.console().print(shown)


def _figure(value: float | None, decimals: int) -> str:
    return "-" if value is None else f"{value:.{decimals}f}"
