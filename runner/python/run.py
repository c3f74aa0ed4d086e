"""A run as Python has it: its folder, and what is in it, read when it is asked for."""

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas

from tricktable.runner.disk import meant, runs
from tricktable.runner.disk.info import State
from tricktable.runner.disk.runs import StoredRun
from tricktable.runner.errors import BadInput

if TYPE_CHECKING:
    from tricktable.runner.python.classifier import Classifier


@dataclass(frozen=True)
class Run:
    """A run by its folder. StorageProblem where a file of it is missing or damaged."""

    path: Path

    @property
    def stored(self) -> StoredRun:
        """As the runner reads it now."""
        found = runs.at(self.path)
        if found is None:
            raise BadInput(f"{self.path}: no run")
        return found

    @property
    def id(self) -> str:
        """Its folder's name."""
        return self.path.name

    @property
    def study(self) -> str:
        """The name of its study."""
        return self.path.parent.name

    @property
    def state(self) -> State:
        """Planned, running, complete, diverged, interrupted or failed."""
        return self.stored.state

    @property
    def reason(self) -> str | None:
        """Why it is diverged, interrupted or failed."""
        return self.stored.info.reason

    @property
    def config(self) -> Mapping[str, Any]:
        """Its config, as plain data."""
        return self.stored.config

    @property
    def summary(self) -> dict[str, Any]:
        """summary.json: final figures, counts, data, environment."""
        return self.stored.summary.plain()

    @property
    def metrics(self) -> pandas.DataFrame:
        """metrics.csv: a row per epoch."""
        rows = pandas.DataFrame([row.plain() for row in self.stored.epochs])
        return rows.dropna(axis=1, how="all")

    @property
    def results(self) -> pandas.DataFrame:
        """Its figures by variant and inference, errors in percent; then those of later evaluations."""
        return evaluations([(self.stored, self.stored.evaluations)])

    def load(self, **how: Any) -> "Classifier":
        """Its network, as `tricktable.load` gives it."""
        from tricktable.runner.python.load import load

        return load(self.path, **how)

    def __fspath__(self) -> str:
        return str(self.path)

    def __repr__(self) -> str:
        stored = self.stored
        error = stored.summary.figure("test_error") if stored.state == "complete" else None
        said = stored.info.reason if error is None else f"test error {error:.2f}%"
        return f"Run({', '.join(filter(None, [self.id, stored.state, said]))})"


def evaluations(found: Any) -> pandas.DataFrame:
    """Evaluations of runs, (run, its evaluations) each, as a table without the columns that are empty."""
    rows = [{"run": run.id, **asdict(each)} for run, several in found for each in several]
    hidden = ["fingerprint", "images_key", "dataset", "copy", "complete", "archive"]
    return pandas.DataFrame(rows).drop(columns=hidden, errors="ignore").dropna(axis=1, how="all")


def run(name: str | os.PathLike[str], root: str | os.PathLike[str] = "outputs") -> Run:
    """The run that a folder, an id or the 8 digits at the id's end stand for; whatever its state."""
    return Run(meant.any_one(os.fspath(name), Path(root)).folder)
