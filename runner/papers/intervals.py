"""Intervals: of means of several seeds and of their differences by Student, of a share by Wilson."""

import math
import statistics
from collections.abc import Sequence


def half_width(values: Sequence[float], confidence: float = 0.95) -> float:
    """Half the width of the mean's interval: t_{n-1} s / sqrt(n); NaN for fewer than two values."""
    if len(values) < 2:
        return math.nan
    return _quantile(len(values) - 1, confidence) * statistics.stdev(values) / math.sqrt(len(values))


def difference(a: Sequence[float], b: Sequence[float], confidence: float = 0.95) -> tuple[float, float]:
    """mean(a) - mean(b), and half the width of its interval by Welch 1947; NaN for fewer than two values of either.

    With v = s^2 / n of each: t_df sqrt(v_a + v_b), df = (v_a + v_b)^2 / (v_a^2 / (n_a - 1) + v_b^2 / (n_b - 1)).
    """
    if not a or not b:
        return math.nan, math.nan
    shift = statistics.fmean(a) - statistics.fmean(b)
    if min(len(a), len(b)) < 2:
        return shift, math.nan
    v_a, v_b = statistics.variance(a) / len(a), statistics.variance(b) / len(b)
    if v_a + v_b == 0:
        return shift, 0.0
    freedom = (v_a + v_b) ** 2 / (v_a**2 / (len(a) - 1) + v_b**2 / (len(b) - 1))
    return shift, _quantile(freedom, confidence) * math.sqrt(v_a + v_b)


def wilson(right: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """The interval of a share of which `right` of n were seen, by Wilson 1927: (low, high); (0, 1) for n = 0.

    The shares p with |right/n - p| <= z sqrt(p (1 - p) / n): with s = right/n,

        (s + z^2 / 2n ± z sqrt(s (1 - s) / n + z^2 / 4n^2)) / (1 + z^2 / n)
    """
    from scipy.stats import norm

    if n == 0:
        return 0.0, 1.0
    z, share = float(norm.ppf((1 + confidence) / 2)), right / n
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    low, high = ((share + z * z / (2 * n) + sign * half) / (1 + z * z / n) for sign in (-1, 1))
    return max(0.0, low), min(1.0, high)


def _quantile(freedom: float, confidence: float) -> float:
    from scipy.stats import t

    return float(t.ppf((1 + confidence) / 2, freedom))
