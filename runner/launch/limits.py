"""How much a launch may do at once, and how long."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

from tricktable.runner.errors import BadInput


@dataclass(frozen=True)
class Limits:
    """As `pool.launch` is given them, times in seconds."""

    parallel: int
    gpus: tuple[int, ...]
    seconds: float
    grace: float
    until: float
    heard: bool


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


def until(where: str, minutes: float | None) -> float:
    """The end of so many minutes, by the monotonic clock; `where` they were given, for BadInput."""
    if minutes is not None and not 0 < minutes < math.inf:
        raise BadInput(f"{where}: expected a number above 0, got {minutes:g}")
    return math.inf if minutes is None else time.monotonic() + 60 * minutes
