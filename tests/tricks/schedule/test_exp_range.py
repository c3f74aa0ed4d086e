"""Cycles between declining bounds, against the paper's values."""

import pytest

from tricktable.tricks.schedule.exp_range import ExpRange

GAMMA = 0.99994**500  # of an epoch of 500 iterations


def test_the_papers_values_where_the_amplitude_alone_declines():
    exp_range = ExpRange(total_epochs=84, stepsize=4, base=1 / 6, gamma=GAMMA, keep_base=True)
    for iteration, rate in {0: 0.001, 2000: 0.00543459, 4000: 0.001, 6000: 0.00448834}.items():
        assert 0.006 * exp_range(iteration / 500) == pytest.approx(rate, rel=1e-6)


def test_each_bound_declines_by_gamma_an_iteration():
    exp_range = ExpRange(total_epochs=84, stepsize=4, base=1 / 6, gamma=GAMMA)
    for iteration in range(0, 42000, 2000):
        bound = 0.006 if iteration % 4000 else 0.001
        assert 0.006 * exp_range(iteration / 500) == pytest.approx(bound * 0.99994**iteration)


@pytest.mark.parametrize("keep_base", [False, True])
@pytest.mark.parametrize("base", [0.0, 0.3])
def test_the_equation(base, keep_base):
    exp_range = ExpRange(total_epochs=20, stepsize=2.5, base=base, gamma=0.9, keep_base=keep_base)
    for i in range(201):
        t = i / 10
        lower = base if keep_base else base * 0.9**t
        upper = lower + (1 - base) * 0.9**t
        assert exp_range(t) == pytest.approx(lower + (upper - lower) * (1 - abs(t % 5 - 2.5) / 2.5))


@pytest.mark.parametrize("keep_base", [False, True])
def test_nothing_jumps_where_cycles_meet_and_after_the_run(keep_base):
    exp_range = ExpRange(total_epochs=31, stepsize=0.17, base=0.2, keep_base=keep_base)
    for t in (5.27, 10.54, 15.81, 31):
        assert exp_range(t - 1e-9) == pytest.approx(exp_range(t + 1e-9), abs=1e-8)
    assert exp_range(50) == exp_range(31)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"stepsize": 0.0}, "stepsize must be above 0 and at most the run's 10 epochs, got 0"),
        ({"stepsize": 10.5}, "stepsize must be above 0 and at most the run's 10 epochs, got 10.5"),
        ({"base": -0.1}, "base must be at least 0, got -0.1"),
        ({"gamma": 0.0}, r"gamma must lie in \(0, 1\], got 0"),
        ({"gamma": 1.1}, r"gamma must lie in \(0, 1\], got 1.1"),
    ],
)
def test_arguments_that_cannot_be(arguments, line):
    with pytest.raises(ValueError, match=line):
        ExpRange(total_epochs=10, **arguments)
