"""The machine: what it has, what a summary says of it, and how it asks for a stop."""

import atexit
import contextlib
import ctypes
import gc
import os
import platform
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

CHILD_OF = "--child-of"  # before the number of a process, on whose death a command stops: launch/child.py

# By which a person, a scheduler or a closed terminal asks a process to stop; the first is Python's own to handle.
NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2")
STOPS = tuple(signal.Signals[name] for name in NAMES if name in signal.Signals.__members__)


@contextlib.contextmanager
def when_stopped(act: Callable[[int], None], stops: tuple[int, ...] = STOPS) -> Iterator[None]:
    """Have these signals call `act` with their number instead of what they would do.

    One that is ignored (by nohup, or in a script's background) stays so; and only a process's first thread gets any.
    """
    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        for number in stops:
            if signal.getsignal(number) not in (signal.SIG_IGN, None):
                before[number] = signal.signal(number, lambda n, _: act(n))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def stops_held() -> Iterator[None]:
    """Keep these signals waiting meanwhile, in this thread and for good in the processes that are started in it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def cores() -> int:
    """The CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def gpu() -> bool:
    """Whether there is an NVIDIA GPU, without asking torch, whose import takes seconds."""
    return os.path.exists("/dev/nvidiactl")


def memory() -> int:
    """Bytes of memory of this machine, or of this container."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with contextlib.suppress(OSError, ValueError):  # no such file, or «max»
        total = min(total, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return total


def environment(device: "torch.device") -> dict[str, Any]:
    """Versions, machine, and this project's commit where it is a git checkout."""
    import torch

    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "platform": platform.platform(),
        "cpu": _cpu(),
        "gpu": torch.cuda.get_device_name(device) if device.type == "cuda" else None,
        "commit": commit(),
    }


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def commit() -> str | None:
    """The checkout's commit, with «+» where tracked files differ from it."""
    root = Path(__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return None
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--dirty=+", "--abbrev=12", "--exclude=*"],
            cwd=root, capture_output=True, text=True, timeout=10, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return described.stdout.strip() or None


M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of malloc.h
LARGEST = 32 << 20  # the most that glibc takes for the latter


def keep_memory() -> None:
    """Have malloc keep large blocks that are freed: each step of a run asks for the same ones again.

    glibc gives them back to the system one by one, and has their pages cleared anew: a tenth of a step on a CPU.
    """
    with contextlib.suppress(AttributeError, OSError):  # of another C library
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_MMAP_THRESHOLD, LARGEST)
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def import_torch() -> None:
    """Import torch as fast as it goes, with threads that wait for their partners asleep.

    Its million objects stay: the collector looks through them neither while they are made nor at the end.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # torch reads this when it is imported
    keep_memory()
    if "torch" in sys.modules:
        return
    collects = gc.isenabled()
    gc.disable()
    import torch  # noqa: F401

    gc.freeze()
    if collects:
        gc.enable()
    atexit.register(_leave)


def _leave() -> None:
    """Let the process end without a last look through everything; triton would say that its objects leak."""
    if "triton" not in sys.modules:
        gc.freeze()
