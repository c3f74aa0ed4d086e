"""What each command does with its arguments; what it needs is imported when it runs."""

import argparse
import json
import math
import re
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tricktable.runner import machine, terminal
from tricktable.runner.errors import BadInput

if TYPE_CHECKING:
    from tricktable.runner.disk.seal import Damage
    from tricktable.runner.launch.expect import Expectation


def _pool(arguments: argparse.Namespace) -> dict[str, Any]:
    return {name: getattr(arguments, name) for name in ("jobs", "gpus", "timeout")}


def train(arguments: argparse.Namespace) -> int:
    """One run, or with -m every point of a multirun."""
    machine.import_torch()
    from dataclasses import replace

    from tricktable.runner.config import compose
    from tricktable.runner.launch import expect, single

    expectations = expect.parse(arguments.expect)
    if arguments.multirun:
        return _multirun(arguments, expectations)
    if any(_pool(arguments).values()) or arguments.junit:
        raise BadInput("--jobs, --gpus, --timeout and --junit are for several runs: add -m")
    if arguments.baseline is not None:
        raise BadInput("--baseline is of a study's table, which several runs make: add -m")
    config = compose.compose(arguments.overrides)
    if arguments.label:
        config = replace(config, label=arguments.label)
    with terminal.set_aside(arguments.json):
        summary, ending = single.trained(config, expectations)
    if arguments.json and summary:
        _print_json(summary.plain())
    if ending:
        raise ending
    return 0


def _multirun(arguments: argparse.Namespace, expectations: "Sequence[Expectation]") -> int:
    """Every point, then the tables of their studies, and only then what went wrong. A diverged run is a result."""
    from pathlib import Path

    from tricktable.runner.launch import junit, pool, sweep
    from tricktable.runner.report import command

    with terminal.set_aside(arguments.json):
        outcomes = sweep.sweep(arguments.overrides, **_pool(arguments))
        studies = dict.fromkeys(each.job.root / each.job.study for each in outcomes)
        damaged = [each for study in studies for each in command.show_study(study, arguments.baseline)]
    if arguments.junit:
        junit.write(Path(arguments.junit), sweep.cases(outcomes, expectations))
    if arguments.json:
        _print_json([sweep.plain(each, expectations) for each in outcomes])
    sweep.check(expectations, outcomes)
    pool.raise_for(outcomes)
    command.raise_for(damaged)
    return 0


def _print_json(document: object) -> None:
    """Strict JSON, which lacks NaN and the infinities: these are null."""
    from tricktable.runner.disk import atomic

    print(atomic.dump(document).decode(), end="")


def study(arguments: argparse.Namespace) -> int:
    """A study that is written in a file: its runs, then its table, and only then what went wrong."""
    machine.import_torch()
    from tricktable.runner.launch import pool
    from tricktable.runner.papers import study_file
    from tricktable.runner.report import command

    found = study_file.read(arguments.file)
    made = study_file.make(found, arguments.overrides, **_pool(arguments))
    outcomes = [outcome for _, outcome in made]
    damaged = command.show(study_file.tabulate(found, made), outcomes[0].job.root / outcomes[0].job.study)
    pool.raise_for(outcomes)
    command.raise_for(damaged)
    return 0


def init(arguments: argparse.Namespace) -> int:
    """A first study of a folder's images, as a file to be edited."""
    from tricktable.runner.explore import starter

    for line in starter.write(arguments.folder, arguments.to):
        print(line)
    return 0


def table(arguments: argparse.Namespace) -> int:
    """A paper's table, or several: made where that is asked for, shown, and written."""
    machine.import_torch()
    from pathlib import Path

    from tricktable.runner.launch import junit
    from tricktable.runner.papers import reproduce, several
    from tricktable.runner.report import tables

    names = several.names(arguments.name)
    if arguments.dry_run and len(names) == 1:
        reproduce.dry_run(*reproduce.requested(names[0], arguments.budget, arguments.overrides))
        return 0
    limits = {**_pool(arguments), "until": _until(arguments.minutes)}
    typed = arguments.budget, arguments.overrides, arguments.make, arguments.figures
    with terminal.set_aside(arguments.json):
        shown = tables.tables(names, *typed, **limits) if names[1:] else tables.table(names[0], *typed, **limits)
    if arguments.junit:
        junit.write(Path(arguments.junit), tables.cases(shown))
    if arguments.json:
        documents = [tables.plain(each) for each in shown.tables.values()]
        _print_json(documents if names[1:] else documents[0])
    if shown.ending:
        raise shown.ending
    return 0


def _until(minutes: float | None) -> float:
    """The end of so many minutes, by the monotonic clock."""
    if minutes is not None and not 0 < minutes < math.inf:
        raise BadInput(f"--minutes: expected a number above 0, got {minutes:g}")
    return math.inf if minutes is None else time.monotonic() + 60 * minutes


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
    from pathlib import Path

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


def lr_range(arguments: argparse.Namespace) -> int:
    """The learning-rate range test."""
    machine.import_torch()
    from tricktable.runner.explore import lr_range

    options = (arguments.low, arguments.high, arguments.linear, arguments.updates)
    lr_range.show(lr_range.lr_range(arguments.overrides, *options))
    return 0


def schedule(arguments: argparse.Namespace) -> int:
    """Every knob over the run, without training."""
    from tricktable.runner.explore import preview

    preview.show(arguments.overrides, arguments.images, arguments.json)
    return 0


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
    from tricktable.runner.explore import export as exporting

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


def show(arguments: argparse.Namespace) -> int:
    """The resolved config; or, with --images, a picture of the first batch's images."""
    import yaml

    if arguments.images is not None:
        machine.import_torch()
        from tricktable.runner.explore import first_batch

        print(first_batch.show(arguments.overrides, arguments.images))
        return 0

    from tricktable.runner.config import compose, schema

    print(yaml.safe_dump(schema.plain(compose.compose(arguments.overrides)), sort_keys=False), end="")
    return 0


def list_(arguments: argparse.Namespace) -> int:
    """What can be chosen."""
    from tricktable.runner.config.catalogue import listing, markdown

    if arguments.markdown and arguments.place == "tables":
        from tricktable.runner.papers import listing as tables

        print(tables.markdown())
        return 0
    if arguments.markdown:
        print(markdown())
        return 0
    if arguments.place == "tables":
        from tricktable.runner.papers import recipe

        lines = recipe.listing()
    elif arguments.place == "figures":
        from tricktable.runner.figures import figure as figures

        lines = figures.listing()
    else:
        lines = list(listing(arguments.place))
    width = max((len(name) for name, _ in lines), default=0)
    for name, about in lines:
        print(f"{name:<{width}}  {about}")
    return 0


def cache(arguments: argparse.Namespace) -> int:
    """What is kept between runs."""
    from tricktable.runner.data import kept

    kept.show() if arguments.clear is None else kept.clear(arguments.clear)
    return 0


def count(arguments: argparse.Namespace) -> int:
    """What networks cost."""
    from tricktable.runner.explore import networks

    overrides = arguments.overrides
    rows = networks.all_networks(overrides) if arguments.all else [networks.network(overrides)]
    form = networks.markdown if arguments.markdown else networks.text
    print(json.dumps(rows, indent=2) if arguments.json else form(rows))
    return 0
