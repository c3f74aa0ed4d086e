"""train, study, atlas, init."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tricktable.runner import machine, terminal
from tricktable.runner.commands.arguments import (
    Commands,
    add_command,
    print_json,
    take_baseline,
    take_figures,
    take_overrides,
    take_pool,
    take_programs,
)
from tricktable.runner.commands.engines import pool_of
from tricktable.runner.errors import BadInput

if TYPE_CHECKING:
    from tricktable.runner.launch.expect import Expectation


def add(commands: Commands) -> None:
    """Add these commands, with their arguments."""
    parser = add_command(commands, "train", train, "train one run, or with -m every point of a multirun")
    parser.add_argument("-m", "--multirun", action="store_true", help="seed=0,1,2 or seed=range(5): run every point")
    parser.add_argument(
        "--expect",
        metavar="'test_error<5'",
        action="append",
        default=[],
        help="exit 9 where a figure of the summary does not hold, or a run diverged or failed; may be given again",
    )
    parser.add_argument("--label", help=argparse.SUPPRESS)  # a multirun says how its runs are called
    take_programs(parser, "the summary, with -m the list of outcomes")
    take_baseline(parser)
    take_pool(parser)

    parser = add_command(
        commands, "study", study, "a whole study that a YAML file holds: its runs and its table", False
    )
    parser.add_argument(
        "file", metavar="FILE", type=Path, help="rows, seeds and what they share: see docs/own-images.md"
    )
    take_pool(parser)
    take_overrides(parser)

    parser = add_command(
        commands, "atlas", atlas, "which tricks add up: each alone and every two, from a YAML file", False
    )
    parser.add_argument("file", metavar="FILE", type=Path, help="tricks, seeds and what they share: see docs/atlas.md")
    parser.add_argument("--minutes", type=float, help="stop then, with all saved; the same command goes on")
    take_figures(parser)
    take_pool(parser)
    take_overrides(parser)

    parser = add_command(commands, "init", init, "look at a folder of images and write a first study of it", False)
    parser.add_argument(
        "folder", metavar="FOLDER", help="<class>/<image>, or train/<class>/<image> and test/<class>/<image>"
    )
    parser.add_argument(
        "--to", metavar="FILE", type=Path, help="the study's file; by default <folder's name>.yaml, here"
    )


def train(arguments: argparse.Namespace) -> int:
    """One run, or with -m every point of a multirun."""
    machine.import_torch()
    from dataclasses import replace

    from tricktable.runner.config import compose
    from tricktable.runner.launch import expect, single

    expectations = expect.parse(arguments.expect)
    if arguments.multirun:
        return _multirun(arguments, expectations)
    if any(pool_of(arguments).values()) or arguments.junit:
        raise BadInput("--jobs, --gpus, --timeout, --engine and --junit are for several runs: add -m")
    if arguments.baseline is not None:
        raise BadInput("--baseline is of a study's table, which several runs make: add -m")
    config = compose.compose(arguments.overrides)
    if arguments.label:
        config = replace(config, label=arguments.label)
    with terminal.set_aside(arguments.json):
        summary, ending = single.trained(config, expectations)
    if arguments.json and summary:
        print_json(summary.plain())
    if ending:
        raise ending
    return 0


def _multirun(arguments: argparse.Namespace, expectations: "Sequence[Expectation]") -> int:
    """Every point, then the tables of their studies, and only then what went wrong. A diverged run is a result."""

    from tricktable.runner.launch import junit, sweep
    from tricktable.runner.launch.outcome import raise_for
    from tricktable.runner.report import command

    bounds = pool_of(arguments)
    with terminal.set_aside(arguments.json):
        outcomes = sweep.sweep(arguments.overrides, **bounds)
        studies = dict.fromkeys(each.job.root / each.job.study for each in outcomes)
        damaged = [each for study in studies for each in command.show_study(study, arguments.baseline)]
    if arguments.junit:
        junit.write(Path(arguments.junit), sweep.cases(outcomes, expectations))
    if arguments.json:
        print_json([sweep.plain(each, expectations) for each in outcomes])
    sweep.check(expectations, outcomes)
    raise_for(outcomes)
    command.raise_for(damaged)
    return 0


def study(arguments: argparse.Namespace) -> int:
    """A study that is written in a file: its runs, then its table, and only then what went wrong."""
    machine.import_torch()
    from tricktable.runner.launch.outcome import raise_for
    from tricktable.runner.papers import study_file
    from tricktable.runner.report import command

    found, bounds = study_file.read(arguments.file), pool_of(arguments)
    made = study_file.make(found, arguments.overrides, **bounds)
    outcomes = [outcome for _, outcome in made]
    damaged = command.show(study_file.tabulate(found, made), outcomes[0].job.root / outcomes[0].job.study)
    raise_for(outcomes)
    command.raise_for(damaged)
    return 0


def atlas(arguments: argparse.Namespace) -> int:
    """Which tricks add up: the runs of base, tricks and pairs, then what they say, and only then what went wrong."""
    machine.import_torch()
    from tricktable.runner.launch import limits
    from tricktable.runner.launch.outcome import raise_for
    from tricktable.runner.papers import atlas, atlas_file, study_file
    from tricktable.runner.report import atlas as report
    from tricktable.runner.report import command

    bounds = {**pool_of(arguments), "until": limits.until("--minutes", arguments.minutes)}
    planned = atlas_file.plan(atlas_file.read(arguments.file), arguments.overrides)
    made = study_file.make(planned.study, **bounds)
    first, outcomes = made[0][1].job, [outcome for _, outcome in made]
    measured = atlas.measure(planned, made, f"tricktable atlas {arguments.file}")
    report.show(measured)
    print(report.write(measured, first.root / first.study / "report", arguments.figures)[-1])
    raise_for(outcomes)
    command.raise_for(measured.damaged)
    return 0


def init(arguments: argparse.Namespace) -> int:
    """A first study of a folder's images, as a file to be edited."""
    from tricktable.runner.explore import starter

    for line in starter.write(arguments.folder, arguments.to):
        print(line)
    return 0
