"""What becomes of a paper's claims: figures of several seeds, or exact counts, against what the paper says.

A claim is one or two bounds, each a combination of the sides' means that is above 0 where it is kept: less_than
R - L - margin; equal_within tolerance -+ (R - L); ratio L - (e - t) R and (e + t) R - L (Fieller's test; R is above 0).
One bound is tested on both sides. Two are kept by the larger of their one-sided p (TOST: the 90% interval lies within),
broken by the two-sided p of the one exceeded (the 95% interval lies outside). Each by Welch's t, with

    df = max(k, k (sum v)^2 / sum v^2 - 1),  v = s^2 / n of each side,  k = the smaller n - 1

Welch's own df errs for few seeds (one-sided up to 3.0% of 2.5% at n = 3 and 3, 3.6% at 3 and 10), this one at none; it
is never below k, which is always enough (Mickey & Brown 1966).
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain, product
from typing import Any

import numpy as np

from runner.papers.facts import Claim, PaperRow, Table
from runner.papers.measured import Judged, MeasuredRow, Verdict

LEVEL = 0.05
CAP = 10_000
EXACT = ("params", "madds", "updates")  # fields that no seed changes
BEST_EPOCH = "best"
VERDICTS: tuple[Verdict, ...] = ("reproduced", "contradicted", "undecided")
INDICATIONS: tuple[Verdict, ...] = ("indication for", "indication against", "indication of nothing")
WEAKER = dict(zip(VERDICTS, INDICATIONS, strict=True))
OVERRULED = {found: each[2] for each in (VERDICTS, INDICATIONS) for found in each[:2]}
LIES = dict(zip(VERDICTS, ("on the claimed side", "on the other side", "on neither side"), strict=True))
Better = Callable[..., Any]  # min or max
Sides = tuple[Sequence[MeasuredRow], Sequence[MeasuredRow]]


@dataclass(frozen=True)
class Bound:
    """A combination of means, above 0 where the bound is kept; the variances of its samples, and their sizes."""

    value: Any
    variances: tuple[Any, ...]
    counts: tuple[Any, ...]

    @property
    def error(self) -> tuple[Any, Any]:
        """The standard error of the value, and its degrees of freedom."""
        v = [variance / n for variance, n in zip(self.variances, self.counts, strict=True)]
        k = np.minimum.reduce(self.counts) - 1
        return np.sqrt(sum(v)), np.maximum(k, k * sum(v) ** 2 / sum(x * x for x in v) - 1)

    def p(self, sign: int) -> Any:
        """One-sided, for sign * value > 0."""
        from scipy.stats import t

        error, freedom = self.error
        return t.sf(sign * self.value / error, freedom)


@dataclass(frozen=True)
class Finding:
    """What figures say of a claim: the effect observed, R - L (of a ratio L / R), and the claim's one or two bounds."""

    effect: Any
    bounds: tuple[Bound, ...]

    @property
    def excess(self) -> Any:
        """By how much the claim holds as observed; below 0 where it does not."""
        return np.minimum.reduce([bound.value for bound in self.bounds])

    @property
    def tested(self) -> bool:
        """Whether there is an interval: two figures a side, and not all alike, which says nothing of the spread."""
        return min(self.bounds[0].counts) > 1 and any(variance > 0 for variance in self.bounds[0].variances)

    @property
    def p(self) -> Any:
        """Below LEVEL where the claim is decided: for it where `excess` is above 0, else against it."""
        kept = np.maximum.reduce([bound.p(1) for bound in self.bounds]) * (2 if len(self.bounds) == 1 else 1)
        broken = 2 * np.minimum.reduce([bound.p(-1) for bound in self.bounds])
        return np.where(self.excess > 0, kept, broken)

    @property
    def half(self) -> float:
        """Of the 95% interval of R - L."""
        from scipy.stats import t

        error, freedom = self.bounds[0].error
        return float(t.ppf(1 - LEVEL / 2, freedom) * error)

    def needed(self, level: float = LEVEL) -> int | None:
        """The fewest seeds per row, at most CAP, that decide at this effect and spread; None where no number does."""
        if not self.tested or abs(self.excess) < 1e-9:
            return None
        n = np.arange(2, CAP + 1)
        grown = tuple(replace(bound, counts=(n,) * len(bound.counts)) for bound in self.bounds)
        enough = n[replace(self, bounds=grown).p < level]
        return int(enough[0]) if len(enough) else CAP


def verdict(excess: float, p: float | None) -> Verdict:
    """What p and the side of the observed effect say."""
    if p is None or not p < LEVEL:
        return "undecided"
    return "reproduced" if excess > 0 else "contradicted"


def bounds(claim: Claim) -> list[tuple[float, float, float]]:
    """Each (a, b, c) of a L + b R + c > 0, which a claim comes to."""
    if claim.kind == "less_than":
        return [(-1, 1, -claim.margin)]
    if claim.kind == "equal_within":
        return [(-1, 1, claim.tolerance), (1, -1, claim.tolerance)]
    return [(1, claim.tolerance - claim.expected, 0), (-1, claim.expected + claim.tolerance, 0)]


def find(claim: Claim, left: Sequence[float], right: Sequence[float], *, paired: bool = False) -> Finding:
    """A claim of these figures; paired: by position."""
    x, y = np.asarray(left, float), np.asarray(right, float)
    effect = _mean(x) / _mean(y) if claim.kind == "ratio" else _mean(y) - _mean(x)
    return Finding(effect, tuple(_bound([a * x + b * y] if paired else [a * x, b * y], c) for a, b, c in bounds(claim)))


def _mean(figures: np.ndarray) -> Any:
    return figures.mean(0) if len(figures) else math.nan


def _bound(samples: list[np.ndarray], constant: float) -> Bound:
    variances = tuple(x.var(0, ddof=1) if len(x) > 1 else 0.0 for x in samples)
    return Bound(sum(map(_mean, samples)) + constant, variances, tuple(map(len, samples)))


def holm(ps: Sequence[float]) -> list[float]:
    """Holm 1979: p_(i), the i-th smallest of m, becomes the largest of (m - j + 1) p_(j), j <= i, at most 1."""
    adjusted, largest = [0.0] * len(ps), 0.0
    for rank, i in enumerate(sorted(range(len(ps)), key=ps.__getitem__)):
        largest = adjusted[i] = max(largest, min(1.0, (len(ps) - rank) * ps[i]))
    return adjusted


def within_paper(judged: Sequence[Judged]) -> list[Judged]:
    """All that was judged of a paper at a budget, with p adjusted by Holm, which decides. Every p counts, of any table.

    `needed` is of the raw p: None where it alone would have decided.
    """
    adjusted = iter(holm([each.p for each in judged if each.p is not None]))
    return [each if each.p is None else _adjusted(each, next(adjusted)) for each in judged]


def _adjusted(judged: Judged, p: float) -> Judged:
    if p < LEVEL or judged.verdict not in OVERRULED:
        return replace(judged, adjusted=p)
    reason = f"{judged.reason}; not so by Holm's p within the paper"
    return replace(judged, adjusted=p, verdict=OVERRULED[judged.verdict], reason=reason)


def standing(
    found: Verdict, budget: str, own_data: bool, jpeg_copy: bool, caveats: Sequence[str] = ()
) -> tuple[Verdict, str]:
    """What a verdict is worth, and why: itself at the paper's budget on the claim's data, else an indication."""
    if found not in WEAKER:
        return found, ""
    whys = [f"the {budget} budget"] * (budget != "paper") + ["other data"] * (not own_data and not jpeg_copy)
    whys += caveats
    return WEAKER[found] if whys else found, "; ".join(["JPEG copy"] * jpeg_copy + whys)


def selected(last: Verdict, best: Verdict) -> Verdict:
    """The last epoch's verdict, unless that of the best test epoch, which the paper reports, is another."""
    return last if last == best else "undecided"


def from_memory(claim: Claim, rows: Sequence[PaperRow]) -> bool:
    """Whether the claim or a row of it rests on memory: the weaker counts."""
    return "memory" in {claim.confidence, *(row.confidence for row in rows)}


def mostly_diverged(row: MeasuredRow) -> bool:
    """Whether more runs diverged than did not: the others no longer stand for the row."""
    return row.diverged > len(row.figures)


def judge(
    claim: Claim, table: Table | None, left: Sequence[MeasuredRow], right: Sequence[MeasuredRow], budget: str,
    *, own_data: bool = True, jpeg_copy: bool = False, paired: bool = False,
) -> Judged:  # fmt: skip
    """A claim of this table, before Holm; left and right are its sides' rows, several where the best of them counts.

    own_data: the claim's dataset. jpeg_copy: the JPEG copy of it. paired: by seed, where the recipe declares it.
    """
    if table is None or claim.kind == "qualitative":
        return Judged(claim, "qualitative", claim.note or "no row decides it")
    sides = (left, right)
    better = max if claim.field == "value" and table.metric.better == "higher" else min
    judged = _lacking(claim, sides) or _decided(claim, table.selection, better, sides, paired)
    a, b = (_pick(better, (row.theirs.field(claim.field or "") for row in side)) for side in sides)
    theirs = None if a is None or b is None else float(find(claim, [a], [b]).effect)
    share = judged.ours / theirs if theirs and judged.ours is not None else None
    found, why = standing(judged.verdict, budget, own_data, jpeg_copy, _caveats(claim, sides))
    reason = "; ".join(filter(None, (judged.reason, why)))
    return replace(judged, verdict=found, reason=reason, theirs=theirs, ratio=share)


def _pick(better: Better, values: Iterable[float | None]) -> Any:
    return better((value for value in values if value is not None), default=None)


def _has(claim: Claim, row: MeasuredRow) -> bool:
    if claim.field in EXACT:
        return getattr(row, claim.field) is not None
    return bool(row.figures) and not mostly_diverged(row)


def _labels(rows: Sequence[MeasuredRow]) -> str:
    return ", ".join(row.theirs.label for row in rows)


def _lacking(claim: Claim, sides: Sides) -> Judged | None:
    """What becomes of a claim with nothing on a side."""
    if claim.field not in (*EXACT, "value"):
        return Judged(claim, "not runnable here", f"no run measures {claim.field}")
    empty = [side for side in sides if not any(_has(claim, row) for row in side)]
    barred = [row.reason for side in empty for row in side if all(each.reason for each in side)]
    if barred:
        return Judged(claim, "not runnable here", str(barred[0]))
    unseen = [side for side in empty if not any(row.diverged for row in side)]
    if unseen:
        return Judged(claim, "not run", f"nothing of {_labels(unseen[0])}")
    return Judged(claim, "undecided", f"most runs diverged of {_labels(empty[0])}") if empty else None


def _caveats(claim: Claim, sides: Sides) -> list[str]:
    """Why no more than an indication is found, besides the budget and the data."""
    some = [side for side in sides if any(_has(claim, row) for row in side)]
    without = [row for row in chain(*some) if not _has(claim, row)]
    found = ["from memory"] * from_memory(claim, [row.theirs for row in chain(*sides)])
    found += [f"without {_labels(without)}"] * bool(without)
    if claim.field in EXACT:
        return found
    unended = [row for row in chain(*sides) if row.missing and row not in without]
    found += [f"seeds have not ended of {_labels(unended)}"] * bool(unended)
    choices = sum(len(side) > 1 for side in sides)
    chosen = choices > 1 or (choices == 1 and claim.kind != "less_than")  # what choosing costs is not known there
    return found + ["the best row was chosen by the figures that are compared"] * chosen


def _exact(claim: Claim, sides: Sides) -> Judged:
    left, right = (_pick(min, (getattr(row, claim.field or "") for row in side)) for side in sides)
    found = find(claim, [left], [right])
    says = VERDICTS[0] if found.excess >= 0 else VERDICTS[1]
    return Judged(claim, says, f"exact: {left:,} and {right:,}", ours=float(found.effect))


def _decided(claim: Claim, selection: str, better: Better, sides: Sides, paired: bool) -> Judged:
    """By counts; or by the last epoch and, where the paper reports its best test epoch, by that."""
    if claim.field in EXACT:
        return _exact(claim, sides)
    left, right = ([row for row in side if _has(claim, row)] for side in sides)
    judged = _compared(claim, better, (left, right), paired, best=False)
    if selection == BEST_EPOCH:
        last, best = judged.verdict, _compared(claim, better, (left, right), paired, best=True).verdict
        why = judged.reason if last == best else f"selection: {last} by the last epoch, {best} by the best"
        judged = replace(judged, verdict=selected(last, best), reason=why)
    lost = [f"{row.theirs.label}: {row.diverged} diverged" for row in (*left, *right) if row.diverged]
    return replace(judged, reason="; ".join([judged.reason, *lost]))


def _compared(claim: Claim, better: Better, sides: Sides, paired: bool, best: bool) -> Judged:
    """The rows with the best means; p is of what choosing them from k pairs of rows costs.

    That one row beats the best of several is shown by beating each (the largest p), refuted by the chosen one (k p);
    that the best of several beats one row, the other way round.
    """
    left, right = ([_figures(row, best) for row in side] for side in sides)
    means = [[_mean(np.array([*row.values()])) for row in side] for side in (left, right)]
    i, j = (side.index(better(side)) for side in means)
    found = [find(claim, *_matched(a, b, paired), paired=paired) for a, b in product(left, right)]
    chosen = found[i * len(right) + j]
    each = (chosen.excess > 0) == ((len(right) > 1) == (better is min))
    tests, cost = (found, 1) if each else ([chosen], len(found))
    p = min(1.0, cost * max(float(test.p) for test in tests)) if all(test.tested for test in tests) else None
    says = verdict(chosen.excess, p)
    reason = "no interval: too few runs, or no spread" if p is None else f"the interval lies {LIES[says]}"
    half = chosen.half if chosen.tested and claim.kind != "ratio" else None
    seeds = [test.needed(LEVEL / cost) for test in tests] if says == VERDICTS[2] else [None]
    needed = None if None in seeds else max(n for n in seeds if n)
    return Judged(claim, says, reason, ours=float(chosen.effect), half=half, p=p, needed=needed)


def _figures(row: MeasuredRow, best: bool) -> dict[int, float]:
    """By seed; at the last epoch, or at the best."""
    found = {run.seed: run.best if best else run.figure for run in row.runs if run.figure is not None}
    return {seed: figure for seed, figure in found.items() if figure is not None}


def _matched(a: dict[int, float], b: dict[int, float], paired: bool) -> tuple[list[float], list[float]]:
    x, y = [sorted(a.keys() & b.keys())] * 2 if paired else (sorted(a), sorted(b))
    return [a[seed] for seed in x], [b[seed] for seed in y]
