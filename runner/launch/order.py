"""In which order a launch starts its runs: as they were typed, or from elsewhere where others work on the same study.

Launches that march in step start the same runs, and half of the starts are refused. So the one that has the study's
folder begins at the beginning, and each other, by its host and number, at a place of its own.
"""

import contextlib
import fcntl
import hashlib
import os
import socket
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING

from tricktable.runner.disk import rundir
from tricktable.runner.errors import BadInput

if TYPE_CHECKING:
    from tricktable.runner.launch.outcome import Job


@contextlib.contextmanager
def begun(waiting: "deque[Job]") -> Iterator[None]:
    """Put what waits in the order of this launch, which is the first on the study while it holds the folder's lock.

    Where folders have no locks (NFS) no launch is the first, and each begins elsewhere.
    """
    if not waiting:
        yield
        return
    try:
        folder = rundir.study_folder(waiting[0].root, waiting[0].study)
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except (OSError, BadInput):  # each run says it when it cannot be made
        yield
        return
    try:
        if not _locked(handle):
            turn(waiting, 0)
        yield
    finally:
        os.close(handle)


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def turn(waiting: "deque[Job]", time: int) -> None:
    """Let what waits begin elsewhere: at a place drawn from the host, this process's number and how often it was."""
    if waiting:
        drawn = hashlib.sha256(f"{socket.gethostname()} {os.getpid()} {time}".encode()).digest()
        waiting.rotate(-(int.from_bytes(drawn[:8], "big") % len(waiting)))
