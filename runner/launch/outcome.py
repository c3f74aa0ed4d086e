"""A run that a launch is to make, and what became of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tricktable.runner.disk import rundir, seal
from tricktable.runner.disk.info import Identity, State
from tricktable.runner.disk.summary import Summary
from tricktable.runner.errors import Interrupted, SweepFailed


@dataclass(frozen=True, eq=False)
class Job:
    """A run to be made: what is typed after `tricktable train`, and where and by what it is found again.

    `title` is what a person sees of it, `threads` the CPU threads that it keeps busy here, in all of its `processes`,
    `memory` the bytes that it takes of each GPU, 0 where that is not known, `settled` as settled.py has.
    """

    overrides: tuple[str, ...]
    root: Path
    study: str
    label: str
    identity: Identity
    title: str
    threads: int = 1
    memory: int = 0
    processes: int = 1
    settled: tuple[str, ...] = ()

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


def raise_for(outcomes: Sequence[Outcome]) -> None:
    """SweepFailed with the list where a run failed, Interrupted where one was stopped. Diverged is a result."""
    missing = [o for o in outcomes if o.state in ("failed", "interrupted")]
    counted = f"{len(missing)} of {len(outcomes)} runs"
    listed = "; ".join(f"{o.job.title} ({o.words or o.state})" for o in missing)
    if any(o.state == "failed" for o in missing):
        raise SweepFailed(f"{counted} failed: {listed}")
    if missing:
        raise Interrupted(f"{counted} were stopped: {listed}")
