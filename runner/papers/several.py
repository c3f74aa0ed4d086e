"""Several tables in one command: each made and measured, until the time is up; what fails is told, and passed by."""

import fnmatch
import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tricktable.runner.disk.runs import under
from tricktable.runner.errors import BadInput, Interrupted, TricktableError, suggest
from tricktable.runner.launch.engines.engine import Engine
from tricktable.runner.launch.outcome import Outcome, raise_for
from tricktable.runner.papers import recipe, reproduce, tabulate
from tricktable.runner.papers.measured import MeasuredTable

ALL = "all"


@dataclass
class Made:
    """What became of the tables: those that were written whole, what failed by table, whether the time ended it."""

    whole: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    time_is_up: bool = False


def names(pattern: str) -> list[str]:
    """The tables that a name, `all` or a glob stands for, those with the most claims first. BadInput for none."""
    found = [name for name in recipe.names() if fnmatch.fnmatchcase(name, "*" if pattern == ALL else pattern)]
    if not found:
        raise BadInput(f"no table is called {pattern}{suggest(pattern, recipe.names())}")
    return sorted(found, key=lambda name: -_claims(name))


def _claims(name: str) -> int:
    loaded = recipe.load(name)
    return sum(claim.table == loaded.table.id for claim in loaded.paper.claims.values())


def make(
    tables: Sequence[str], budget: str, overrides: Sequence[str], write: Callable[[MeasuredTable, Path], None],
    *, jobs: int | None, gpus: Sequence[int] = (), timeout: float | None = None, until: float = math.inf,
    engine: Engine | None = None,
) -> Made:  # fmt: skip
    """Make tables: first one seed of every row of all of them, then the others.

    Each is given to `write` with its folder as it stands. A table that fails is told and passed by. At `until`, by the
    monotonic clock, what runs is saved; the same command then goes on. Interrupted after a signal, and the rest as
    `pool.launch`.
    """
    made = Made()
    limits = {"jobs": jobs, "gpus": gpus, "timeout": timeout, "until": until, "engine": engine}
    for first in (True, False):
        for number, name in enumerate(tables, 1):
            if time.monotonic() > until:
                made.time_is_up = True
                return made
            print(f"[{number}/{len(tables)}] {name}{', one seed of each row' if first else ''}", file=sys.stderr)
            try:
                _make(name, budget, overrides, first, write, limits)
            except Interrupted:
                if time.monotonic() <= until:
                    raise
            except TricktableError as error:
                made.failed[name] = str(error)
                print(f"{name}: {error}", file=sys.stderr)
            else:
                made.failed.pop(name, None)
                made.whole += [] if first else [name]
    return made


def _make(
    name: str, budget: str, overrides: Sequence[str], first: bool, write: Callable[[MeasuredTable, Path], None],
    limits: Mapping[str, Any],
) -> None:  # fmt: skip
    """One table, as far as it goes; SweepFailed where a run failed, when it is written."""
    plan, runs = reproduce.requested(name, budget, overrides)
    outcomes: list[Outcome] = []
    try:
        outcomes = reproduce.make(plan.first() if first else plan, runs, **limits)
        reproduce.evaluate(plan, under(runs.root))
    finally:
        table = tabulate.tabulate(plan, under(runs.root), plan.command)
        write(table, reproduce.folder(plan, runs.root))
    raise_for(outcomes)
