"""Whether tricks add up: tests of many effects at once from few seeds each, with false discoveries held at a rate.

With y a figure by seed of the base, of a trick a, of b, and of both:

    effect       e_a  = y_a - y_0
    interaction  i_ab = y_ab - y_a - y_b + y_0        0 where a and b add up

Each is had within a seed, which all of them share, and tested over the n seeds. Few seeds say little of a spread, so
the spreads of the m estimates inform each other by the moderated t (Smyth 2004, Stat. Appl. Genet. Mol. Biol. 3, art.
3): s_i^2, with d = n - 1 degrees of freedom, is taken as s_0^2 F(d, d_0). Then log s_i^2 - psi(d/2) + log(d/2) has the
mean log s_0^2 - psi(d_0/2) + log(d_0/2) and the variance psi'(d/2) + psi'(d_0/2), which give s_0 and d_0; and

    s~_i^2 = (d_0 s_0^2 + d s_i^2) / (d_0 + d),     t_i = mean_i / (s~_i / sqrt(n)),     d_0 + d degrees of freedom

p is adjusted by Benjamini & Hochberg 1995: of the effects called found, LEVEL is the expected share of false ones.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

LEVEL = 0.05
POWER = 0.8
FLOOR = 1e-5  # of the median variance: figures of few test images can be alike by chance


@dataclass(frozen=True)
class Estimate:
    """An effect: its mean over n seeds, half of its 95% interval, p, and p as adjusted for all that were tested."""

    mean: float
    half: float
    p: float
    adjusted: float
    n: int

    @property
    def found(self) -> bool:
        """Whether it is one of the findings, of which LEVEL are expected to be false."""
        return self.adjusted < LEVEL


@dataclass(frozen=True)
class Spread:
    """What the spreads of several estimates have in common: s_0, of a single seed, and its degrees of freedom d_0."""

    deviation: float
    freedom: float


def estimates(samples: Sequence[Sequence[float]]) -> tuple[list[Estimate], Spread]:
    """Test the mean of each sample against 0; a sample has at least two values, by seed."""
    from scipy.stats import false_discovery_control, t

    values = [np.asarray(sample, float) for sample in samples]
    sizes = np.array([len(each) for each in values])
    means = np.array([each.mean() for each in values])
    variances = np.array([each.var(ddof=1) for each in values])
    common = spread(variances, sizes - 1)
    freedom = common.freedom + sizes - 1
    moderated = _moderated(variances, sizes - 1, common)
    errors = np.sqrt(moderated / sizes)
    with np.errstate(divide="ignore", invalid="ignore"):
        ps = np.where(errors > 0, 2 * t.sf(np.abs(means) / errors, freedom), np.where(means == 0, 1.0, 0.0))
    halves = t.ppf(1 - LEVEL / 2, freedom) * errors
    adjusted = false_discovery_control(ps)
    columns = zip(means, halves, ps, adjusted, sizes, strict=True)
    return [Estimate(float(m), float(h), float(p), float(q), int(n)) for m, h, p, q, n in columns], common


def _moderated(variances: np.ndarray, freedom: np.ndarray, common: Spread) -> np.ndarray:
    if math.isinf(common.freedom):
        return np.full_like(variances, common.deviation**2)
    return (common.freedom * common.deviation**2 + freedom * variances) / (common.freedom + freedom)


def spread(variances: np.ndarray, freedom: np.ndarray) -> Spread:
    """Fit s_0 and d_0 to variances with these degrees of freedom, by the moments of their logarithms.

    d_0 is infinite where they differ no more than chance has them differ, and 0 where there is one alone.
    """
    from scipy.special import digamma, polygamma

    middle = float(np.median(variances))
    if len(variances) < 2 or middle == 0:
        return Spread(math.sqrt(float(variances.mean())), 0.0 if middle else math.inf)
    half = freedom / 2
    logs = np.log(np.maximum(variances, FLOOR * middle)) - digamma(half) + np.log(half)
    excess = float(logs.var(ddof=1) - polygamma(1, half).mean())
    if excess <= 0:
        return Spread(math.exp(float(logs.mean()) / 2), math.inf)
    prior = 2 * _inverse_trigamma(excess)
    shift = float(logs.mean() + digamma(prior / 2) - math.log(prior / 2))
    return Spread(math.exp(shift / 2), prior)


def _inverse_trigamma(value: float) -> float:
    """x with psi'(x) = value; psi' falls from infinity to 0."""
    from scipy.optimize import brentq
    from scipy.special import polygamma

    # 1/x < psi'(x) < 1/x + 1/x^2
    high = 1 / value + 1 / math.sqrt(value) + 1
    return float(brentq(lambda x: polygamma(1, x) - value, min(1e-8, high / 2), 2 * high))


def smallest(common: Spread, n: int, tests: int) -> float:
    """The size of an effect that n seeds find with probability POWER, were it the only one among so many tests.

    Then its p must lie below LEVEL / tests; t of it has a noncentral distribution.
    """
    from scipy.optimize import brentq
    from scipy.stats import nct, norm, t

    freedom, level = common.freedom + n - 1, LEVEL / tests / 2
    if math.isinf(freedom):
        return float(norm.isf(level) + norm.ppf(POWER)) * common.deviation / math.sqrt(n)
    threshold = float(t.isf(level, freedom))
    shift = brentq(lambda d: nct.sf(threshold, freedom, d) - POWER, 0.0, 4 * threshold + 10)
    return float(shift) * common.deviation / math.sqrt(n)


@dataclass(frozen=True)
class Additive:
    """How far a sum of single effects explains the cells' means: shares of their variance.

    noise: the share that seeds alone leave unexplained; what is neither is interactions.
    """

    share: float
    noise: float


def additive(members: Sequence[Sequence[int]], means: Sequence[float], noise: float) -> Additive:
    """Fit mean = base + a term for each member, by least squares over all cells: base, singles and pairs.

    members: of each cell the numbers of its tricks. noise: the variance of a cell's mean over seeds.
    """
    y = np.asarray(means, float)
    count = 1 + max((number for each in members for number in each), default=-1)
    design = np.zeros((len(y), 1 + count))
    design[:, 0] = 1
    for row, each in enumerate(members):
        design[row, [1 + number for number in each]] = 1
    fitted, _, rank, _ = np.linalg.lstsq(design, y, rcond=None)
    total = float(((y - y.mean()) ** 2).sum())
    if total == 0:
        return Additive(1.0, 0.0)
    left = float(((y - design @ fitted) ** 2).sum())
    return Additive(1 - left / total, min(left, noise * (len(y) - int(rank))) / total)
