"""What a launch reads in a run's folder while another process works in it, and writes there when that has failed."""

import contextlib
import os

from tricktable.runner.disk import atomic, rundir
from tricktable.runner.errors import TricktableError
from tricktable.runner.launch.engines.engine import Process
from tricktable.runner.launch.overview import Training


def training(title: str, process: Process, folder: rundir.RunDir) -> Training:
    """How far a run is, by its run.json."""
    info = folder.read()
    known = (info.epoch or 0, info.epochs or 0) if info.pid == process.pid else ()
    return Training(title, process.seconds, *known)


def record(folder: rundir.RunDir, reason: str, said: str) -> None:
    """Write into a run's folder why it failed, and what it said; where that cannot be, the outcome says it alone."""
    with contextlib.suppress(TricktableError, OSError), folder.open():
        if not folder.read().ended:
            folder.set_state("failed", reason=reason)
            with atomic.opened(folder.files.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT) as handle:
                atomic.write_all(handle, said.encode("utf-8"))
