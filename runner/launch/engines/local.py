"""Runs as processes of this machine, each a child of the command that started it."""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from tricktable.runner.errors import BadInput
from tricktable.runner.launch.child import CHILD_OF, Child
from tricktable.runner.launch.engines.engine import Node, Order


class Local:
    """The engine that is meant unless told. `command`: what arguments are appended to."""

    slots: int | None = None
    detached = False
    node: Node | None = None

    def __init__(self, command: Sequence[str] | None = None) -> None:
        self.command = command or (sys.executable, "-m", "tricktable", CHILD_OF, str(os.getpid()), "train")

    def together(self, say: Callable[[str], None]) -> AbstractContextManager[None]:
        """Each begins as it is started."""
        return nullcontext()

    def found(self, order: Order) -> None:
        """None: its runs stop, saved, with the command."""

    def start(self, order: Order) -> Child:
        """A child that sees the GPUs that the order names, if it names some."""
        return Child([*self.command, *order.arguments], order.gpus, order.heard)


def engine(values: Mapping[str, Any], at_once: int | None, detached: bool) -> Local:
    """The engine; it has no options. BadInput where it is to be left alone."""
    assert not values, "an option that an engine lacks is refused before"
    if detached:
        raise BadInput("--detach: runs of this machine stop with the command; it is for --engine slurm")
    return Local()
