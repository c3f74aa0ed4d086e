"""A factor through given points."""

import math

import numpy as np
import pytest

from tricktable.tricks.schedule.piecewise import Piecewise


def test_straight_lines_between_the_points():
    points = [[1, 0.1], [5, 2.0], [6, 2.0], [20, 0.0]]
    piecewise = Piecewise(points, total_epochs=30)
    for i in range(121):
        assert piecewise(i / 4) == pytest.approx(np.interp(i / 4, *zip(*points, strict=True)))


def test_a_constant_is_held_until_the_next_point():
    piecewise = Piecewise([[0, 1.0], [3, 5.0], [7.5, 0.25]], total_epochs=10, interpolate="constant")
    expected = {0: 1, 2.999: 1, 3: 5, 7.499: 5, 7.5: 0.25, 10: 0.25, 11: 0.25}
    assert [piecewise(t) for t in expected] == list(expected.values())


@pytest.mark.parametrize("total", [2, 30])
def test_the_schedule_of_swa(total):
    piecewise = Piecewise([[0, 1.0], [0.5, 1.0], [0.9, 0.01]], total_epochs=total)
    for i in range(101):
        share = i / 100
        expected = 1.0 if share <= 0.5 else 1 - (1 - 0.01) * (share - 0.5) / 0.4 if share <= 0.9 else 0.01
        assert piecewise(share * total) == pytest.approx(expected)


@pytest.mark.parametrize("total", [30, 90, 100, 164, 200])
def test_a_share_that_is_a_whole_epoch_acts_on_its_first_step(total):
    for epoch in range(1, total):
        piecewise = Piecewise([[0, 1.0], [epoch / total, 3.0]], total_epochs=total, interpolate="constant")
        assert (piecewise(epoch - 1e-6), piecewise(epoch)) == (1, 3)


@pytest.mark.parametrize(
    ("batch", "points", "updates"),
    [
        (128, [[0, 1], [60, 5], [120, 25], [160, 40]], 29240),
        (640, [[0, 1], [60, 5], [120, 8]], 6500),
        (3200, [[0, 1], [60, 1.6]], 2360),
    ],
    ids=["increasing batch", "increased initial learning rate", "increased momentum"],
)
def test_the_updates_of_smiths_schedules_with_the_batch_capped_at_5120(batch, points, updates):
    piecewise = Piecewise(points, total_epochs=200, interpolate="constant")
    assert sum(math.ceil(50000 / (batch * piecewise(epoch))) for epoch in range(200)) == updates


@pytest.mark.parametrize("points", [[[0, 0.5]], [[4, 0.5]]])
def test_one_point_is_a_constant(points):
    assert [Piecewise(points, total_epochs=10)(t) for t in (0, 4, 9)] == [0.5] * 3


@pytest.mark.parametrize(
    ("points", "line"),
    [
        ([], "points must be pairs"),
        ([[0, 1], [1]], "points must be pairs"),
        ([[0, 1, 2]], "points must be pairs"),
        ([[-1, 1]], "points must have increasing epochs from 0 to the run's 10"),
        ([[5, 1], [3, 1]], "points must have increasing epochs from 0 to the run's 10"),
        ([[5, 1], [5, 2]], "points must have increasing epochs from 0 to the run's 10"),
        ([[0.5, 1], [3, 2]], r"points must have increasing .* got \[5.0, 3\]"),
        ([[0, 1], [11, 1]], "points must have increasing epochs from 0 to the run's 10"),
        ([[0, 1], [3, -0.1]], "points must have factors of at least 0"),
    ],
)
def test_points_that_cannot_be(points, line):
    with pytest.raises(ValueError, match=line):
        Piecewise(points, total_epochs=10)
