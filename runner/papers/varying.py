"""What some runs vary, and their figures where they vary it: a study as points of a plot or cells of a grid."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tricktable.runner.disk.code import changed
from tricktable.runner.disk.runs import StoredRun
from tricktable.runner.errors import BadInput
from tricktable.runner.papers import studies

Name = Literal["test_error", "test_loss", "val_error", "val_loss", "train_error", "train_loss", "test_top5_error"]
Value = float | str  # a number, or anything else as it is typed


@dataclass(frozen=True)
class Point:
    """Runs that differ by their seed alone: the figures of those that finished, and how many diverged."""

    figures: tuple[float, ...]
    diverged: int

    @property
    def mean(self) -> float | None:
        """Of the figures; None where there are none."""
        return statistics.fmean(self.figures) if self.figures else None


def varying(runs: Sequence[StoredRun]) -> list[str]:
    """The keys but the seed that all of these runs have, and not all with the same value.

    An argument that only some of them have comes with the option that has it.
    """
    return studies.differing([studies.shared_choices(run) for run in runs])


def points(runs: Sequence[StoredRun], keys: Sequence[str], of: Name) -> dict[tuple[Value, ...], Point]:
    """A figure by the values of these keys. BadInput where the runs of a point differ by more than their seed."""
    groups: dict[tuple[Value, ...], list[StoredRun]] = {}
    for run in runs:
        groups.setdefault(tuple(_value(run, key) for key in keys), []).append(run)
    return {values: _point(groups[values], of) for values in _ordered(list(groups))}


def _ordered(keys: list[tuple[Value, ...]]) -> list[tuple[Value, ...]]:
    """By one part after the other: numbers ascend, where a part has texts it is in the order of the runs."""
    for i in reversed(range(len(keys[0]))):
        column = [key[i] for key in keys]
        once = list(dict.fromkeys(column))
        ranks = once if any(isinstance(value, str) for value in once) else sorted(once, key=float)
        keys = sorted(keys, key=lambda key, i=i, ranks=ranks: ranks.index(key[i]))  # type: ignore[misc]
    return keys


def _value(run: StoredRun, key: str) -> Value:
    chosen = studies.choices(run.config)
    if key not in chosen:
        raise BadInput(f"{key}: {run.id} has no such key")
    value: Any = chosen[key]
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if number else studies.written(value)


def _differing(a: StoredRun, b: StoredRun) -> list[str]:
    """The keys but the seed in which two runs differ."""
    left, right = studies.shared_choices(a), studies.shared_choices(b)
    absent = object()
    return [key for key in dict.fromkeys([*left, *right]) if left.get(key, absent) != right.get(key, absent)]


def _point(group: Sequence[StoredRun], of: Name) -> Point:
    first = group[0]
    seeds: dict[int, StoredRun] = {}
    for run in group:
        if others := _differing(first, run):
            raise BadInput(f"{first.id} and {run.id} are one point of the figure, and differ in {', '.join(others)}")
        if (twin := seeds.setdefault(run.summary.seed, run)) is not run:
            raise BadInput(f"{twin.id} and {run.id}: the same choices and seed; take one of them")
        if run.summary.data.fingerprint != first.summary.data.fingerprint:
            raise BadInput(f"{first.id} and {run.id}: the same choices on other images; take one of them")
        if changed(studies.made_by(first), studies.made_by(run)):
            raise BadInput(f"{first.id} and {run.id}: the same choices by other code; take one of them")
    return Point(
        tuple(_figure(run, of) for run in group if run.state == "complete"),
        sum(run.state == "diverged" for run in group),
    )


def _figure(run: StoredRun, of: Name) -> float:
    figure = run.summary.figure(of)
    if figure is None:
        raise BadInput(f"{run.id} has no {of}")
    return figure
