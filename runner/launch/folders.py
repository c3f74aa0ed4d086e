"""What a launch reads in a run's folder while another process works in it, and writes there when that has failed."""

import contextlib
import os
from collections.abc import Callable

from tricktable.runner.disk import atomic, rundir
from tricktable.runner.errors import StorageProblem, TricktableError
from tricktable.runner.launch.engines.engine import Process
from tricktable.runner.launch.overview import Training


def training(title: str, process: Process, known: Callable[[], rundir.RunDir]) -> Training:
    """How far a run is, by its run.json, where that can be read at this moment."""
    with contextlib.suppress(StorageProblem):
        info = known().read()
        if info.is_of(process.pid, process.host):
            return Training(title, process.seconds, info.epoch or 0, info.epochs or 0)
    return Training(title, process.seconds)


def record(folder: rundir.RunDir, reason: str, said: str) -> None:
    """Write into a run's folder why it failed, and what it said; where that cannot be, the outcome says it alone."""
    with contextlib.suppress(TricktableError, OSError), folder.open():
        if not folder.read().ended:
            folder.set_state("failed", reason=reason)
            with atomic.opened(folder.files.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT) as handle:
                atomic.write_all(handle, said.encode("utf-8"))
