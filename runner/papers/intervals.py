"""Student's t intervals of means and of their differences. Values are a figure of several seeds."""

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


def _quantile(freedom: float, confidence: float) -> float:
    from scipy.stats import t

    return float(t.ppf((1 + confidence) / 2, freedom))
