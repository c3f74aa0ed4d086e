"""What each command does with its arguments; what it needs is imported when it runs."""

import argparse
import json
import math
import os
import re
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from runner.errors import BadInput

if TYPE_CHECKING:
    from pathlib import Path

    from runner.launch.expect import Expectation
    from runner.papers.measured import MeasuredTable


def _before_torch() -> None:
    """Spinning threads wait for descheduled partners on a shared machine; torch reads this when it is imported."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def _pool(arguments: argparse.Namespace) -> dict[str, Any]:
    return {name: getattr(arguments, name) for name in ("jobs", "gpus", "timeout")}


def train(arguments: argparse.Namespace) -> int:
    """One run, or with -m every point of a multirun."""
    _before_torch()
    from runner.config import compose
    from runner.launch import expect

    expectation = expect.parse(arguments.expect) if arguments.expect else None
    if arguments.multirun:
        return _multirun(arguments, expectation)
    if any(_pool(arguments).values()):
        raise BadInput("--jobs, --gpus and --timeout are for several runs: add -m")
    config = compose.compose(arguments.overrides)
    from runner.training import job
    from runner.training import summary as summaries

    summary = job.execute(config)
    print(summaries.outcome(summary, config.output.root))
    if expectation:
        expectation.check(summary)
    return 0


def _multirun(arguments: argparse.Namespace, expectation: "Expectation | None") -> int:
    """Every point, then the tables of their studies, and only then what went wrong. A diverged run is a result."""
    from runner.launch import pool, sweep
    from runner.report import command

    outcomes = sweep.sweep(arguments.overrides, **_pool(arguments))
    for study in dict.fromkeys(each.job.root / each.job.study for each in outcomes):
        command.show_study(study)
    pool.raise_for(outcomes)
    if expectation:
        sweep.check(expectation, outcomes)
    return 0


def study(arguments: argparse.Namespace) -> int:
    """A study that is written in a file: its runs, then its table, and only then what went wrong."""
    _before_torch()
    from runner.launch import pool
    from runner.papers import study_file
    from runner.report import command

    found = study_file.read(arguments.file)
    made = study_file.make(found, arguments.overrides, **_pool(arguments))
    outcomes = [outcome for _, outcome in made]
    command.show(study_file.tabulate(found, made), outcomes[0].job.root / outcomes[0].job.study)
    pool.raise_for(outcomes)
    return 0


def init(arguments: argparse.Namespace) -> int:
    """A first study of a folder's images, as a file to be edited."""
    from runner.explore import starter

    for line in starter.write(arguments.folder, arguments.to):
        print(line)
    return 0


def table(arguments: argparse.Namespace) -> int:
    """A paper's table, or several: made where that is asked for, shown, and written."""
    _before_torch()
    from runner import report
    from runner.disk.runs import under
    from runner.launch import pool
    from runner.papers import reproduce, several, tabulate
    from runner.report import terminal

    names = several.names(arguments.name)
    if len(names) > 1:
        return _tables(names, arguments)
    plan, runs = reproduce.requested(names[0], arguments.budget, arguments.overrides)
    if arguments.dry_run:
        reproduce.dry_run(plan, runs)
        return 0
    limits = {**_pool(arguments), "until": _until(arguments.minutes)}
    outcomes = reproduce.make(plan, runs, **limits) if arguments.make else []
    if outcomes:
        runs = under(runs.root)
    if arguments.make and reproduce.evaluate(plan, runs):
        runs = under(runs.root)
    typed = " ".join([names[0], "--run", "--budget", plan.budget, *arguments.overrides])
    table = tabulate.tabulate(plan, runs, f"tricktable table {typed}")
    terminal.show(table)
    if any(row.runs or row.exact is not None for row in table.rows):
        print(report.write(table, reproduce.folder(plan, runs.root))[-1])
    pool.raise_for(outcomes)
    return 0


def _until(minutes: float | None) -> float:
    """The end of so many minutes, by the monotonic clock."""
    if minutes is not None and not 0 < minutes < math.inf:
        raise BadInput(f"--minutes: expected a number above 0, got {minutes:g}")
    return math.inf if minutes is None else time.monotonic() + 60 * minutes


def _tables(names: Sequence[str], arguments: argparse.Namespace) -> int:
    """Several tables, each made and written; then what failed."""
    from runner import report
    from runner.errors import Interrupted, SweepFailed
    from runner.papers import several
    from runner.report import terminal

    def write(table: "MeasuredTable", folder: "Path") -> None:
        terminal.progress(table, report.write_tables(table, folder)[-1].parent)

    if not arguments.make or arguments.budget is None:
        raise BadInput(f"{arguments.name}: {len(names)} tables; several are made: add --run and --budget")
    limits = {**_pool(arguments), "until": _until(arguments.minutes)}
    made = several.make(names, arguments.budget, arguments.overrides, write, **limits)
    counted = f"{len(made.whole)} of {len(names)} tables are whole"
    print(counted)
    if made.failed:
        raise SweepFailed(f"{counted}, {len(made.failed)} failed: {', '.join(made.failed)}")
    if made.time_is_up:
        raise Interrupted(f"{counted}, and the time is up; run the same command again to go on")
    return 0


def report(arguments: argparse.Namespace) -> int:
    """The files of a table, of a study, or of all runs."""
    from runner.report import command

    name, overrides = arguments.name, arguments.overrides
    if name is not None and "=" in name:  # every run, and the first key was taken for the name
        name, overrides = None, [name, *overrides]
    for path in command.produce(name, arguments.budget, overrides):
        print(path)
    return 0


def compare(arguments: argparse.Namespace) -> int:
    """Two runs, or two rows of runs, side by side."""
    from pathlib import Path

    from runner.config import compose
    from runner.report import compare

    root = Path(compose.compose(arguments.overrides).output.root)
    print(compare.compare(arguments.a, arguments.b, root), end="")
    return 0


def static(arguments: argparse.Namespace) -> int:
    """What papers state that needs no training."""
    from runner.papers import facts, statics
    from runner.report import terminal

    papers = [arguments.paper] if arguments.paper else facts.papers()
    decided = [each for paper in papers for each in statics.decide(paper)]
    if arguments.markdown:
        print(statics.markdown(decided))
        return 0
    return terminal.statics(decided)


def lr_range(arguments: argparse.Namespace) -> int:
    """The learning-rate range test."""
    _before_torch()
    from runner.explore import lr_range

    options = (arguments.low, arguments.high, arguments.linear, arguments.updates)
    lr_range.show(lr_range.lr_range(arguments.overrides, *options))
    return 0


def schedule(arguments: argparse.Namespace) -> int:
    """Every knob over the run, without training."""
    from runner.explore import preview

    preview.show(arguments.overrides, arguments.images, arguments.json)
    return 0


def evaluate(arguments: argparse.Namespace) -> int:
    """Finished runs again, without training."""
    _before_torch()
    from runner.explore import reevaluate
    from runner.report import command, terminal

    how = reevaluate.together if arguments.together else reevaluate.evaluations
    evaluated = how(arguments.runs, arguments.overrides)
    terminal.evaluations(evaluated)
    folders = [run.folder.parent for run, _ in evaluated]
    for study in dict.fromkeys(folders):
        if folders.count(study) > 1:
            command.show_study(study)
    return 0


def figure(arguments: argparse.Namespace) -> int:
    """A figure of finished runs."""
    _before_torch()
    from runner.figures import figure as figures

    typed = [*arguments.runs, *arguments.overrides]
    overrides = [text for text in typed if re.match(r"[\w.@]+=", text)]
    for path in figures.make(arguments.name, [text for text in typed if text not in overrides], overrides):
        print(path)
    return 0


def show(arguments: argparse.Namespace) -> int:
    """The resolved config; or, with --images, a picture of the first batch's images."""
    import yaml

    if arguments.images is not None:
        _before_torch()
        from runner.explore import first_batch

        print(first_batch.show(arguments.overrides, arguments.images))
        return 0

    from runner.config import compose, schema

    print(yaml.safe_dump(schema.plain(compose.compose(arguments.overrides)), sort_keys=False), end="")
    return 0


def list_(arguments: argparse.Namespace) -> int:
    """What can be chosen."""
    from runner.config.catalogue import listing, markdown

    if arguments.markdown and arguments.place == "tables":
        from runner.papers import listing as tables

        print(tables.markdown())
        return 0
    if arguments.markdown:
        print(markdown())
        return 0
    if arguments.place == "tables":
        from runner.papers import recipe

        lines = recipe.listing()
    elif arguments.place == "figures":
        from runner.figures import figure as figures

        lines = figures.listing()
    else:
        lines = list(listing(arguments.place))
    width = max((len(name) for name, _ in lines), default=0)
    for name, about in lines:
        print(f"{name:<{width}}  {about}")
    return 0


def count(arguments: argparse.Namespace) -> int:
    """What networks cost."""
    from runner.explore import networks

    overrides = arguments.overrides
    rows = networks.all_networks(overrides) if arguments.all else [networks.network(overrides)]
    form = networks.markdown if arguments.markdown else networks.text
    print(json.dumps(rows, indent=2) if arguments.json else form(rows))
    return 0
