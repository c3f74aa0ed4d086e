"""Which of a run's processes this one is, and where they meet.

They are either ours, which the first one starts on its own machine (company.py), or a launcher's: torchrun's (RANK,
WORLD_SIZE, MASTER_ADDR ...) or srun's (SLURM_PROCID ...), which starts the same command several times.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch

from tricktable.runner.errors import BadInput

HOST = "127.0.0.1"
MEETING = timedelta(minutes=5)  # in which all of them have to be there
PORTS = range(20_000, 40_000)  # of srun's tasks, by their step


@dataclass(frozen=True)
class Place:
    """A process of a run: number `rank` of `size`, and `local` among those of its machine. ours: not a launcher's."""

    rank: int = 0
    size: int = 1
    local: int = 0
    ours: bool = True


def place(processes: int, environment: Mapping[str, str]) -> Place:
    """Return which of so many processes this one is; BadInput where a launcher has started another number."""
    if processes == 1:
        return Place()
    given = _launched(environment)
    if given is None:
        return Place(0, processes)
    if given.size != processes:
        raise BadInput(f"compute.processes: {processes} were asked for, and the launcher started {given.size}")
    return given


def _launched(environment: Mapping[str, str]) -> Place | None:
    """Return the place that torchrun or srun gave; None where neither started several."""
    try:
        if "RANK" in environment and "WORLD_SIZE" in environment:
            rank, size = int(environment["RANK"]), int(environment["WORLD_SIZE"])
            return Place(rank, size, int(environment.get("LOCAL_RANK", rank)), ours=False)
        if int(environment.get("SLURM_STEP_NUM_TASKS", "1")) > 1:
            rank, size = int(environment["SLURM_PROCID"]), int(environment["SLURM_STEP_NUM_TASKS"])
            return Place(rank, size, int(environment["SLURM_LOCALID"]), ours=False)
    except (KeyError, ValueError) as error:
        raise BadInput(f"compute.processes: the launcher's variables make no sense ({error})") from None
    return None


def meeting_point(environment: Mapping[str, str]) -> dict[str, str]:
    """Return MASTER_ADDR and MASTER_PORT: as they are there, else by srun's: its first machine, a port by the step."""
    if "MASTER_ADDR" in environment and "MASTER_PORT" in environment:
        return {name: environment[name] for name in ("MASTER_ADDR", "MASTER_PORT")}
    nodes = environment.get("SLURM_STEP_NODELIST") or environment.get("SLURM_JOB_NODELIST", "")
    found = re.match(r"([^,\[]+)(?:\[(\d+))?", nodes)
    if found is None:
        raise BadInput("compute.processes: the launcher gives no MASTER_ADDR and MASTER_PORT")
    numbers = [int(environment.get(name, "0")) for name in ("SLURM_JOB_ID", "SLURM_STEP_ID")]
    port = PORTS[sum(numbers) % len(PORTS)]
    return {"MASTER_ADDR": found[1] + (found[2] or ""), "MASTER_PORT": str(port)}


def use_gpu(mine: Place, device: str) -> None:
    """Make one GPU the process' own where the config's device may be one; BadInput where there are not enough."""
    if mine.size == 1 or device == "cpu" or not torch.cuda.is_available():
        return
    there = torch.cuda.device_count()
    if mine.ours and there < mine.size:
        raise BadInput(f"compute.processes: {mine.size} need a GPU each, and torch finds {there} here")
    torch.cuda.set_device(mine.local if there > 1 else 0)  # srun may show each task its own alone


def store_of(mine: Place) -> Any:
    """Return torch's store, by which processes find each other: a launcher's, or on a free port of this machine."""
    from torch.distributed import TCPStore, rendezvous  # type: ignore[attr-defined]  # torch's __init__ has no __all__

    if mine.ours:
        return TCPStore(HOST, 0, mine.size, is_master=True, wait_for_workers=False, timeout=MEETING)
    os.environ.update(meeting_point(os.environ))
    return next(rendezvous("env://", mine.rank, mine.size, timeout=MEETING))[0]
