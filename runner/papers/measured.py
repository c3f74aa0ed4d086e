"""A paper's table as it was measured here: theirs beside ours, and what became of its claims. Plain data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from runner.config.overrides import Overrides
from runner.papers.facts import Claim, PaperRow
from runner.papers.recipe import Recipe

Verdict = Literal[
    "reproduced", "contradicted", "undecided", "indication for", "indication against", "indication of nothing",
    "not run", "not runnable here", "qualitative",
]  # fmt: skip


@dataclass(frozen=True)
class Seen:
    """One run of a row: its figure in the paper's metric at the last epoch, and at its best test epoch.

    `figure` is None for a run that diverged (or failed: `state`). Curves are columns of its metrics.csv.
    """

    seed: int
    folder: Path
    state: str
    figure: float | None
    best: float | None
    summary: Mapping[str, Any]


@dataclass(frozen=True)
class MeasuredRow:
    """A row: the paper's facts, its overrides or why it cannot be run, and its runs so far."""

    theirs: PaperRow
    overrides: Overrides
    reason: str | None
    seeds: tuple[int, ...]
    runs: tuple[Seen, ...]
    mean: float | None
    half: float | None
    params: int | None = None
    madds: int | None = None
    updates: int | None = None

    @property
    def figures(self) -> tuple[float, ...]:
        """Of the finished runs, by seed."""
        return tuple(run.figure for run in self.runs if run.figure is not None)

    @property
    def diverged(self) -> int:
        """Runs that diverged: counted, never averaged."""
        return sum(run.state == "diverged" for run in self.runs)

    @property
    def missing(self) -> tuple[int, ...]:
        """Seeds without a run that ended."""
        ended = {run.seed for run in self.runs if run.state in ("complete", "diverged")}
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
class Measured:
    """A table, whole. `caption` says data, fingerprint, budget, seeds, device; `command` makes it again."""

    recipe: Recipe
    budget: str
    rows: tuple[MeasuredRow, ...]
    claims: tuple[Judged, ...]
    caption: str
    command: str
    warnings: tuple[str, ...] = field(default=())
