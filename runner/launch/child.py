"""The process of a run, from both sides: as a launch sees it, and how it starts.

`python -m tricktable --child-of <pid> ...` is `tricktable ...` that stops, saved, when the process of that number dies.
"""

import ctypes
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence

from tricktable.runner import machine, terminal
from tricktable.runner.errors import Interrupted

CHILD_OF = machine.CHILD_OF
PR_SET_PDEATHSIG = 1  # of <linux/prctl.h>
TAIL = 16_384  # bytes of what a process wrote that are looked at


class Child:
    """A started process; `late` once it was asked to stop because of its time limit.

    It sees the GPUs of these numbers only, if some are given; what it writes is kept for `said` if it is `heard`, and
    shown if not. Its group is its own: a terminal's Ctrl-C would reach it from there and from us, and the second one
    asks for no patience. OSError where it cannot be started.
    """

    def __init__(self, command: Sequence[str], gpus: tuple[int, ...] = (), heard: bool = False) -> None:
        self.gpus, self.host, self.late = gpus, socket.gethostname(), False
        self._began, self._told = time.monotonic(), 0
        self._output = tempfile.TemporaryFile() if heard else None  # noqa: SIM115 (closed by `said`)
        seen = {"CUDA_VISIBLE_DEVICES": ",".join(map(_visible, gpus))} if gpus else {}
        environment = {**os.environ, **seen}
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=self._output,
            env=environment,
            process_group=0,
        )
        self.pid = self._process.pid

    @property
    def code(self) -> int | None:
        """Its exit code, negative where a signal ended it; None while it runs."""
        return self._process.poll()

    @property
    def seconds(self) -> float:
        """Since its start."""
        return time.monotonic() - self._began

    def hand_on(self, caught: Sequence[int]) -> None:
        """Give it those of the signals that it has not had yet; a third SIGINT kills it."""
        for number in caught[self._told :]:
            self._told += 1
            impatient = caught[: self._told].count(signal.SIGINT) > 2
            self.kill() if impatient else self._process.send_signal(number)

    def hurry(self, limit: float, grace: float) -> None:
        """Ask it to stop if it has taken more than `limit` seconds, and kill it `grace` seconds later."""
        if self.seconds > limit and not self.late:
            self.late = True
            self._process.terminate()
        if self.seconds > limit + grace:
            self.kill()

    def kill(self) -> None:
        """With its data workers."""
        if self.code is None:
            os.killpg(self.pid, signal.SIGKILL)

    def said(self) -> str:
        """The end of what it wrote, once."""
        if self._output is None:
            return ""
        with self._output as output:
            output.seek(max(0, output.seek(0, os.SEEK_END) - TAIL))
            return output.read().decode("utf-8", "replace")


def cause(code: int, said: str) -> str:
    """How a process ended that could not say it itself."""
    if code < 0:
        names = {number.value: number.name for number in signal.Signals}
        return f"killed by {names.get(-code, f'signal {-code}')}"
    if code == 0:
        return "exited with 0 before it had finished"
    last = said.strip().rpartition("\n")[2].removeprefix("tricktable: ")
    return terminal.clean(f"exited with {code}: {last}") if last else f"exited with {code}"


def _visible(gpu: int) -> str:
    """What CUDA_VISIBLE_DEVICES must say for a process to see this one of those that we see."""
    ours = os.environ.get("CUDA_VISIBLE_DEVICES")
    return ours.split(",")[gpu].strip() if ours else str(gpu)


def stop_with(parent: int) -> None:
    """Have the kernel send this process SIGTERM when its parent dies; exit where it is dead already.

    Only Linux can. Elsewhere an orphan goes on to its end, and others wait for the lock that it holds.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGTERM))
    if os.getppid() != parent:
        sys.exit(Interrupted.exit_code)
