"""`tricktable reproduce`: tables one after another until the time is up, and each that is whole kept in results/."""

import math
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tricktable.runner import report, terminal
from tricktable.runner.disk.runs import under
from tricktable.runner.disk.seal import Damage
from tricktable.runner.errors import BadInput, Interrupted, SweepFailed, TricktableError
from tricktable.runner.launch import outcome
from tricktable.runner.launch.engines.engine import Engine
from tricktable.runner.papers import campaign, estimate, reproduce, tabulate
from tricktable.runner.papers.campaign import Campaign, Step
from tricktable.runner.papers.plan import TablePlan
from tricktable.runner.report import archive, command
from tricktable.runner.report import terminal as screen

INDENT = "   "
NAMED = 5  # tables that failed, in the last line; each was told when it did


@dataclass
class Worked:
    """What became of the steps: whole in results/ before, written there now, failed and why; whether time ended it."""

    before: list[Step] = field(default_factory=list)
    written: list[Step] = field(default_factory=list)
    failed: dict[Step, str] = field(default_factory=dict)
    time_is_up: bool = False
    damaged: list[Damage] = field(default_factory=list)

    @property
    def said(self) -> str:
        """In a line: `3 tables were whole in results/, 1 more is now`."""
        before, now = len(self.before), len(self.written)
        return f"{_tables(before)} whole before, {_tables(now)} written now"


def _tables(number: int) -> str:
    return f"{number} table{'' if number == 1 else 's'}"


def work(
    steps: Sequence[Step], overrides: Sequence[str], results: Path,
    *, jobs: int | None, gpus: Sequence[int] = (), timeout: float | None = None, until: float = math.inf,
    engine: Engine | None = None,
) -> Worked:  # fmt: skip
    """Go through the steps: what results/ has whole is passed by, what is missing is run, what is whole is kept there.

    A step that fails is told and passed by. At `until`, by the monotonic clock, what runs is saved; the same call goes
    on from there. Interrupted after a signal; the rest as `pool.launch`.
    """
    reproduce.root(overrides)  # what is typed wrongly fails here, and not table by table
    done = Worked()
    limits = {"jobs": jobs, "gpus": gpus, "timeout": timeout, "until": until, "engine": engine}
    for number, step in enumerate(steps, 1):
        if time.monotonic() > until:
            done.time_is_up = True
            break
        place = f"[{number}/{len(steps)}] {step}"
        try:
            plan, runs = reproduce.requested(step.table, step.budget, overrides)
            part = plan.of(step.rows)
            if not part.needed():
                terminal.say(f"{place}: none of its rows can be run at this budget")
                continue
            if not (why := archive.lacking(part, results)):
                done.before.append(step)
                terminal.say(f"{place}: {archive.folder(results, step.table, step.budget)} has it whole")
                continue
            terminal.say(f"{place}: {why}. {step.reason}")
            _make(done, step, plan, runs.root, results, limits)
        except Interrupted:
            if time.monotonic() <= until:
                raise
            done.time_is_up = True
            break
        except TricktableError as error:
            done.failed[step] = str(error)
            terminal.say(f"{step}: {error}")
    return done


def _make(
    done: Worked, step: Step, table: TablePlan, root: Path, results: Path, limits: Mapping[str, Any]
) -> None:  # fmt: skip
    """Make a step's rows of a table, one seed of each first, and write them where they are whole.

    Where every run of the first seeds fails, for its images are not at hand, say, the others are not tried; nor after
    a signal, or when the time is up.
    """
    plan, outcomes = table.of(step.rows), list[outcome.Outcome]()
    try:
        for part in (plan.first(), plan):
            outcomes = reproduce.make(part, under(root), **limits)
            states = {each.state for each in outcomes}
            if "interrupted" in states or states == {"failed"}:
                break
            reproduce.evaluate(part, under(root))
    finally:
        found = tabulate.tabulate(table, under(root), table.command)
        done.damaged += found.damaged
        screen.progress(found, report.write_tables(found, reproduce.folder(table, root))[-1].parent)
    outcome.raise_for(outcomes)
    labels = {*plan.points, *plan.grids}
    if not archive.whole(found, labels):
        return
    if lost := archive.lost(found, labels, results):
        raise BadInput(f"{results} has runs of {', '.join(lost)} that are not here; make these rows first")
    print(archive.write(archive.portable(found, table), results))
    done.written.append(step)


def raise_for(done: Worked) -> None:
    """What the command ends with: Interrupted where the time was up, SweepFailed where a table failed.

    StorageProblem, once all is made, where runs are there and cannot be used.
    """
    if done.time_is_up:
        raise Interrupted(f"{done.said}, and the time is up; run the same command again to go on")
    if done.failed:
        names = [*dict.fromkeys(step.table for step in done.failed)]
        more = [f"and {len(names) - NAMED} more"] if len(names) > NAMED else []
        raise SweepFailed(f"{done.said}, {len(done.failed)} failed: {', '.join([*names[:NAMED], *more])}")
    command.raise_for(done.damaged)


def dry_run(read: Campaign, steps: Sequence[Step], overrides: Sequence[str], results: Path) -> None:
    """Print each step: what results/ has of it, what has been run, the hours that the rest takes by device, and why."""
    rates = ", ".join(f"{device} {rate:.1e}" for device, rate in read.rates.items())
    print(f"{len(steps)} tables; hours by rates of configs/{campaign.FILE}, multiply-adds a second: {rates}")
    for number, step in enumerate(steps, 1):
        plan, runs = reproduce.requested(step.table, step.budget, overrides)
        plan = plan.of(step.rows)
        if archive.lacking(plan, results):
            missing = reproduce.missing(plan, runs)
            said = f"{len(missing)} of {len(plan.needed())} runs are missing: {hours(read, missing)}"
        else:
            said = f"whole in {archive.folder(results, step.table, step.budget)}"
        print(f"{number}. {step}")
        for line in (said, step.reason):
            for each in terminal.wrapped(terminal.clean(line), terminal.columns() - len(INDENT)):
                print(f"{INDENT}{each}")
        sys.stdout.flush()  # each takes a second or more: whoever reads need not wait for the last


def hours(read: Campaign, points: Sequence[Any]) -> str:
    """How long runs take one after another, by device: `gpu 5.1 h, cpu 850 h`."""
    return ", ".join(
        f"{device} {estimate.duration(estimate.seconds(points, rate))}" for device, rate in read.rates.items()
    )
