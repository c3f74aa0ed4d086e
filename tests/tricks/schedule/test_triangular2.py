"""Cycles of halving amplitude, against the paper's values."""

import pytest

from tricktable.tricks.schedule.triangular2 import Triangular2


def test_the_papers_values():
    triangular2 = Triangular2(total_epochs=50, stepsize=4, base=1 / 6)  # 500 iterations an epoch, 0.001 to 0.006
    for iteration, rate in {0: 0.001, 2000: 0.006, 4000: 0.001, 6000: 0.0035, 8000: 0.001, 10000: 0.00225}.items():
        assert 0.006 * triangular2(iteration / 500) == pytest.approx(rate)


@pytest.mark.parametrize("base", [0.0, 0.3, 0.95 / 0.85])
def test_straight_lines_of_half_the_height_in_each_cycle(base):
    triangular2 = Triangular2(total_epochs=20, stepsize=2.5, base=base)
    for i in range(200):
        cycle, rest = divmod(i, 50)
        up = (1 - abs(rest - 25) / 25) / 2**cycle
        assert triangular2(i / 10) == pytest.approx(base + (1 - base) * up)


def test_a_stepsize_below_one_is_a_share_of_the_run():
    triangular2 = Triangular2(total_epochs=30, stepsize=0.1, base=0.5)
    assert [triangular2(t) for t in (0, 3, 6, 9, 12, 15)] == pytest.approx([0.5, 1, 0.5, 0.75, 0.5, 0.625])


def test_nothing_jumps_where_cycles_meet_and_after_the_run():
    triangular2 = Triangular2(total_epochs=31, stepsize=5.3, base=0.2)
    for t in (5.3, 10.6, 15.9, 21.2, 31):
        assert triangular2(t - 1e-9) == pytest.approx(triangular2(t + 1e-9), abs=1e-8)
    assert triangular2(50) == triangular2(31)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"stepsize": 0.0}, "stepsize must be above 0 and at most the run's 10 epochs, got 0"),
        ({"stepsize": 10.5}, "stepsize must be above 0 and at most the run's 10 epochs, got 10.5"),
        ({"base": -0.1}, "base must be at least 0, got -0.1"),
    ],
)
def test_arguments_that_cannot_be(arguments, line):
    with pytest.raises(ValueError, match=line):
        Triangular2(total_epochs=10, **arguments)
