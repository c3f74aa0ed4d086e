"""A table as it was measured here, a paper's or a study's: its rows, and what became of the paper's claims."""

import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from tricktable.runner.config.overrides import Overrides
from tricktable.runner.disk.evaluation import Evaluation
from tricktable.runner.disk.info import State
from tricktable.runner.disk.runs import StoredRun
from tricktable.runner.disk.seal import Damage
from tricktable.runner.disk.summary import Summary
from tricktable.runner.papers.facts import Claim, Metric, Paper, PaperRow
from tricktable.runner.papers.intervals import half_width
from tricktable.runner.papers.recipe import Assumption, Deviation, Recipe

Verdict = Literal[
    "reproduced", "contradicted", "undecided", "indication for", "indication against", "no indication",
    "not run", "not runnable here", "qualitative",
]  # fmt: skip


@dataclass(frozen=True)
class Measurement:
    """What a row takes from a run that ended: its figure in the table's metric, and that of its best test epoch.

    Both are None for a run that diverged. elsewhere: the run's evaluation on the other test images that the row is of.
    """

    run: StoredRun
    seed: int
    figure: float | None
    best: float | None = None
    elsewhere: Evaluation | None = None

    @property
    def state(self) -> State:
        """Of the run: complete or diverged."""
        return self.run.state

    @property
    def summary(self) -> Summary:
        """Of the run."""
        return self.run.summary


@dataclass(frozen=True)
class Setting:
    """One setting of a row's grid: what it sets, the seeds that it is tried with, and their runs that ended.

    validation: the mean validation error over these seeds in percent, infinite where a run diverged; None where that
    is not known yet. chosen: whether the row's own runs are of it.
    """

    setting: Overrides
    seeds: tuple[int, ...]
    runs: tuple[Measurement, ...]
    validation: float | None
    chosen: bool = False


class Change(NamedTuple):
    """A key that a budget sets otherwise for a row than the paper's budget does; None where one does not set it."""

    key: str
    here: str | None
    paper: str | None

    def __str__(self) -> str:
        """In words: `model.depth=10 in place of 16`."""
        if self.here is None:
            return f"no {self.key}={self.paper}"
        return f"{self.key}={self.here}{'' if self.paper is None else f' in place of {self.paper}'}"


@dataclass(frozen=True, kw_only=True)
class MeasuredRow:
    """A row: what it changes or why it cannot be run, the seeds declared, its runs so far, and the paper's facts.

    `theirs` is None in a study, which has no paper. Counts are of the network and the training of the row's runs.
    `changes` are what the table's budget makes of the row: those of its overrides that are not the paper's budget's.
    exact: the figure in the table's metric where it is counted, and no seed changes it. grid: the settings that were
    tried for it, before its own seeds.
    """

    label: str
    seeds: tuple[int, ...]
    runs: tuple[Measurement, ...] = ()
    theirs: PaperRow | None = None
    overrides: Overrides = field(default_factory=Overrides)
    changes: tuple[Change, ...] = ()
    reason: str | None = None
    params: int | None = None
    madds: int | None = None
    updates: int | None = None
    exact: float | None = None
    grid: tuple[Setting, ...] = ()

    @property
    def sources(self) -> tuple[Measurement, ...]:
        """The runs that it comes from: its own, and those of its grid."""
        return (*self.runs, *(run for setting in self.grid for run in setting.runs))

    @property
    def figures(self) -> tuple[float, ...]:
        """Of the finished runs, by seed."""
        return tuple(run.figure for run in self.runs if run.figure is not None)

    @property
    def mean(self) -> float | None:
        """Of the figures, or the exact one; None where there is none."""
        if self.exact is not None:
            return self.exact
        return statistics.fmean(self.figures) if self.figures else None

    @property
    def half(self) -> float | None:
        """Half the width of the 95% interval of the mean; None for fewer than two figures."""
        half = half_width(self.figures)
        return None if math.isnan(half) else half

    @property
    def best(self) -> tuple[float, ...]:
        """Of the finished runs, by seed: the figures of their best test epochs, where these are known."""
        return tuple(run.best for run in self.runs if run.best is not None)

    @property
    def best_mean(self) -> float | None:
        """Of `best`; None where there is none."""
        return statistics.fmean(self.best) if self.best else None

    @property
    def diverged(self) -> int:
        """Runs that diverged: counted, never averaged."""
        return sum(run.state == "diverged" for run in self.runs)

    @property
    def missing(self) -> tuple[int, ...]:
        """Seeds without a run that ended, or without its evaluation that is the row's figure."""
        ended = {run.seed for run in self.runs if run.figure is not None or run.state == "diverged"}
        return tuple(seed for seed in self.seeds if seed not in ended)


@dataclass(frozen=True)
class Judged:
    """A claim and what became of it; `reason` in words. Differences are on the claim's field, right less left.

    theirs, ours: the effect in the paper and here; half: of its 95% interval; p, adjusted: raw and by Holm; ratio: ours
    over theirs; needed: seeds that would have decided it.
    """

    claim: Claim
    verdict: Verdict
    reason: str
    theirs: float | None = None
    ours: float | None = None
    half: float | None = None
    p: float | None = None
    adjusted: float | None = None
    ratio: float | None = None
    needed: int | None = None


@dataclass(frozen=True)
class Evaluated:
    """What runs of a study's row came to when they were evaluated after their training: as what, and the figures."""

    label: str
    what: str
    figures: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Of the figures."""
        return statistics.fmean(self.figures)


@dataclass(frozen=True, kw_only=True)
class MeasuredTable:
    """A table, whole. `name` is <paper>/<table> or a study's; `caption` says what it shows.

    `provenance` says data with fingerprint, budget, seeds and device: without them a figure says nothing. `command`
    makes the table again. A study has no paper, no recipe and no claims, but a `baseline`: the label of the row that
    the others are compared with, the first where it is None. evaluated: what its runs came to after their training.
    damaged: runs that are there and cannot be used; the warnings name them.
    """

    name: str
    title: str
    caption: str
    metric: Metric
    budget: str
    rows: tuple[MeasuredRow, ...]
    provenance: str
    command: str
    claims: tuple[Judged, ...] = ()
    warnings: tuple[str, ...] = ()
    paper: Paper | None = None
    recipe: Recipe | None = None
    baseline: str | None = None
    evaluated: tuple[Evaluated, ...] = ()
    damaged: tuple[Damage, ...] = ()

    @property
    def base(self) -> MeasuredRow:
        """The row that a study's others are compared with."""
        return next((row for row in self.rows if row.label == self.baseline), self.rows[0])

    @property
    def selects_best(self) -> bool:
        """Whether the paper reports its best test epoch, so that both figures are shown."""
        return self.recipe is not None and self.recipe.table.selection == "best"

    @property
    def differs(self) -> tuple[Deviation, ...]:
        """What is done otherwise than in the paper, at the table's budget."""
        return self.recipe.deviations(self.budget) if self.recipe else ()

    @property
    def assumed(self) -> tuple[Assumption, ...]:
        """What the paper leaves open."""
        return self.recipe.assumed if self.recipe else ()


def each_once(values: Iterable[object]) -> str:
    """What a table's runs share, or the several things that they have: each named once, in their order."""
    return " / ".join(dict.fromkeys(map(str, values)))
