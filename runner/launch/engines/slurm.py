"""Runs as jobs of Slurm, handed over as arrays by submitit; each is put back in the queue when Slurm stops it.

Slurm is asked by squeue which jobs wait and run. What became of a run its folder says, and the file in which the job
tells of itself: a controller that is down, or forgets, or keeps no accounts, is waited for and otherwise not missed.
"""

import contextlib
import io
import math
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tricktable.runner.config import reader
from tricktable.runner.config.reader import key
from tricktable.runner.disk import atomic
from tricktable.runner.errors import BadInput, Interrupted
from tricktable.runner.launch.engines.elsewhere import Distant, Task, Told, folder, read
from tricktable.runner.launch.engines.engine import MANY, Node, Order, needs

GONE = 2  # looks at the queue that a job is missing from before it is taken to have left it, for files come late
ALIVE = (
    "PENDING", "CONFIGURING", "RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "RESIZING", "SIGNALING", "STAGE_OUT",
    "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT", "PREEMPTED", "RESV_DEL_HOLD",
)  # fmt: skip
LOGS = "slurm"  # submitit's folder, in that of the engines
ARRAY = 1000  # jobs of an array at most: Slurm's MaxArraySize is 1001 unless a site says otherwise
PATIENCE = 60  # seconds for a command of Slurm's


@dataclass(frozen=True)
class Options:
    """`engine.*` of configs/engine/slurm.yaml: what is asked of Slurm for each run."""

    partition: str | None = key()
    time: int = key(low=1)
    gres: str | None = key()
    cpus: int = key(low=1, high=1024)
    memory: str | None = key()
    account: str | None = key()
    requeue: int = key(low=0)
    save: int = key(low=1)
    poll: float = key(above=0)
    more: Mapping[str, Any] = key()


class Slurm:
    """The engine. `at_once`: jobs of an array that run at the same time; Slurm decides where it is None."""

    slots: int | None = MANY

    def __init__(self, options: Options, at_once: int | None = None, detached: bool = False) -> None:
        self.options, self.detached = options, detached
        self.node: Node | None = Node("cuda" if (options.gres or "").count("gpu") else "cpu", options.cpus)
        self._parameters = _parameters(options, at_once)
        self._given: list[tuple[SlurmRun, Task]] = []
        self._queue, self._looked, self._looks = dict[str, str](), -math.inf, 0
        self._to_cancel: dict[tuple[str, ...], list[str]] = {}

    @contextlib.contextmanager
    def together(self, say: Callable[[str], None]) -> Iterator[None]:
        """What is started within is one array for each study; what was to be cancelled is, by one command."""
        for how, jobs in self._to_cancel.items():
            _slurm("scancel", *how, *jobs)
        self._to_cancel = {}
        yield
        given, self._given = self._given, []
        by_folder: dict[Path, list[tuple[SlurmRun, Task]]] = {}
        for run, task in given:
            by_folder.setdefault(run.told.parent, []).append((run, task))
        for where, pairs in by_folder.items():
            for first in range(0, len(pairs), ARRAY):
                self._hand_over(where, pairs[first : first + ARRAY], say)

    def _hand_over(self, where: Path, pairs: "Sequence[tuple[SlurmRun, Task]]", say: Callable[[str], None]) -> None:
        """Submit runs of one study, and write down which job each is."""
        jobs = self._submit(where, [task for _, task in pairs])
        for (run, _), job in zip(pairs, jobs, strict=True):
            run.job = job
            atomic.replace(run.order, atomic.dump({"job": job, "told": run.told.name}))
        said = f"{len(pairs)} handed to Slurm as job {jobs[0].partition('_')[0]}"
        say(f"{said}; its logs are in {os.path.relpath(where / LOGS)}")
        self._looked = time.monotonic()  # the queue has them when it is looked at next

    def _submit(self, where: Path, tasks: Sequence[Task]) -> list[str]:
        """Hand tasks over as an array; their numbers in Slurm."""
        from submitit import SlurmExecutor
        from submitit.core.utils import FailedJobError, FailedSubmissionError

        executor = SlurmExecutor(where / LOGS, max_num_timeout=self.options.requeue)
        executor.update_parameters(**self._parameters)
        heard = io.StringIO()
        try:
            with contextlib.redirect_stderr(heard), executor.batch():  # submitit lets sbatch talk
                jobs = [executor.submit(Trained(task)) for task in tasks]
        except (FailedJobError, FailedSubmissionError, OSError) as error:
            said = [line.removeprefix("sbatch: error: ") for line in (heard.getvalue() or str(error)).splitlines()]
            raise BadInput(f"--engine slurm: the runs were not taken: {said[0] if said else 'sbatch failed'}") from None
        return [job.job_id for job in jobs]

    def found(self, order: Order) -> "SlurmRun | None":
        """A job that waits or runs, by what was written when it was submitted."""
        path = folder(order.study) / f"{order.key}.order.json"
        known = read(path)
        if known.keys() != {"job", "told"}:
            return None
        run = SlurmRun(self, path, path.parent / Path(str(known["told"])).name, str(known["job"]))
        return run if run.state in ALIVE and run.code is None else None

    def start(self, order: Order) -> "SlurmRun":
        """A job that is submitted at the end of `together`."""
        task = Task.of(order)
        run = SlurmRun(self, folder(order.study) / f"{order.key}.order.json", Path(task.told))
        self._given.append((run, task))
        return run

    def state_of(self, job: str) -> tuple[str, int]:
        """A job's state when the queue was last looked at, empty where it is not in it; how often it was looked at."""
        if time.monotonic() - self._looked > self.options.poll:
            self._look()
        return self._queue.get(job, ""), self._looks

    def cancel(self, job: str, *how: str) -> None:
        """Have a job end, with these arguments of scancel, when the launch next comes to `together`."""
        self._to_cancel.setdefault(how, []).append(job)

    def _look(self) -> None:
        """Look at the queue, at what has just left it too; where Slurm does not answer it stays as it was."""
        said = _slurm("squeue", "--me", "--noheader", "--array", "--states=all", "--format=%i %T")
        self._looked = time.monotonic()
        if said is not None:
            self._looks += 1
            self._queue = dict(line.split(maxsplit=1) for line in said.splitlines() if " " in line.strip())


class SlurmRun(Distant):
    """A run as a job; its number is empty before it is submitted."""

    def __init__(self, engine: Slurm, order: Path, told: Path, job: str = "") -> None:
        super().__init__(told)
        self.order, self.job = order, job
        self._engine, self._state, self._missed, self._since = engine, "", 0, 0
        self._polled = -math.inf
        self._code: int | None = None

    @property
    def state(self) -> str:
        """Slurm's word for how it stands; empty where it knows nothing of it."""
        return self._engine.state_of(self.job)[0]

    @property
    def code(self) -> int | None:
        """As it told, or as Slurm's last word has it of a job that has left the queue without one.

        A job that was stopped and stays in the queue will go on: Slurm, or it itself, has put it back.
        """
        if self._code is not None or time.monotonic() - self._polled < min(1.0, self._engine.options.poll):
            return self._code
        self._polled = time.monotonic()
        told, (state, looks) = self.listen(), self._engine.state_of(self.job)
        self._state = state or self._state
        if not self.job or state in ALIVE:
            self._missed, self._since = 0, looks
        elif looks > self._since:
            self._missed, self._since = self._missed + 1, looks
        if told.code is None and self._missed >= GONE:
            self._heard = told = self._last_word(told)
        stays = told.code == Interrupted.exit_code and state in ALIVE
        self._began = None if stays else self._began
        self._code = None if stays else told.code
        return self._code

    def stop(self) -> None:
        """Saved: Slurm sends SIGTERM, and kills it a while later (KillWait)."""
        self._engine.cancel(self.job)

    def kill(self) -> None:
        """End it at once; one that waits just leaves the queue."""
        self._engine.cancel(self.job, "--signal=KILL", "--full")
        self._engine.cancel(self.job)

    def _last_word(self, told: Told) -> Told:
        """How a job ended that could not say so: what was cancelled was stopped, and anything else has failed."""
        log = self.told.parent / LOGS / f"{self.job}_0_log.err"
        lines = log.read_text("utf-8", "replace").split("\n") if log.is_file() else []
        words = [f"Slurm says {self._state}" if self._state else "its job left Slurm's queue without a word"]
        words += [line.strip() for line in lines if line.strip()][-1:]
        code = Interrupted.exit_code if self._state.startswith("CANCELLED") else 1
        return Told(told.pid, told.host, code, ": ".join(words))

    def said(self) -> str:
        """As of Distant; Slurm's log of it stays, in `.engine/slurm/`."""
        self.order.unlink(missing_ok=True)
        return super().said()


class Trained:
    """What submitit calls in the job: the run, and whether it goes back into the queue when something stopped it."""

    def __init__(self, task: Task) -> None:
        self.task = task

    def __call__(self) -> int | None:
        """Make the run. Where it was stopped and the job was not cancelled, Slurm wants the node: it goes on later."""
        told = self.task.carry_out()
        self.task.tell(told)
        if told.code == Interrupted.exit_code and _runs():
            self._put_back()
        return told.code

    def checkpoint(self) -> Any:
        """What submitit calls the next time: the same, for the run's folder has all that there is to keep."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(Trained(self.task))

    def _put_back(self) -> None:
        """As if the signal had come that has submitit do it, after which it leaves, unless that was once too often."""
        from submitit.core.job_environment import JobEnvironment
        from submitit.core.utils import UncompletedJobError

        try:
            os.kill(os.getpid(), signal.Signals[f"SIG{JobEnvironment.USR_SIG}"])
            time.sleep(1)  # it is handled by now
        except (UncompletedJobError, subprocess.SubprocessError, OSError) as error:
            print(f"not put back into the queue: {error}", flush=True)


def _parameters(options: Options, at_once: int | None) -> dict[str, Any]:
    """As submitit has them; Slurm's default where one is None."""
    asked = {
        "partition": options.partition,
        "gres": options.gres,
        "mem": options.memory,
        "account": options.account,
        "array_parallelism": at_once,
    }
    return {
        "job_name": "tricktable",
        "time": options.time,
        "cpus_per_task": options.cpus,
        "signal_delay_s": options.save,
        "additional_parameters": {"requeue": True, **options.more},
        **{name: value for name, value in asked.items() if value is not None},
    }


def _slurm(*command: str) -> str | None:
    """What a command of Slurm's says; None where it fails, as while the controller is down."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=PATIENCE)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout


def _runs() -> bool:
    """Whether Slurm has this very job as one that runs: one that was cancelled, or put back by Slurm, is completing."""
    said = _slurm("squeue", "--noheader", "--states=all", "--format=%T", f"--jobs={os.environ['SLURM_JOB_ID']}")
    return said is not None and said.split() == ["RUNNING"]


def engine(values: Mapping[str, Any], at_once: int | None, detached: bool) -> Slurm:
    """The engine of these options. BadInput where one is wrong, submitit is not installed, or this is no cluster."""
    options = reader.read(Options, values, "engine")
    needs("slurm", "submitit")
    if shutil.which("sbatch") is None or shutil.which("srun") is None:
        raise BadInput("--engine slurm: there is no sbatch here; call it where jobs are submitted")
    return Slurm(options, at_once, detached)
