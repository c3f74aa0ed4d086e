"""What runs in a process that is somebody else's: it begins as a command does, and leaves torch as it was found."""

import contextlib
import io
import os
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any, TextIO

import torch

from tricktable.runner import terminal

_ONE = threading.RLock()  # torch's generator and switches are the process's: one call at a time
_Switch = tuple[Callable[[], Any], Callable[[Any], Any], Any]  # how it is read, how set, and as a new process has it


@contextlib.contextmanager
def apart() -> Iterator[None]:
    """Run what is within as in a process of its own, and give the caller's state of torch back.

    That is: random state, threads, default dtype and device, determinism, TF32, autocast, gradients on or off. Calls
    from several threads wait for each other.
    """
    with _ONE, _switches(), _randomness(), _told(), contextlib.ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        for kind in ("cpu", "cuda"):
            if torch.is_autocast_enabled(kind):
                stack.enter_context(torch.autocast(kind, enabled=False))
        if torch.get_default_device().type != "cpu":
            stack.enter_context(torch.device("cpu"))
        yield


def _attribute(owner: Any, name: str, fresh: Any) -> _Switch:
    return lambda: getattr(owner, name), lambda value: setattr(owner, name, value), fresh


def _deterministic(value: tuple[bool, bool]) -> None:
    torch.use_deterministic_algorithms(value[0], warn_only=value[1])


def _are_deterministic() -> tuple[bool, bool]:
    return torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()


@contextlib.contextmanager
def _switches() -> Iterator[None]:
    """The process-wide ones; the number of threads stays until a run sets its own."""
    switches: list[_Switch] = [
        (torch.get_num_threads, torch.set_num_threads, torch.get_num_threads()),
        (torch.get_default_dtype, torch.set_default_dtype, torch.float32),
        (_are_deterministic, _deterministic, (False, False)),
        _attribute(torch.backends.cudnn, "benchmark", False),
        _attribute(torch.backends.cudnn, "deterministic", False),
        _attribute(torch.backends.cudnn, "allow_tf32", True),
        (torch.get_float32_matmul_precision, torch.set_float32_matmul_precision, "highest"),
    ]
    with _no_renaming():
        before = [read() for read, _, _ in switches]
        for _, write, fresh in switches:
            write(fresh)
    try:
        yield
    finally:
        with _no_renaming():
            for (_, write, _), value in zip(switches, before, strict=True):
                write(value)


@contextlib.contextmanager
def _no_renaming() -> Iterator[None]:
    """Without torch's warnings that these switches have other names, too."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextlib.contextmanager
def _randomness() -> Iterator[None]:
    """torch's default generators, on the GPUs too: one that is used here first begins as the CPU's did."""
    used = torch.cuda.is_initialized()
    with torch.random.fork_rng(devices=range(torch.cuda.device_count()) if used else []):
        yield
    if torch.cuda.is_initialized() and not used:
        torch.cuda.manual_seed_all(torch.initial_seed())


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Warnings that a command says once are said once by each call."""
    before = os.environ.pop(terminal.TOLD, None)
    try:
        yield
    finally:
        os.environ.pop(terminal.TOLD, None)
        if before is not None:
            os.environ[terminal.TOLD] = before


def silent(quiet: bool | None) -> bool:
    """Whether progress is not shown: as the caller wants it; unless told, where nobody looks at a terminal."""
    return quiet if quiet is not None else not (sys.stderr is not None and sys.stderr.isatty())


@contextlib.contextmanager
def hushed(quiet: bool) -> Iterator[TextIO | None]:
    """Keep what is printed on stdout back where `quiet`; where progress goes (None: as usual). Warnings are shown."""
    if not quiet:
        yield None
        return
    with contextlib.redirect_stdout(io.StringIO()) as nowhere:
        yield nowhere
