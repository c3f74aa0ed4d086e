"""How much a launch may do at once, and how long."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

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


def check(parallel: int, gpus: Sequence[int], timeout: float | None) -> None:
    """BadInput for numbers that make no sense."""
    if parallel < 1:
        raise BadInput(f"--jobs: expected at least 1, got {parallel}")
    if timeout is not None and not 0 < timeout < math.inf:
        raise BadInput(f"--timeout: expected a number of minutes above 0, got {timeout:g}")
    if gpus:
        import torch

        there, wanted = torch.cuda.device_count(), ",".join(map(str, gpus))
        if len(set(gpus)) < len(gpus) or not all(0 <= gpu < there for gpu in gpus):
            raise BadInput(f"--gpus: expected different numbers below {there}, the GPUs that torch finds; got {wanted}")


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
