"""What figures of several seeds say of a claim: the observed effect, p, Holm's adjustment, and the seeds needed.

A claim is one or two bounds, each a combination of the sides' means that is above 0 where it is kept: less_than
R - L - margin; equal_within tolerance -+ (R - L); ratio L - (e - t) R and (e + t) R - L (Fieller's test; R is above 0).
One bound is tested on both sides. Two are kept by the larger of their one-sided p (TOST: the 90% interval lies within),
broken by the two-sided p of the one exceeded (the 95% interval lies outside). Each by Welch's t, with

    df = max(k, k (sum v)^2 / sum v^2 - 1),  v = s^2 / n of each side,  k = the smaller n - 1

Welch's own df errs for few seeds (one-sided up to 3.0% of 2.5% at n = 3 and 3, 3.6% at 3 and 10), this one at none; it
is never below k, which is always enough (Mickey & Brown 1966).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tricktable.runner.papers.facts import Claim

LEVEL = 0.05
CAP = 10_000


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
    effect = mean(x) / mean(y) if claim.kind == "ratio" else mean(y) - mean(x)
    return Finding(effect, tuple(_bound([a * x + b * y] if paired else [a * x, b * y], c) for a, b, c in bounds(claim)))


def mean(figures: np.ndarray) -> Any:
    """Over the first axis; NaN of nothing."""
    return figures.mean(0) if len(figures) else math.nan


def _bound(samples: list[np.ndarray], constant: float) -> Bound:
    variances = tuple(x.var(0, ddof=1) if len(x) > 1 else 0.0 for x in samples)
    return Bound(sum(map(mean, samples)) + constant, variances, tuple(map(len, samples)))


def holm(ps: Sequence[float]) -> list[float]:
    """Holm 1979: p_(i), the i-th smallest of m, becomes the largest of (m - j + 1) p_(j), j <= i, at most 1."""
    adjusted, largest = [0.0] * len(ps), 0.0
    for rank, i in enumerate(sorted(range(len(ps)), key=ps.__getitem__)):
        largest = adjusted[i] = max(largest, min(1.0, (len(ps) - rank) * ps[i]))
    return adjusted
