"""Many runs on one machine: each in a process of its own, some at once, and every one accounted for.

What is on disk decides what became of a run, not how its process left: where run.json says neither complete nor
diverged it has failed, and why is written there if the process could not (it was killed, it hung, it left too soon).
A run that has ended is not started again, one that failed is; so a launch that was itself killed is simply repeated.
What another process works on is waited for, be it an orphan or another launch: several may share a study's runs.
"""

import contextlib
import math
import signal
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import replace
from functools import cache, partial
from itertools import count

from tricktable.runner import machine
from tricktable.runner.disk import atomic, lock, rundir, seal
from tricktable.runner.errors import Interrupted, RunInUse, StorageProblem, TricktableError
from tricktable.runner.launch import folders, limits, mps, order
from tricktable.runner.launch.child import cause
from tricktable.runner.launch.engines.engine import Engine, Order, Process
from tricktable.runner.launch.engines.local import Local
from tricktable.runner.launch.limits import Limits
from tricktable.runner.launch.outcome import Job, Outcome, ended
from tricktable.runner.launch.overview import Overview, Training

POLL = 0.02  # seconds between two looks at the processes
LOOK, LONGEST = 0.3, 60.0  # seconds between two looks at what others work on: for each run of theirs, and at the most


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
    engine: Engine | None = None,
) -> list[Outcome]:
    """Run the jobs that have not ended yet, `parallel` at once, and say what became of each, in their order.

    Each run sees as many of `gpus` as it has processes, those with the fewest runs; `parallel` is for how many runs
    they do unless told, else 1. Several share one by MPS where it is there (mps.py), as many as its memory has room for
    (`limits.within_memory`). A run that takes more than `timeout` minutes is asked to stop, and killed `grace` seconds
    later. At `until`, by the monotonic clock, it is as if a signal came. `heard`: what a process says is not shown,
    even of one that runs alone. `engine` starts them: this machine, by `command`, unless told. BadInput for senseless
    numbers; Interrupted after a signal, which is handed on and the runs waited for: a second SIGINT asks for no
    patience, a third kills them.
    """
    engine = engine or Local(command)
    limits.check(1 if parallel is None else parallel, gpus, timeout, here=engine.node is None)
    dealt = limits.dealt(gpus, max((job.processes for job in jobs), default=1))
    parallel = engine.slots or parallel or max(1, len(dealt))
    bounds = Limits(parallel, dealt, 60 * timeout if timeout else math.inf, grace, until, heard or parallel > 1)
    outcomes = _Launch({job.key: job for job in jobs}, bounds, engine).go()
    return [outcomes[job.key] for job in jobs]


class _Launch:
    """The loop: what waits, what runs, what others work on (and since when), what has ended."""

    def __init__(self, jobs: dict[tuple[str, ...], Job], limits: Limits, engine: Engine) -> None:
        self.limits, self.engine = limits, engine
        self.view = Overview(len(jobs), live=limits.parallel > 1)
        self.waiting = deque(jobs.values())
        self.running: dict[Job, Process] = {}
        self.elsewhere: dict[Job, float] = {}
        self.outcomes: dict[tuple[str, ...], Outcome] = {}
        self.refused: Counter[Job] = Counter()
        self.looked, self.met = 0.0, count(1)  # when others' runs were; how often they were met
        self.caught: list[int] = []
        self.warned: set[str] = set()
        self.listing = cache(rundir.listing)  # of studies, as they were when the launch began

    def go(self) -> dict[tuple[str, ...], Outcome]:
        self._begin()
        at_once = min(self.limits.parallel, len(self.waiting))
        with machine.when_stopped(self.caught.append), mps.shared(self.limits.cards, at_once, self.view.say):
            try:
                with self.view, order.begun(self.waiting):
                    while self.running or ((self.waiting or self.elsewhere) and not self.caught):
                        self._step()
                        if self.engine.detached and not self.waiting:
                            self._leave()
                        time.sleep(POLL)
            finally:
                for child in self.running.values():  # there are some only where we are at fault ourselves
                    child.kill()
        if self.caught:
            counted = f"{self.view.done} of {self.view.total} runs done"
            raise Interrupted(f"interrupted with {counted}; run the same command again to go on")
        return self.outcomes

    def _training(self) -> list[Training]:
        """How far those are that have begun."""
        begun = ((job, child) for job, child in self.running.items() if child.seconds)
        return [folders.training(job.title, child, partial(self._known, job)) for job, child in begun]

    def _leave(self) -> None:
        """Leave the runs to the engine; Interrupted, with how they stand, where some have not ended."""
        if standing := self.view.stand(self._training(), len(self.running), len(self.elsewhere)):
            self.running.clear()
            raise Interrupted(standing)

    def _begin(self) -> None:
        """Set apart what has ended already, and say what is going to happen."""
        for job in self.waiting:
            with contextlib.suppress(TricktableError):  # it comes again, and is accounted for, in its turn
                there = job.identity.config_hash[:8] in self.listing(job.root, job.study)
                if there and (outcome := ended(job, self._known(job))):
                    self.outcomes[job.key] = outcome
                    self.view.count(outcome.state)
        places = " and ".join(dict.fromkeys(f"{job.root}/{job.study}" for job in self.waiting))
        before = [f"{number} already {state}" for state, number in self.view.ended.items()]
        self.view.say(", ".join([f"{self.view.total} runs in {places}", *before]))
        self.waiting = deque(job for job in self.waiting if job.key not in self.outcomes)
        self.limits = limits.within_memory(self.limits, [job.memory for job in self.waiting], self.view.say)
        limits.warn_of_threads(self.limits, [job.threads for job in self.waiting], self.view.say)

    def _known(self, job: Job) -> rundir.RunDir:
        """A job's folder, as far as it is known without a look through its study, which may have many thousands."""
        return job.folder(self.listing(job.root, job.study))

    def _folder(self, job: Job) -> rundir.RunDir:
        """A job's folder, also where another launch has made it since under another label."""
        found = self._known(job)
        return found if found.exists else job.folder()

    def _step(self) -> None:
        if time.monotonic() > self.limits.until and not self.caught:
            self.caught.append(signal.SIGTERM)
        if self.elsewhere and time.monotonic() - self.looked > min(LOOK * len(self.elsewhere), LONGEST):
            self._look()
        with self.engine.together(self.view.say):
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
            self.view.draw(self._training())

    def _look(self) -> None:
        """What others have let go of comes next; what they keep for longer than a run may take is given up."""
        self.looked = time.monotonic()
        for job, since in list(self.elsewhere.items()):
            with contextlib.suppress(StorageProblem):  # at the next look, then
                folder = self._folder(job)
                if not lock.in_use(folder.path):
                    del self.elsewhere[job]
                    self.waiting.appendleft(job)
                elif self.looked - since > self.limits.seconds + self.limits.grace:
                    owner = folder.read().owner
                    del self.elsewhere[job]
                    self._account(Outcome(job, "failed", f"still {owner}"))

    def _start(self, job: Job) -> None:
        folder = self._known(job)
        outcome = ended(job, folder)
        if outcome is None and (found := self.engine.found(Order.of(job))):
            self.running[job] = found
            return
        if outcome or lock.in_use(folder.path):  # another launch is here
            order.turn(self.waiting, next(self.met))
            if outcome:
                self._account(outcome)
            else:
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
            self.running[job] = self.engine.start(Order.of(job, gpus, self.limits.heard))
        except OSError as error:
            self._account(Outcome(job, "failed", f"no process could be started: {atomic.reason(error)}"))

    def _end(self, job: Job, child: Process) -> None:
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

    def _unfinished(self, job: Job, child: Process, said: str, folder: rundir.RunDir) -> Outcome | None:
        """Why a run has not ended, in its run.json too; None where another process has it, and it must wait."""
        info = folder.read()
        state = info.state if info.is_of(child.pid, child.host) else None  # as this very process left it
        if child.late:
            reason = f"ran past its time limit of {self.limits.seconds / 60:g} min"
        elif self.caught or child.code == Interrupted.exit_code:
            return Outcome(job, "interrupted", info.reason if state == "interrupted" else None)
        elif (child.code == RunInUse.exit_code or lock.in_use(folder.path)) and self.refused[job] < 3:
            self.refused[job] += 1
            self.elsewhere[job] = time.monotonic()
            order.turn(self.waiting, next(self.met))
            return None
        elif state == "failed":
            return Outcome(job, "failed", info.reason)
        else:
            reason = seal.told(folder.files, info) or cause(child.code or 0, said)
        folders.record(folder, reason, said)
        return Outcome(job, "failed", reason)

    def _account(self, outcome: Outcome, seconds: float = 0.0) -> None:
        self.outcomes[outcome.job.key] = replace(outcome, seconds=seconds)
        self.view.end(outcome.job.title, outcome.state, outcome.words, seconds)
