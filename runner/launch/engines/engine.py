"""What a launch asks of whatever starts its runs, and of each run that was started."""

import importlib.util
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from tricktable.runner.config.overrides import Overrides
from tricktable.runner.errors import BadInput

if TYPE_CHECKING:
    from tricktable.runner.launch.outcome import Job

MANY = 1_000_000  # slots of an engine that has a queue


def needs(name: str, library: str) -> None:
    """BadInput where an engine's library is not installed; nothing is imported."""
    spec = importlib.util.find_spec(library)
    if spec is None or spec.origin is None:  # a folder of that name, here, is no library
        raise BadInput(f"--engine {name} needs {library}, which is not installed: pip install 'tricktable[{name}]'")


@dataclass(frozen=True)
class Order:
    """A run that an engine is asked for: what is typed after `tricktable train`, and the study's folder.

    `key` is the same for the same run, whoever asks and whenever; `heard` as in `pool.launch`.
    """

    arguments: tuple[str, ...]
    study: Path
    key: str
    gpus: tuple[int, ...] = ()
    heard: bool = True

    @staticmethod
    def of(job: "Job", gpus: tuple[int, ...] = (), heard: bool = True) -> "Order":
        """That for a launch's job; what the planner settled is typed behind what was typed."""
        key = f"{job.identity.config_hash[:16]}-{job.identity.fingerprint[-8:]}"
        typed = (*Overrides(job.overrides).updated(job.settled), f"--label={job.label}")
        return Order(typed, job.root / job.study, key, gpus, heard)


@dataclass(frozen=True)
class Node:
    """What a run will find where it is made: which device, and how many CPU threads are its own."""

    device: Literal["cpu", "cuda"]
    threads: int


class Process(Protocol):
    """A run that was started; child.Child is that of this machine."""

    late: bool  # once it was asked to stop because of its time limit

    @property
    def gpus(self) -> tuple[int, ...]:
        """The numbers of the GPUs that it was given by the launch."""

    @property
    def pid(self) -> int | None:
        """The number of its process on its machine; None where that is not known (yet)."""

    @property
    def host(self) -> str:
        """The name of its machine; empty where that is not known (yet)."""

    @property
    def code(self) -> int | None:
        """Its exit code, negative where a signal ended it; None while it waits or runs."""

    @property
    def seconds(self) -> float:
        """Since its start; 0 while it waits for a machine."""

    def hand_on(self, caught: Sequence[int]) -> None:
        """Give it those of the signals that it has not had yet."""

    def hurry(self, limit: float, grace: float) -> None:
        """Ask it to stop if it has taken more than `limit` seconds, and kill it `grace` seconds later."""

    def kill(self) -> None:
        """End it at once."""

    def said(self) -> str:
        """The end of what it wrote, once; it has ended."""


class Engine(Protocol):
    """Starts runs.

    slots: how many it takes at once, for it has a queue of its own; None: as many as the launch is told.
    detached: the command leaves when all is handed over, and a later one finds the runs.
    node: what runs find where they are made; None where that is this machine.
    """

    slots: int | None
    detached: bool
    node: Node | None

    def together(self, say: Callable[[str], None]) -> AbstractContextManager[None]:
        """What is started within may be handed over as one, at its end, which it says. BadInput where it is refused."""

    def found(self, order: Order) -> Process | None:
        """The process of such an order that an earlier command gave, if it still waits or runs."""

    def start(self, order: Order) -> Process:
        """Start it; OSError where it cannot be started."""
