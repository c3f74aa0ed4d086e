"""The inverse of the root of the time."""

import itertools
import math

import pytest

from tricktable.tricks.schedule.inverse_sqrt import InverseSqrt


def test_with_one_update_as_timescale_it_is_the_papers_rate_of_each_update():
    images, batch = 60_000, 128
    factor = InverseSqrt(timescale=batch / images)
    for t in (1, 2, 3, 4, 100, 469, 21_105):
        assert factor((t - 1) * batch / images) == pytest.approx(t**-0.5, rel=1e-12)


def test_it_begins_at_1_and_has_lost_a_factor_of_root_2_after_the_timescale():
    factor = InverseSqrt(timescale=3.0)
    assert factor(0) == 1.0
    assert factor(3) == pytest.approx(math.sqrt(0.5))
    times = [i / 10 for i in range(400)]
    assert all(factor(a) > factor(b) > 0 for a, b in itertools.pairwise(times))


@pytest.mark.parametrize("timescale", [0.0, -1.0, math.inf, math.nan])
def test_a_timescale_that_cannot_be(timescale):
    with pytest.raises(ValueError, match=f"timescale must be above 0 and finite, got {timescale:g}"):
        InverseSqrt(timescale=timescale)
