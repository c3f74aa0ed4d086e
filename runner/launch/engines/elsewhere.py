"""A run in a process of another machine, from both sides, which share the study's folder.

The far side writes into a file of its own, in `<study>/.engine/`, which process the run is and, at the end, how it
ended. Who asked reads it there, and so does a command that comes later.
"""

import os
import secrets
import signal
import socket
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tricktable.runner import machine
from tricktable.runner.disk import atomic
from tricktable.runner.launch.child import CHILD_OF, Child
from tricktable.runner.launch.engines.engine import Order

FOLDER = ".engine"  # in a study's folder
LIMIT = 1 << 20  # bytes of a file in it
POLL = 0.05  # seconds between two looks at a process


def folder(study: Path) -> Path:
    """What the engines keep beside a study's runs."""
    found = study.absolute() / FOLDER
    with atomic.storage(found):
        found.mkdir(parents=True, exist_ok=True)
    return found


def read(path: Path) -> dict[str, Any]:
    """What such a file holds; nothing where it is not there or is damaged."""
    try:
        return atomic.parse(atomic.read(path, LIMIT))
    except (OSError, ValueError):
        return {}


@dataclass(frozen=True)
class Told:
    """What is known of a process elsewhere: nothing before it has begun, and no code while it runs."""

    pid: int | None = None
    host: str = ""
    code: int | None = None
    said: str = ""

    @staticmethod
    def read(path: Path) -> "Told":
        """As the far side last wrote it."""
        values = read(path)
        return Told(**values) if values.keys() == asdict(Told()).keys() else Told()


@dataclass(frozen=True)
class Task:
    """What the far side is given: what is typed after `tricktable train`, in which folder, and where to tell.

    `environment` has the variables that say where options, code and images of one's own lie.
    """

    arguments: tuple[str, ...]
    told: str
    folder: str = field(default_factory=os.getcwd)
    environment: Mapping[str, str] = field(
        default_factory=lambda: {name: value for name, value in os.environ.items() if name.startswith("TRICKTABLE_")}
    )

    @staticmethod
    def of(order: Order) -> "Task":
        """That of an order; no other attempt tells in the same file."""
        told = folder(order.study) / f"{order.key}.{secrets.token_hex(4)}.json"
        return Task(order.arguments, str(told))

    def tell(self, told: Told) -> None:
        """Write what is known of the process."""
        atomic.replace(Path(self.told), atomic.dump(asdict(told)))

    def carry_out(self) -> Told:
        """On the far side: make the run, in a child that stops, saved, when this process dies; how it ended.

        Every signal that asks this process for a stop is handed on. How it ended is not told yet: that is the caller's.
        """
        caught: list[int] = []
        os.chdir(self.folder)
        os.environ.update(self.environment)
        command = [sys.executable, "-m", "tricktable", CHILD_OF, str(os.getpid()), "train", *self.arguments]
        with machine.when_stopped(caught.append):
            child = Child(command, heard=True)
            self.tell(Told(child.pid, socket.gethostname()))
            while child.code is None:
                child.hand_on([signal.SIGTERM] if caught else ())  # once: who is in a hurry kills us
                time.sleep(POLL)
        said = child.said()
        print(said, end="", flush=True)  # into the scheduler's own log
        return Told(child.pid, socket.gethostname(), child.code, said)


class Distant(ABC):
    """A run that was handed to a scheduler, as a launch sees it: engine.Process. `told` is where it tells of itself."""

    gpus: tuple[int, ...] = ()  # the scheduler's to choose

    def __init__(self, told: Path) -> None:
        self.told, self.late = told, False
        self._heard, self._count, self._asked = Told(), 0, False
        self._began: float | None = None

    @abstractmethod
    def stop(self) -> None:
        """Ask it to stop, saved."""

    @abstractmethod
    def kill(self) -> None:
        """End it at once."""

    def listen(self) -> Told:
        """What it has told by now; its clock begins when it is first heard to run."""
        self._heard = Told.read(self.told)
        if self._began is None and self._heard.pid is not None and self._heard.code is None:
            self._began = time.monotonic()
        return self._heard

    @property
    def pid(self) -> int | None:
        """The number of its process, which it has told."""
        return self._heard.pid

    @property
    def host(self) -> str:
        """Where that is, which it has told."""
        return self._heard.host

    @property
    def seconds(self) -> float:
        """Since it was seen to have begun."""
        return 0.0 if self._began is None else time.monotonic() - self._began

    def hand_on(self, caught: Sequence[int]) -> None:
        """A signal asks for a stop, once; a third SIGINT kills it."""
        if caught and not self._asked:
            self._asked = True
            self.stop()
        if len(caught) > self._count:
            self._count = len(caught)
            if caught.count(signal.SIGINT) > 2:
                self.kill()

    def hurry(self, limit: float, grace: float) -> None:
        """As child.Child; a time in a queue does not count."""
        if self.seconds > limit and not self.late:
            self.late = True
            self.stop()
        if self.seconds > limit + grace:
            self.kill()

    def said(self) -> str:
        """The end of what it wrote; what lay in files for it is cleared away."""
        self.told.unlink(missing_ok=True)
        return self._heard.said
