"""Runs as tasks of Ray: of a cluster that is there, or of a Ray that is started on this machine for the command.

A task whose worker is killed is tried again by Ray, and the run goes on from its last checkpoint. The tasks are the
command's: they stop, saved, when it is killed, and the same command goes on with them.
"""

import contextlib
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tricktable.runner import machine
from tricktable.runner.config import reader
from tricktable.runner.config.reader import key
from tricktable.runner.disk import atomic
from tricktable.runner.errors import BadInput, Interrupted
from tricktable.runner.launch.engines.elsewhere import Distant, Task, Told
from tricktable.runner.launch.engines.engine import MANY, Node, Order, needs

STORE = 100 << 20  # bytes of the object store of a Ray of our own, which holds next to nothing
PATIENCE = 30  # seconds for a cluster to answer
POLL = 0.2  # seconds between two looks at a task


@dataclass(frozen=True)
class Options:
    """`engine.*` of configs/engine/ray.yaml: where Ray is, and what each run asks of it; `memory` in GB."""

    address: str | None = key()
    cpus: float = key(above=0)
    gpus: float = key(low=0)
    memory: float | None = key(above=0)
    resources: Mapping[str, float] = key()
    retries: int = key(low=0)


class Ray:
    """The engine. `at_once`: tasks that are handed over at the same time; Ray has a queue where it is None."""

    detached = False

    def __init__(self, options: Options, at_once: int | None = None) -> None:
        self.options = options
        self.slots: int | None = at_once or MANY
        self.node: Node | None = Node("cuda" if options.gpus else "cpu", max(1, int(options.cpus)))
        self._task: Any = None

    def together(self, say: Callable[[str], None]) -> AbstractContextManager[None]:
        """Each is handed over as it is started. BadInput where no Ray answers."""
        if self._task is None:
            self._task = self._begin()
        return nullcontext()

    def found(self, order: Order) -> None:
        """None: tasks end with the command."""

    def start(self, order: Order) -> "RayRun":
        """A task."""
        task = Task.of(order)
        return RayRun(self._task.remote(task), Path(task.told))

    def _begin(self) -> Any:
        """Connect, or start Ray; what its tasks are made of. Tokens are asked for by Ray itself (RAY_AUTH_MODE)."""
        import ray

        address = self.options.address or os.environ.get("RAY_ADDRESS")
        own = {"include_dashboard": False, "object_store_memory": STORE, "address": "local"}
        try:
            _reach(address or "")
            with _handlers_kept():
                ray.init(
                    ignore_reinit_error=True,
                    log_to_driver=False,
                    logging_level=logging.ERROR,
                    **({"address": address} if address else own),
                )
        except Exception as error:  # of many classes, by what it was that did not answer
            raise BadInput(f"--engine ray: no Ray at {address or 'this machine'}: {atomic.reason(error)}") from None
        memory = {} if self.options.memory is None else {"memory": int(self.options.memory * 1e9)}
        return ray.remote(
            num_cpus=self.options.cpus,
            num_gpus=self.options.gpus,
            resources=dict(self.options.resources),
            max_retries=self.options.retries,
            **memory,
        )(carry_out)


@contextlib.contextmanager
def _handlers_kept() -> Iterator[None]:
    """Put the handlers of signals back, of which Ray sets some of its own: the launch's save what runs."""
    before = {number: signal.getsignal(number) for number in machine.STOPS}
    yield
    if threading.current_thread() is threading.main_thread():
        for number, handler in before.items():
            signal.signal(number, handler)


def _reach(address: str) -> None:
    """OSError where nobody listens at host:port or ray://host:port; Ray itself would try for many minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host, int(port)), timeout=PATIENCE).close()


class RayRun(Distant):
    """A run as a task, of which Ray's reference is held: what nobody holds is dropped."""

    def __init__(self, reference: Any, told: Path) -> None:
        super().__init__(told)
        self._reference, self._polled = reference, 0.0
        self._code: int | None = None

    @property
    def code(self) -> int | None:
        """As it told, or as Ray has it of a task that could not."""
        import ray

        if self._code is not None or time.monotonic() - self._polled < POLL:
            return self._code
        self._polled = time.monotonic()
        self.listen()
        if ray.wait([self._reference], timeout=0)[0]:
            self._heard = self._ended()
            self._code = self._heard.code
        return self._code

    def _ended(self) -> Told:
        import ray

        try:
            return Told(**ray.get(self._reference))
        except Exception as error:
            told = self.listen()
            if told.code is not None:
                return told
            lost = Interrupted.exit_code if isinstance(error, ray.exceptions.TaskCancelledError) else 1
            return Told(told.pid, told.host, lost, f"Ray says {' '.join(str(error).split())[:300]}")

    def stop(self) -> None:
        """Saved; a task that waits is dropped."""
        import ray

        ray.cancel(self._reference, force=False)

    def kill(self) -> None:
        """With its worker."""
        import ray

        ray.cancel(self._reference, force=True)


def carry_out(task: Task) -> dict[str, Any]:
    """The task, in a worker."""
    told = task.carry_out()
    task.tell(told)
    return asdict(told)


def engine(values: Mapping[str, Any], at_once: int | None, detached: bool) -> Ray:
    """The engine of these options. BadInput where one is wrong, or Ray is not installed."""
    options = reader.read(Options, values, "engine")
    needs("ray", "ray")
    if detached:
        raise BadInput("--detach: Ray's tasks stop with the command; it is for --engine slurm")
    return Ray(options, at_once)
