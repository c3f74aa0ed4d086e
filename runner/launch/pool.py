"""Many runs on one machine: each in a process of its own, some at once, and every one accounted for.

What is on disk decides what became of a run, not how its process left: where run.json says neither complete nor
diverged it has failed, and why is written there if the process could not (it was killed, it hung, it left too soon).
A run that has ended is not started again, one that failed is; so a launch that was itself killed is simply repeated.
What another process works on is waited for, be it an orphan or another launch: several may share a study's runs.
"""

import contextlib
import math
import os
import signal
import sys
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from tricktable.runner import machine
from tricktable.runner.disk import atomic, lock, rundir, seal
from tricktable.runner.disk.info import Identity, State
from tricktable.runner.disk.summary import Summary
from tricktable.runner.errors import Interrupted, RunInUse, SweepFailed, TricktableError
from tricktable.runner.launch import limits
from tricktable.runner.launch.child import CHILD_OF, Child, cause
from tricktable.runner.launch.limits import Limits
from tricktable.runner.launch.overview import Overview, Training

POLL = 0.02  # seconds between two looks at the processes
LOOK = 0.3  # seconds between two looks at what others work on


@dataclass(frozen=True, eq=False)
class Job:
    """A run to be made: what is typed after `tricktable train`, and where and by what it is found again.

    `title` is what a person sees of it, `threads` the CPU threads that it keeps busy, in all of its `processes`.
    """

    overrides: tuple[str, ...]
    root: Path
    study: str
    label: str
    identity: Identity
    title: str
    threads: int = 1
    processes: int = 1

    @property
    def key(self) -> tuple[str, ...]:
        """Equal for jobs that are the same run."""
        return str(self.root), self.study, self.identity.config_hash, self.identity.fingerprint

    def folder(self, known: rundir.Listing | None = None) -> rundir.RunDir:
        """Its run directory as it is now, or a plan for it; `known` as in `find_or_plan`."""
        return rundir.find_or_plan(self.root, self.study, self.label, self.identity, known)


@dataclass(frozen=True)
class Outcome:
    """What became of a job: why, where it is not complete; the summary, where it is complete or diverged.

    `seconds` are of its process in this launch.
    """

    job: Job
    state: State
    reason: str | None = None
    summary: Summary | None = None
    seconds: float = field(default=0.0, compare=False)

    @property
    def words(self) -> str:
        """The reason, or the figure."""
        error = self.summary.figure("test_error") if self.summary else None
        return self.reason or ("" if error is None else f"test error {error:.2f}%")


def ended(job: Job, folder: rundir.RunDir | None = None) -> Outcome | None:
    """The outcome of a job that is complete or diverged; else None, and where its files must be made again."""
    folder = folder or job.folder()
    info = folder.read()
    if not info.ended or seal.damaged(folder.files, info):
        return None
    return Outcome(job, info.state, info.reason, Summary.read(folder.files.summary))


def launch(
    jobs: Sequence[Job],
    *,
    parallel: int | None = None,
    gpus: Sequence[int] = (),
    timeout: float | None = None,
    grace: float = 30.0,
    until: float = math.inf,
    heard: bool = False,
    command: Sequence[str] | None = None,
) -> list[Outcome]:
    """Run the jobs that have not ended yet, `parallel` at once, and say what became of each, in their order.

    Each run sees as many of `gpus` as it has processes, those with the fewest runs; `parallel` is for how many runs
    they do unless told, else 1. A run that takes more than `timeout` minutes is asked to stop, and killed `grace`
    seconds later. At `until`, by the monotonic clock, it is as if a signal came. `heard`: what a process says is not
    shown, even of one that runs alone. `command` is what overrides are appended to. BadInput for senseless numbers;
    Interrupted after a signal, which is handed on and the runs waited for: a second SIGINT asks for no patience, a
    third kills them.
    """
    dealt = limits.dealt(gpus, max((job.processes for job in jobs), default=1))
    parallel = max(1, len(dealt)) if parallel is None else parallel
    limits.check(parallel, gpus, timeout)
    bounds = Limits(parallel, dealt, 60 * timeout if timeout else math.inf, grace, until, heard or parallel > 1)
    command = command or (sys.executable, "-m", "tricktable", CHILD_OF, str(os.getpid()), "train")
    outcomes = _Launch({job.key: job for job in jobs}, bounds, command).go()
    return [outcomes[job.key] for job in jobs]


def raise_for(outcomes: Sequence[Outcome]) -> None:
    """SweepFailed with the list where a run failed, Interrupted where one was stopped. Diverged is a result."""
    missing = [o for o in outcomes if o.state in ("failed", "interrupted")]
    counted = f"{len(missing)} of {len(outcomes)} runs"
    listed = "; ".join(f"{o.job.title} ({o.words or o.state})" for o in missing)
    if any(o.state == "failed" for o in missing):
        raise SweepFailed(f"{counted} failed: {listed}")
    if missing:
        raise Interrupted(f"{counted} were stopped: {listed}")


class _Launch:
    """The loop: what waits, what runs, what others work on (and since when), what has ended."""

    def __init__(self, jobs: dict[tuple[str, ...], Job], limits: Limits, command: Sequence[str]) -> None:
        self.limits, self.command = limits, command
        self.view = Overview(len(jobs), live=limits.parallel > 1)
        self.waiting = deque(jobs.values())
        self.running: dict[Job, Child] = {}
        self.elsewhere: dict[Job, float] = {}
        self.outcomes: dict[tuple[str, ...], Outcome] = {}
        self.refused: Counter[Job] = Counter()
        self.looked = 0.0
        self.caught: list[int] = []
        self.warned: set[str] = set()
        self.listings: dict[tuple[Path, str], rundir.Listing] = {}  # of studies, as they were when the launch began

    def go(self) -> dict[tuple[str, ...], Outcome]:
        self._begin()
        try:
            with machine.when_stopped(self.caught.append), self.view:
                while self.running or ((self.waiting or self.elsewhere) and not self.caught):
                    self._step()
                    time.sleep(POLL)
        finally:
            for child in self.running.values():  # there are some only where we are at fault ourselves
                child.kill()
        if self.caught:
            counted = f"{self.view.done} of {self.view.total} runs done"
            raise Interrupted(f"interrupted with {counted}; run the same command again to go on")
        return self.outcomes

    def _begin(self) -> None:
        """Set apart what has ended already, and say what is going to happen."""
        for job in self.waiting:
            with contextlib.suppress(TricktableError):  # it comes again, and is accounted for, in its turn
                if outcome := ended(job, self._known(job)):
                    self.outcomes[job.key] = outcome
                    self.view.count(outcome.state)
        places = " and ".join(dict.fromkeys(f"{job.root}/{job.study}" for job in self.waiting))
        before = [f"{number} already {state}" for state, number in self.view.ended.items()]
        self.view.say(", ".join([f"{self.view.total} runs in {places}", *before]))
        self.waiting = deque(job for job in self.waiting if job.key not in self.outcomes)
        at_once = min(self.limits.parallel, len(self.waiting))
        threads, cores = max((job.threads for job in self.waiting), default=1), machine.cores()
        if at_once > 1 and threads > 1 and at_once * threads > cores:
            self.view.say(
                f"note: {at_once} runs of {threads} threads each share {cores} cores; compute.threads="
                f"{max(1, cores // at_once)} is faster, and makes other runs, for threads can change a CPU's bits"
            )

    def _known(self, job: Job) -> rundir.RunDir:
        """A job's folder, as far as it is known without a look through its study, which may have many thousands."""
        study = (job.root, job.study)
        if study not in self.listings:
            self.listings[study] = rundir.listing(*study)
        return job.folder(self.listings[study])

    def _folder(self, job: Job) -> rundir.RunDir:
        """A job's folder, also where another launch has made it since under another label."""
        found = self._known(job)
        return found if found.exists else job.folder()

    def _step(self) -> None:
        if time.monotonic() > self.limits.until and not self.caught:
            self.caught.append(signal.SIGTERM)
        if self.elsewhere and time.monotonic() - self.looked > LOOK:
            self._look()
        while self.waiting and len(self.running) < self.limits.parallel and not self.caught:
            job = self.waiting.popleft()
            try:
                self._start(job)
            except TricktableError as error:
                self._account(Outcome(job, "failed", str(error)))
        for job, child in list(self.running.items()):
            child.hand_on(self.caught)
            child.hurry(self.limits.seconds, self.limits.grace)
            if child.code is not None:
                del self.running[job]
                self._end(job, child)
        if self.view.due:
            self.view.draw([_training(job, child, self._known(job)) for job, child in self.running.items()])

    def _look(self) -> None:
        """What others have let go of comes next; what they keep for longer than a run may take is given up."""
        self.looked = time.monotonic()
        for job, since in list(self.elsewhere.items()):
            folder = self._folder(job)
            if not lock.in_use(folder.path):
                del self.elsewhere[job]
                self.waiting.appendleft(job)
            elif self.looked - since > self.limits.seconds + self.limits.grace:
                del self.elsewhere[job]
                self._account(Outcome(job, "failed", f"still {folder.read().owner}"))

    def _start(self, job: Job) -> None:
        folder = self._known(job)
        if outcome := ended(job, folder):  # by another launch
            self._account(outcome)
            return
        if lock.in_use(folder.path):
            self.elsewhere[job] = time.monotonic()
            self.view.say(f"waiting for {job.title}: {folder.read().owner}")
            return
        load = Counter(child.gpus for child in self.running.values())
        gpus = min(self.limits.gpus, key=lambda each: load[each], default=())
        if self.limits.parallel == 1:
            self.view.say(f"[{self.view.ended.total() + 1}/{self.view.total}] {job.title}")
        elif folder.note:
            self.view.say(folder.note)
        try:
            command = [*self.command, *job.overrides, f"--label={job.label}"]
            self.running[job] = Child(command, gpus, self.limits.heard)
        except OSError as error:
            self._account(Outcome(job, "failed", f"no process could be started: {atomic.reason(error)}"))

    def _end(self, job: Job, child: Child) -> None:
        said = child.said()
        for line in dict.fromkeys(said.splitlines()):
            if line.startswith("warning: ") and line not in self.warned:
                self.warned.add(line)
                self.view.say(f"{job.title}: {line}")
        try:
            folder = self._folder(job)
            outcome = ended(job, folder) or self._unfinished(job, child, said, folder)
        except TricktableError as error:
            outcome = Outcome(job, "failed", str(error))
        if outcome:
            self._account(outcome, child.seconds)

    def _unfinished(self, job: Job, child: Child, said: str, folder: rundir.RunDir) -> Outcome | None:
        """Why a run has not ended, in its run.json too; None where another process has it, and it must wait."""
        info = folder.read()
        state = info.state if info.pid == child.pid else None  # as this very process left it
        if child.late:
            reason = f"ran past its time limit of {self.limits.seconds / 60:g} min"
        elif self.caught or (child.code == Interrupted.exit_code and state == "interrupted"):
            return Outcome(job, "interrupted", info.reason if state == "interrupted" else None)
        elif (child.code == RunInUse.exit_code or lock.in_use(folder.path)) and self.refused[job] < 3:
            self.refused[job] += 1
            self.elsewhere[job] = time.monotonic()
            return None
        elif state == "failed":
            return Outcome(job, "failed", info.reason)
        else:
            reason = seal.told(folder.files, info) or cause(child.code or 0, said)
        _record(folder, reason, said)
        return Outcome(job, "failed", reason)

    def _account(self, outcome: Outcome, seconds: float = 0.0) -> None:
        self.outcomes[outcome.job.key] = replace(outcome, seconds=seconds)
        self.view.end(outcome.job.title, outcome.state, outcome.words, seconds)


def _training(job: Job, child: Child, folder: rundir.RunDir) -> Training:
    """How far a run is, by its run.json."""
    info = folder.read()
    known = (info.epoch or 0, info.epochs or 0) if info.pid == child.pid else ()
    return Training(job.title, child.seconds, *known)


def _record(folder: rundir.RunDir, reason: str, said: str) -> None:
    """Write into a run's folder why it failed, and what it said; where that cannot be, the outcome says it alone."""
    with contextlib.suppress(TricktableError, OSError), folder.open():
        if not folder.read().ended:
            folder.set_state("failed", reason=reason)
            with atomic.opened(folder.files.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT) as handle:
                atomic.write_all(handle, said.encode("utf-8"))
