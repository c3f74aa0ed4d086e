"""table, report, compare, static."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from tricktable.runner import machine, terminal
from tricktable.runner.commands.arguments import (
    Commands,
    add_command,
    completed,
    print_json,
    take_baseline,
    take_figures,
    take_overrides,
    take_pool,
    take_programs,
)
from tricktable.runner.commands.engines import pool_of

if TYPE_CHECKING:
    from tricktable.runner.disk.seal import Damage


def add(commands: Commands) -> None:
    """Add these commands, with their arguments."""
    parser = add_command(commands, "table", table, "a paper's table: theirs, ours, and the verdicts", False)
    name = parser.add_argument(
        "name", help="<paper>/<table>, as in `tricktable list tables`; a quoted glob of them; all"
    )
    completed(name, "tables")
    parser.add_argument("--budget", choices=("smoke", "short", "paper"), help="how much of the paper's training")
    parser.add_argument("--run", dest="make", action="store_true", help="make the runs that are missing")
    parser.add_argument(
        "--dry-run", action="store_true", help="say what each row is, what exists, and how long the rest takes"
    )
    parser.add_argument("--minutes", type=float, help="stop then, with all saved; the same command goes on")
    take_programs(parser, "rows and claims")
    take_figures(parser)
    take_pool(parser)
    take_overrides(parser)

    parser = add_command(commands, "report", report, "a table's or a study's page, tables and figures", False)
    name = parser.add_argument("name", nargs="?", help="<paper>/<table>, or a study; by default every run, as runs.csv")
    completed(name, "tables", "studies")
    parser.add_argument("--budget", choices=("smoke", "short", "paper"), help="of a paper's table")
    take_baseline(parser)
    take_figures(parser)
    take_overrides(parser)

    parser = add_command(commands, "compare", compare, "two runs, or two rows of runs, side by side", False)
    completed(
        parser.add_argument("a", metavar="A", help="a run's folder or id, or a quoted glob of a row's runs"), "runs"
    )
    completed(parser.add_argument("b", metavar="B", help="the other"), "runs")
    take_overrides(parser)

    parser = add_command(commands, "static", static, "what a paper states that needs no training, decided here", False)
    completed(parser.add_argument("paper", nargs="?", help="one paper, or its arXiv number; by default all"), "papers")
    parser.add_argument("--markdown", action="store_true", help="for documents")


def table(arguments: argparse.Namespace) -> int:
    """A paper's table, or several: made where that is asked for, shown, and written."""
    machine.import_torch()
    from tricktable.runner.launch import junit, limits
    from tricktable.runner.papers import reproduce, several
    from tricktable.runner.report import tables

    names, bounds = several.names(arguments.name), pool_of(arguments)
    if arguments.dry_run and len(names) == 1:
        reproduce.dry_run(*reproduce.requested(names[0], arguments.budget, arguments.overrides))
        return 0
    bounds["until"] = limits.until("--minutes", arguments.minutes)
    typed = arguments.budget, arguments.overrides, arguments.make, arguments.figures
    with terminal.set_aside(arguments.json):
        shown = tables.tables(names, *typed, **bounds) if names[1:] else tables.table(names[0], *typed, **bounds)
    if arguments.junit:
        junit.write(Path(arguments.junit), tables.cases(shown))
    if arguments.json:
        documents = [tables.plain(each) for each in shown.tables.values()]
        print_json(documents if names[1:] else documents[0])
    if shown.ending:
        raise shown.ending
    return 0


def report(arguments: argparse.Namespace) -> int:
    """The files of a table, of a study, or of all runs."""
    from tricktable.runner.report import command

    name, overrides = arguments.name, arguments.overrides
    if name is not None and "=" in name:  # every run, and the first key was taken for the name
        name, overrides = None, [name, *overrides]
    damaged: list[Damage] = []
    for path in command.produce(name, arguments.budget, overrides, arguments.baseline, arguments.figures, damaged):
        print(path)
    command.raise_for(damaged)
    return 0


def compare(arguments: argparse.Namespace) -> int:
    """Two runs, or two rows of runs, side by side."""
    from tricktable.runner.config import compose
    from tricktable.runner.report import command, compare

    root = Path(compose.compose(arguments.overrides).output.root)
    damaged: dict[Path, Damage] = {}
    print(compare.compare(arguments.a, arguments.b, root, damaged), end="")
    command.raise_for(damaged.values())
    return 0


def static(arguments: argparse.Namespace) -> int:
    """What papers state that needs no training."""
    from tricktable.runner.papers import facts, statics
    from tricktable.runner.report import terminal as screen

    papers = [arguments.paper] if arguments.paper else facts.papers()
    decided = [each for paper in papers for each in statics.decide(paper)]
    if arguments.markdown:
        print(statics.markdown(decided))
        return 0
    return screen.statics(decided)
