"""Steps of equal length."""

import math

import pytest

from tricktable.tricks.schedule.step import Step


def test_the_papers_schedule():
    step = Step(total_epochs=120, every=30)
    for t, power in {0: 0, 29.999: 0, 30: 1, 59.999: 1, 60: 2, 89.999: 2, 90: 3, 119.9: 3}.items():
        assert step(t) == pytest.approx(0.1**power)


def test_the_equation():
    step = Step(total_epochs=30, every=4.5, factor=0.7)
    for i in range(300):
        assert step(i / 10 + 0.01) == pytest.approx(0.7 ** math.floor((i / 10 + 0.01) / 4.5))


@pytest.mark.parametrize("total", [1, 2, 30, 100])
def test_left_alone_it_steps_after_each_third_of_the_run(total):
    step = Step(total_epochs=total)
    for third in (1, 2):
        assert step(total * third / 3) == pytest.approx(0.1**third)
        assert step(total * third / 3 - 1e-6) == pytest.approx(0.1 ** (third - 1))


@pytest.mark.parametrize("total", [30, 90, 100, 164, 200])
def test_a_share_that_is_whole_epochs_acts_on_their_first_step(total):
    for every in range(1, total):
        step = Step(total_epochs=total, every=every / total, factor=0.5)
        for k in range(1, (total - 1) // every + 1):
            assert step(k * every) == 0.5**k
            assert step(k * every - 1e-6) == 0.5 ** (k - 1)


def test_a_length_that_is_no_binary_fraction_acts_in_time():
    step = Step(total_epochs=100, every=1.1, factor=0.5)
    for k in range(1, 90):
        assert step(k * 11 / 10) == 0.5**k


def test_the_runs_end_is_no_step():
    step = Step(total_epochs=30, every=10)
    assert step(30) == step(45) == step(29.99) == pytest.approx(0.01)


@pytest.mark.parametrize("every", [0.0, -1.0, 10.0, 12.0])
def test_lengths_that_cannot_be(every):
    with pytest.raises(ValueError, match="every must be above 0 and less than the run's 10 epochs, got"):
        Step(total_epochs=10, every=every)


def test_the_factor_must_be_above_zero():
    with pytest.raises(ValueError, match="factor must be above 0, got 0"):
        Step(total_epochs=2, factor=0.0)
