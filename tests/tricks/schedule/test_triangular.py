"""Cycles of straight lines, against the papers' values."""

import pytest

from tricktable.tricks.schedule.triangular import Triangular


def test_the_papers_values():
    triangular = Triangular(total_epochs=50, stepsize=4, base=1 / 6)  # 500 iterations an epoch, 0.001 to 0.006
    rates = {0: 0.001, 500: 0.00225, 1000: 0.0035, 2000: 0.006, 3000: 0.0035, 4000: 0.001, 6000: 0.006}
    for iteration, rate in rates.items():
        assert 0.006 * triangular(iteration / 500) == pytest.approx(rate)


def test_the_single_cycle_of_super_convergence():
    triangular = Triangular(total_epochs=200, stepsize=100, base=0.1 / 3)  # 50 iterations an epoch, 0.1 to 3
    for iteration, rate in {0: 0.1, 2500: 1.55, 5000: 3.0, 7500: 1.55, 10000: 0.1}.items():
        assert 3 * triangular(iteration / 50) == pytest.approx(rate)


def test_the_range_test_is_the_first_half_of_a_cycle_as_long_as_two_runs():
    triangular = Triangular(total_epochs=10, stepsize=10, base=0.0)
    assert [triangular(t) for t in range(11)] == pytest.approx([t / 10 for t in range(11)])


@pytest.mark.parametrize("base", [0.0, 0.3, 0.95 / 0.85])
def test_straight_lines_between_base_and_one(base):
    triangular = Triangular(total_epochs=20, stepsize=2.5, base=base)
    for i in range(201):
        t = i / 10
        up = 1 - abs(t % 5 - 2.5) / 2.5
        assert triangular(t) == pytest.approx(base + (1 - base) * up)


def test_a_stepsize_below_one_is_a_share_of_the_run():
    triangular = Triangular(total_epochs=30, stepsize=0.1, base=0.5)
    assert [triangular(t) for t in (0, 3, 6, 9, 10.5)] == pytest.approx([0.5, 1, 0.5, 1, 0.75])


def test_nothing_jumps_where_cycles_meet_and_after_the_run():
    triangular = Triangular(total_epochs=31, stepsize=5.3, base=0.2)
    for t in (5.3, 10.6, 15.9, 21.2, 31):
        assert triangular(t - 1e-9) == pytest.approx(triangular(t + 1e-9), abs=1e-8)
    assert triangular(50) == triangular(31)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"stepsize": 0.0}, "stepsize must be above 0 and at most the run's 10 epochs, got 0"),
        ({"stepsize": -2.0}, "stepsize must be above 0 and at most the run's 10 epochs, got -2"),
        ({"stepsize": 10.5}, "stepsize must be above 0 and at most the run's 10 epochs, got 10.5"),
        ({"base": -0.1}, "base must be at least 0, got -0.1"),
    ],
)
def test_arguments_that_cannot_be(arguments, line):
    with pytest.raises(ValueError, match=line):
        Triangular(total_epochs=10, **arguments)
