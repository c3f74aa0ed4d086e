"""What a sink is, and that none of them fails a run."""

import importlib
import importlib.util
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from tricktable.runner import terminal
from tricktable.runner.disk import atomic
from tricktable.runner.errors import BadInput

Row = Mapping[str, Any]  # of metrics.csv, by its columns; its step is its epoch
LONGEST = 300  # characters of what a library says


@dataclass(frozen=True)
class Begun:
    """A run that begins or goes on: outputs/<study>/<id>, its config as plain data, the rows that it has so far.

    Rows behind the last checkpoint are none of them: they come again.
    """

    folder: Path
    config: Mapping[str, Any]
    rows: Sequence[Row] = ()

    @property
    def study(self) -> str:
        """The name of its study."""
        return self.folder.parent.name

    @property
    def root(self) -> Path:
        """Where all studies lie: output.root."""
        return self.folder.parent.parent

    @property
    def name(self) -> str:
        """Which run it is, the same whenever it goes on."""
        return f"{self.study}/{self.folder.name}"


class Sink(Protocol):
    """Takes a run's rows. What it raises is said in a line, and it is not called again."""

    def start(self, run: Begun) -> None:
        """Begin, or go on in the same place, so that it has the run's rows so far, each once."""

    def row(self, row: Row) -> None:
        """Take a row; it is where others see it when this returns."""

    def finish(self, state: str, figures: Mapping[str, float]) -> None:
        """End: complete, diverged, interrupted or failed; figures by variant/inference/name, where there are some."""


def numbers(row: Row) -> dict[str, float]:
    """What a row has."""
    return {name: value for name, value in row.items() if isinstance(value, int | float)}


def flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A config's values by their keys, in dots."""
    found: dict[str, Any] = {}
    for key, value in config.items():
        found |= flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return found


def check(names: Sequence[str]) -> None:
    """BadInput where what a sink needs is not installed; nothing is imported."""
    for name in names:
        for needed in _module(name).NEEDS:
            spec = importlib.util.find_spec(needed)
            if spec is None or spec.origin is None:  # a folder of that name, here, is no library
                raise BadInput(f"log: {name} needs {needed}, which is not installed: pip install 'tricktable[{name}]'")


class Sinks:
    """Those that were chosen, as one."""

    def __init__(self, names: Sequence[str]) -> None:
        self._on: dict[str, Sink] = {name: _sink(name) for name in names}

    def start(self, run: Begun) -> None:
        """As of a Sink."""
        self._each(lambda sink: sink.start(run))

    def row(self, row: Row) -> None:
        """As of a Sink."""
        self._each(lambda sink: sink.row(row))

    def finish(self, state: str, figures: Mapping[str, float]) -> None:
        """As of a Sink; after that, none is on."""
        self._each(lambda sink: sink.finish(state, figures))
        self._on = {}

    def _each(self, act: Callable[[Sink], None]) -> None:
        for name, sink in list(self._on.items()):
            try:
                act(sink)
            except (Exception, SystemExit) as error:  # a library may raise, or leave, as it likes
                del self._on[name]
                said = " ".join(atomic.reason(error).split())[:LONGEST]
                terminal.say(f"warning: log: {name} is off, and the run goes on without it ({said})")


def _module(name: str) -> Any:
    return importlib.import_module(f"tricktable.runner.sinks.{name}")


def _sink(name: str) -> Sink:
    """One of the only class that its file defines."""
    module = _module(name)
    found: list[Any] = [each for each in vars(module).values() if inspect.isclass(each)]
    (own,) = [each for each in found if each.__module__ == module.__name__]
    return own()
