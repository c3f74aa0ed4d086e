"""What a person sees of tables on a terminal."""

from collections.abc import Sequence
from typing import Any

from runner import terminal
from runner.disk.finished import Finished
from runner.errors import ExpectationFailed
from runner.papers import statics as facts
from runner.papers.measured import Measured
from runner.papers.statics import Decided
from runner.report import cells


def measured(table: Measured) -> None:
    """Print the table, its claims and what is missing."""
    from rich.markup import escape
    from rich.table import Table

    console = terminal.console()
    console.print(escape(cells.title(table)), escape(cells.unit(table)), sep="\n", soft_wrap=True)
    grid = Table(*cells.columns(table))
    for row in table.rows:
        grid.add_row(*map(escape, cells.row_cells(table, row)))
    console.print(grid)
    if table.claims:
        judged = Table(*cells.CLAIM_COLUMNS)
        for claim in table.claims:
            judged.add_row(*map(escape, cells.claim_cells(table, claim)))
        console.print(judged)
    absent = {row.theirs.label: len(row.missing) for row in table.rows if row.missing}
    if absent:
        runs = f"{sum(absent.values())} runs are missing, in {len(absent)} rows"
        print(f"{runs}: tricktable table {table.recipe.name} --run --budget {table.budget} makes them")
    for line in (*cells.legend(table), *table.warnings, table.caption):
        console.print(escape(line), soft_wrap=True)


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


def evaluations(evaluated: Sequence[tuple[Finished, list[dict[str, Any]]]]) -> None:
    """Print what finished runs came to when they were evaluated again."""
    from rich.markup import escape
    from rich.table import Table

    shown = Table("run", "variant", "inference", "picked", "data", "val error %", "test error %", "test loss")
    for run, rows in evaluated:
        for row in rows:
            cells = [run.folder.name, row["variant"], row["inference"], *(row.get(k) for k in ("picked", "data"))]
            cells += [None if row.get(k) is None else f"{row[k]:.2f}" for k in ("val_error", "test_error")]
            shown.add_row(*("-" if c is None else escape(str(c)) for c in cells), f"{row['test_loss']:.4f}")
    terminal.console().print(shown)
