"""How much a launch may do at once, and how long."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from tricktable.runner import machine
from tricktable.runner.errors import BadInput


@dataclass(frozen=True)
class Limits:
    """As `pool.launch` is given them, times in seconds; the GPUs by the runs that have them."""

    parallel: int
    gpus: tuple[tuple[int, ...], ...]
    seconds: float
    grace: float
    until: float
    heard: bool

    @property
    def cards(self) -> tuple[int, ...]:
        """All of the GPUs."""
        return tuple(gpu for several in self.gpus for gpu in several)


def check(parallel: int, gpus: Sequence[int], timeout: float | None, here: bool = True) -> None:
    """BadInput for numbers that make no sense; `here`: whether runs are made on this machine, whose GPUs we know."""
    if parallel < 1:
        raise BadInput(f"--jobs: expected at least 1, got {parallel}")
    if timeout is not None and not 0 < timeout < math.inf:
        raise BadInput(f"--timeout: expected a number of minutes above 0, got {timeout:g}")
    if gpus and not here:
        raise BadInput(
            "--gpus are of this machine; an engine has a key of its own for them, engine.gpus or engine.gres"
        )
    if gpus:
        import torch

        there, wanted = torch.cuda.device_count(), ",".join(map(str, gpus))
        if len(set(gpus)) < len(gpus) or not all(0 <= gpu < there for gpu in gpus):
            raise BadInput(f"--gpus: expected different numbers below {there}, the GPUs that torch finds; got {wanted}")


def warn_of_threads(limits: Limits, threads: Sequence[int], say: Callable[[str], None]) -> None:
    """Say so where the runs that wait, with so many threads each, would wait for each other's cores."""
    at_once, most, cores = min(limits.parallel, len(threads)), max(threads, default=1), machine.cores()
    if at_once > 1 and most > 1 and at_once * most > cores:
        say(
            f"note: {at_once} runs of {most} threads each share {cores} cores; compute.threads="
            f"{max(1, cores // at_once)} is faster, and makes other runs, for threads can change a CPU's bits"
        )


def within_memory(limits: Limits, needs: Sequence[int], say: Callable[[str], None]) -> Limits:
    """As many runs at once as a GPU's free memory has room for, which is said where it is fewer than were asked for.

    needs: bytes of each run that waits; 0 where it is not known, and then it is not counted.
    """
    parallel, gpus = min(limits.parallel, len(needs)), limits.gpus
    if parallel <= len(gpus) or not gpus or not any(needs):
        return limits
    import torch

    room = min(torch.cuda.mem_get_info(gpu)[0] for gpu in limits.cards)
    fit = fitting(needs, room) * len(gpus)
    if fit >= parallel:
        return limits
    most, free = max(needs) / 2**30, room / 2**30
    runs = "run" if fit == 1 else "runs"
    say(f"{fit} {runs} at once, not {parallel}: one takes up to {most:.1f} GiB, and {free:.1f} GiB of a GPU are free")
    return replace(limits, parallel=fit)


def fitting(needs: Sequence[int], room: int) -> int:
    """How many runs fit in so many bytes at once, whichever of them come together; one is always tried."""
    fit = 0
    for need in sorted(needs, reverse=True):
        room -= need
        if room < 0:
            break
        fit += 1
    return max(1, fit)


def dealt(gpus: Sequence[int], processes: int) -> tuple[tuple[int, ...], ...]:
    """Return the GPUs in groups of one for each of a run's processes; BadInput where they do not go up."""
    if len(gpus) % processes:
        raise BadInput(
            f"--gpus: the {processes} processes of a run have a GPU each (compute.processes); expected a multiple of "
            f"{processes}, got {len(gpus)}"
        )
    return tuple(tuple(gpus[i : i + processes]) for i in range(0, len(gpus), processes))


def until(where: str, minutes: float | None) -> float:
    """The end of so many minutes, by the monotonic clock; `where` they were given, for BadInput."""
    if minutes is not None and not 0 < minutes < math.inf:
        raise BadInput(f"{where}: expected a number above 0, got {minutes:g}")
    return math.inf if minutes is None else time.monotonic() + 60 * minutes
