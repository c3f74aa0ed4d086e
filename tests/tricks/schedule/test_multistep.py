"""Steps at given epochs."""

import math

import pytest

from tricktable.tricks.schedule.multistep import MultiStep


def test_the_papers_schedule():
    multistep = MultiStep(at=[100, 150], total_epochs=200)
    for t in (0, 50, 99.999, 100, 149.99, 150, 200):
        assert multistep(t) == pytest.approx(0.1 ** sum(t >= at for at in (100, 150)))


def test_numbers_below_one_are_shares_of_the_run():
    multistep = MultiStep(at=[0.5, 0.75], total_epochs=30, factor=0.2)
    assert [multistep(t) for t in (0, 14.99, 15, 22.49, 22.5)] == pytest.approx([1, 1, 0.2, 0.2, 0.04])


@pytest.mark.parametrize("total", [30, 90, 100, 164, 200])
def test_a_share_that_is_a_whole_epoch_acts_on_its_first_step(total):
    for epoch in range(1, total):
        assert MultiStep(at=[epoch / total], total_epochs=total)(epoch) == 0.1
        assert MultiStep(at=[epoch / total], total_epochs=total)(epoch - 1e-6) == 1


def test_a_factor_above_one_raises_the_knob():
    assert MultiStep(at=[1, 2], total_epochs=3, factor=5.0)(2.5) == 25


@pytest.mark.parametrize(
    ("at", "line"),
    [
        ([], "at must be increasing epochs above 0"),
        ([0, 5], "at must be increasing epochs above 0"),
        ([5, 3], "at must be increasing epochs above 0"),
        ([5, 5], "at must be increasing epochs above 0"),
        ([-1], "at must be increasing epochs above 0"),
        ([5, 10], "at must lie within the run's 10 epochs"),
    ],
)
def test_times_that_cannot_be(at, line):
    with pytest.raises(ValueError, match=line):
        MultiStep(at=at, total_epochs=10)


def test_the_factor_must_be_above_zero():
    with pytest.raises(ValueError, match="factor must be above 0, got 0"):
        MultiStep(at=[1], total_epochs=2, factor=0.0)


def test_the_piecewise_constant_schedule_of_super_convergence():
    multistep = MultiStep(at=[1000, 1400], total_epochs=1600)  # 50 iterations an epoch
    rates = {0: 0.35, 49999: 0.35, 50000: 0.035, 69999: 0.035, 70000: 0.0035, 80000: 0.0035}
    for iteration, rate in rates.items():
        assert 0.35 * multistep(iteration / 50) == pytest.approx(rate)


@pytest.mark.parametrize(
    ("at", "updates"),
    [([], 78200), ([60], 34520), ([60, 120, 160], 29000)],
    ids=["original", "hybrid", "increasing batch, no cap"],
)
def test_the_updates_of_smiths_schedules_of_the_batch_size(at, updates):
    factor = MultiStep(at=at, total_epochs=200, factor=5.0) if at else lambda epoch: 1.0
    assert sum(math.ceil(50000 / (128 * factor(epoch))) for epoch in range(200)) == updates
