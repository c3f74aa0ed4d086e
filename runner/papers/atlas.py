"""An atlas as it was measured: effects of single tricks, interactions of pairs, and how far tricks add up."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from tricktable.runner.disk.runs import StoredRun
from tricktable.runner.disk.seal import Damage
from tricktable.runner.papers import interactions, provenance, studies, study_file
from tricktable.runner.papers.atlas_file import AND, Members, Planned
from tricktable.runner.papers.facts import Metric
from tricktable.runner.papers.interactions import Additive, Estimate
from tricktable.runner.papers.measured import MeasuredRow, Measurement
from tricktable.runner.papers.study_file import Made

Name = TypeVar("Name")


@dataclass(frozen=True)
class Cell:
    """The base, a trick or a pair: its runs by seed. `members` are its tricks; the base has none."""

    members: Members
    label: str
    runs: tuple[Measurement, ...]

    @property
    def seeds(self) -> tuple[int, ...]:
        """Of the runs that ended."""
        return tuple(run.seed for run in self.runs)

    @property
    def figures(self) -> dict[int, float]:
        """Of the finished runs, by seed."""
        return {run.seed: run.figure for run in self.runs if run.figure is not None}

    @property
    def mean(self) -> float | None:
        """Of the figures; None where there is none."""
        return statistics.fmean(self.figures.values()) if self.figures else None

    @property
    def diverged(self) -> int:
        """How many runs diverged."""
        return sum(run.state == "diverged" for run in self.runs)


@dataclass(frozen=True, kw_only=True)
class Atlas:
    """An atlas, whole. Effects are differences of the metric; a pair that has none is in `reasons`, which say why.

    smallest: the size that an interaction needs to be found four times in five, were it the only one. provenance: data
    with fingerprint, budget, seeds and device. damaged: runs that are there and cannot be used; the warnings name them.
    """

    name: str
    metric: Metric
    n: int
    tricks: tuple[str, ...]
    cells: Mapping[Members, Cell]
    singles: Mapping[str, Estimate]
    pairs: Mapping[Members, Estimate]
    reasons: Mapping[Members, str]
    smallest: float | None
    additive: Additive | None
    command: str
    provenance: str
    warnings: tuple[str, ...] = ()
    damaged: tuple[Damage, ...] = ()

    @property
    def ranking(self) -> list[str]:
        """The tricks that were measured alone, the most useful first."""
        return sorted(self.singles, key=lambda trick: self.singles[trick].mean)

    @property
    def found(self) -> list[Members]:
        """The pairs whose interaction was found, the largest first."""
        pairs = [pair for pair, each in self.pairs.items() if each.found]
        return sorted(pairs, key=lambda pair: -abs(self.pairs[pair].mean))


def measure(planned: Planned, made: Made, command: str) -> Atlas:
    """What the runs say that have ended."""
    there = study_file.runs(made)
    groups = study_file.by_label(made, there)
    cells = {members: _cell(members, label, groups.get(label, ())) for members, label in planned.rows.items()}
    tricks = tuple(members[0] for members in cells if len(members) == 1)
    together: list[Members] = [members for members in cells if len(members) == 2]
    singles, _ = _tested({trick: [(trick,), ()] for trick in tricks}, cells)
    pairs, common = _tested({pair: [pair, (pair[0],), (pair[1],), ()] for pair in together}, cells)
    rows = [MeasuredRow(label=c.label, seeds=c.seeds, runs=c.runs) for c in cells.values() if c.runs]
    return Atlas(
        name=planned.study.name,
        metric=studies.METRIC,
        n=planned.study.n,
        tricks=tricks,
        cells=cells,
        singles=singles,
        pairs=pairs,
        reasons={**planned.refused, **{pair: _why(pair, cells) for pair in together if pair not in pairs}},
        smallest=interactions.smallest(common, planned.study.n, len(pairs)) if common else None,
        additive=_additive(tricks, cells),
        command=command,
        provenance=studies.provenance_of(rows) if rows else "nothing has run",
        warnings=(*provenance.left_out(there.unusable), *provenance.warnings(rows)),
        damaged=there.unusable,
    )


def _cell(members: Members, label: str, group: Iterable[StoredRun]) -> Cell:
    """Of a run that has results of several kinds, as averaged weights bring, the last counts: the trick's."""
    ordered = sorted(group, key=lambda run: run.summary.seed)
    runs = [(run, run.summary.results[-1].test_error if run.summary.results else None) for run in ordered]
    return Cell(members, label, tuple(Measurement(run, run.summary.seed, figure) for run, figure in runs))


def _tested(
    wanted: Mapping[Name, Sequence[Members]], cells: Mapping[Members, Cell]
) -> tuple[dict[Name, Estimate], interactions.Spread | None]:
    """The estimates of alternating sums of cells, by seed, of those for which two seeds are there."""
    samples = {name: _sums([cells.get(each) for each in terms]) for name, terms in wanted.items()}
    samples = {name: sample for name, sample in samples.items() if len(sample) > 1}
    if not samples:
        return {}, None
    found, common = interactions.estimates(list(samples.values()))
    return dict(zip(samples, found, strict=True)), common


def _sums(terms: Sequence[Cell | None]) -> list[float]:
    """a - b, or a - b - c + d, of each seed that all of them have."""
    if None in terms:
        return []
    figures = [each.figures for each in terms if each is not None]
    signs = (1, -1) if len(figures) == 2 else (1, -1, -1, 1)
    seeds = set(figures[0]).intersection(*figures[1:])
    return [sum(sign * each[seed] for sign, each in zip(signs, figures, strict=True)) for seed in sorted(seeds)]


def _why(pair: Members, cells: Mapping[Members, Cell]) -> str:
    """Why there is no interaction of a pair that can be run."""
    for members in (pair, (pair[0],), (pair[1],), ()):
        cell = cells[members]
        if cell.diverged:
            return f"{cell.diverged} of {len(cell.runs)} runs of {AND.join(members) or 'the base'} diverged"
    return "its runs have not ended"


def _additive(tricks: Sequence[str], cells: Mapping[Members, Cell]) -> Additive | None:
    """How far sums of single effects explain the cells that have all seeds of the base; None for too few."""
    base = set(cells[()].figures)
    whole = [cell for cell in cells.values() if set(cell.figures) == base]
    if len(base) < 2 or len(whole) < len(tricks) + 2:
        return None
    members = [[tricks.index(trick) for trick in cell.members] for cell in whole]
    means = [statistics.fmean(cell.figures.values()) for cell in whole]
    return interactions.additive(members, means, _noise([cell.figures for cell in whole], sorted(base)))


def _noise(cells: Sequence[Mapping[int, float]], seeds: Sequence[int]) -> float:
    """The variance of a cell's mean over seeds, without what a seed does to all cells: of residuals, both ways.

    s^2 = sum (y_cs - y_c. - y_.s + y_..)^2 / ((C - 1) (S - 1)),   s^2 / S
    """
    rows = [[each[seed] for seed in seeds] for each in cells]
    of_cell = [statistics.fmean(row) for row in rows]
    of_seed = [statistics.fmean(column) for column in zip(*rows, strict=True)]
    overall = statistics.fmean(of_cell)
    squares = sum(
        (value - mean - seed + overall) ** 2
        for row, mean in zip(rows, of_cell, strict=True)
        for value, seed in zip(row, of_seed, strict=True)
    )
    return squares / ((len(rows) - 1) * (len(seeds) - 1)) / len(seeds)
