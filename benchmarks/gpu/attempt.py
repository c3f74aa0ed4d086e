"""A step in a process of its own: what breaks a card's context, fills its memory or hangs ends that step alone."""

import contextlib
import json
import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from benchmarks.gpu.steps import Step

ROOT = Path(__file__).resolve().parents[2]
POLL = 0.05  # seconds between two looks
GRACE = 30.0  # seconds in which a step that was asked to stop saves what it has
BEGUN = 75  # the exit code of what goes on in a later call


@dataclass(frozen=True)
class End:
    """How a step ended: done, failed, or stopped because the time was up; why, and how long it took."""

    state: str
    reason: str | None
    seconds: float


def attempt(step: Step, limit: float, heard: Callable[[dict[str, Any]], None], stopped: Callable[[], bool]) -> End:
    """Make a step for `limit` seconds at most; each row goes to `heard` as it comes. It ends once `stopped`."""
    began, closed = time.monotonic(), not step.open
    seconds = min(limit, step.budget) if closed else limit
    command = [*step.command, *([] if closed else [f"--seconds={max(1.0, seconds - GRACE):.0f}"])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))}
    with tempfile.TemporaryFile() as rows, tempfile.TemporaryFile() as words:
        # Its output is a file and no pipe: what it starts may outlive it.
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=rows, stderr=words, cwd=ROOT, env=environment, process_group=0
        )
        read, late = 0, False
        while process.poll() is None and not late:
            time.sleep(POLL)
            read = _rows(rows, read, heard)
            late = time.monotonic() - began > seconds or stopped()
        if late:
            _stop(process)
        _rows(rows, read, heard)
        words.seek(0)
        said = words.read().decode("utf-8", "replace")
    took = time.monotonic() - began
    if process.returncode == 0:
        return End("done", None, took)
    if process.returncode == BEGUN or (late and (seconds < step.budget or not closed or stopped())):
        return End("stopped", None, took)
    return End("failed", f"ran past its budget of {seconds:.0f} s" if late else reason(process.returncode, said), took)


def _rows(file: IO[bytes], read: int, heard: Callable[[dict[str, Any]], None]) -> int:
    """Hand on the rows behind so many bytes that are whole; how many bytes are read then."""
    file.seek(read)
    whole = file.read().rpartition(b"\n")[0]
    for line in whole.splitlines():
        with contextlib.suppress(ValueError):
            row = json.loads(line)
            if isinstance(row, dict):
                heard(row)
    return read + len(whole) + bool(whole)


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """Ask it and what it started to stop, and wait; then kill."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE)
            return


def reason(code: int, said: str) -> str:
    """Why a step failed, in one line: the last error that it names, or the last line.

    torch says more lines behind a CUDA error, of what one could do about it.
    """
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if re.match(r"[\w.]*(Error|Exception)\b|tricktable: ", line)]
    ended = f"killed by signal {-code}" if code < 0 else f"exited with {code}"
    return (errors or lines or [ended])[-1].removeprefix("tricktable: ")[:300]
