"""evaluate, export, figure: what is made of finished runs."""

import argparse
import re
from pathlib import Path

from tricktable.runner import machine
from tricktable.runner.commands.arguments import (
    Commands,
    add_command,
    completed,
    take_figures,
    take_overrides,
)
from tricktable.runner.explore import export as exporting


def add(commands: Commands) -> None:
    """Add these commands, with their arguments."""
    parser = add_command(commands, "evaluate", evaluate, "evaluate finished runs again, without training", False)
    one = parser.add_argument("runs", metavar="RUN", help="a run's folder or id, a study's folder, or a quoted glob")
    completed(one, "runs")
    parser.add_argument("--together", action="store_true", help="the models of all these runs as one ensemble")
    parser.add_argument(
        "--predictions", metavar="FILE.csv", type=Path, help="write a row for each test image; or FILE.parquet"
    )
    take_overrides(parser)

    parser = add_command(commands, "export", export, "a finished run's network as a file for other programs", False)
    completed(exporting.arguments(parser), "runs")
    take_overrides(parser)

    parser = add_command(commands, "figure", figure, "a figure of finished runs: see `tricktable list figures`", False)
    completed(parser.add_argument("name", help="which figure, as `tricktable list figures` has them"), "figures")
    several = parser.add_argument(
        "runs", nargs="+", metavar="RUN", help="a run's folder or id, a study's folder or a quoted glob; then key=value"
    )
    completed(several, "runs", "overrides")
    take_figures(parser)


def evaluate(arguments: argparse.Namespace) -> int:
    """Finished runs again, without training."""
    machine.import_torch()
    from tricktable.runner.explore import reevaluate
    from tricktable.runner.report import command
    from tricktable.runner.report import terminal as screen
    from tricktable.runner.report.predictions import Table

    table = None if arguments.predictions is None else Table(arguments.predictions)
    how = reevaluate.together if arguments.together else reevaluate.evaluations
    evaluated = how(arguments.runs, arguments.overrides, None if table is None else table.add)
    screen.evaluations(evaluated)
    if table is not None:
        print(table.write())
    folders = [run.folder.parent for run, _ in evaluated]
    for study in dict.fromkeys(folders):
        if folders.count(study) > 1:
            command.raise_for(command.show_study(study))
    return 0


def export(arguments: argparse.Namespace) -> int:
    """A finished run's network as a file."""
    machine.import_torch()
    print(exporting.command(arguments))
    return 0


def figure(arguments: argparse.Namespace) -> int:
    """A figure of finished runs."""
    machine.import_torch()
    from tricktable.runner.figures import figure as figures

    typed = [*arguments.runs, *arguments.overrides]
    overrides = [text for text in typed if re.match(r"[\w.@]+=", text)]
    runs = [text for text in typed if text not in overrides]
    for path in figures.make(arguments.name, runs, overrides, arguments.figures):
        print(path)
    return 0
