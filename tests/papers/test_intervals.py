"""Intervals against tables and against scipy's Welch test."""

import math

import numpy as np
import pytest
from scipy import stats

from tricktable.runner.papers.intervals import difference, half_width, wilson


def test_the_interval_is_students_t():
    """Three values: t_{0.975, 2} = 4.302653 (tables), s = 1, so 4.302653 / sqrt(3)."""
    assert half_width((1.0, 2.0, 3.0)) == pytest.approx(4.302653 / math.sqrt(3), rel=1e-6)
    assert math.isnan(half_width((1.0,)))


@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_the_difference_is_welchs(confidence):
    rng = np.random.default_rng(0)
    a, b = list(rng.normal(5, 1, 5)), list(rng.normal(4, 3, 8))
    shift, half = difference(a, b, confidence)
    expected = stats.ttest_ind(a, b, equal_var=False).confidence_interval(confidence)
    assert (shift - half, shift + half) == pytest.approx((expected.low, expected.high))


def test_too_few_values_have_no_interval():
    assert difference((3.0,), (1.0, 2.0))[0] == 1.5 and math.isnan(difference((3.0,), (1.0, 2.0))[1])
    assert all(map(math.isnan, difference((), (1.0, 2.0))))
    assert difference((1.0, 1.0), (2.0, 2.0)) == (-1.0, 0.0)


@pytest.mark.parametrize(("right", "n"), [(0, 5), (5, 5), (3, 7), (90, 100)])
@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_the_interval_of_a_share_is_wilsons(right, n, confidence):
    """scipy's, and the equation that it solves: its ends lie z standard errors (of themselves) from the share."""
    low, high = wilson(right, n, confidence)
    expected = stats.binomtest(right, n).proportion_ci(confidence, method="wilson")
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    z = stats.norm.ppf((1 + confidence) / 2)
    for p in (p for p in (low, high) if 1e-9 < p < 1 - 1e-9):
        assert abs(right / n - p) == pytest.approx(z * math.sqrt(p * (1 - p) / n))
    assert wilson(0, 0) == (0.0, 1.0)
