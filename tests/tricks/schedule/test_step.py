"""Steps at given epochs."""

import pytest

from tricks.schedule.step import Step


def test_the_papers_schedule():
    step = Step(at=[100, 150], total_epochs=200)
    for t in (0, 50, 99.999, 100, 149.99, 150, 200):
        assert step(t) == pytest.approx(0.1 ** sum(t >= at for at in (100, 150)))


def test_numbers_below_one_are_shares_of_the_run():
    step = Step(at=[0.5, 0.75], total_epochs=30, factor=0.2)
    assert [step(t) for t in (0, 14.99, 15, 22.49, 22.5)] == pytest.approx([1, 1, 0.2, 0.2, 0.04])


@pytest.mark.parametrize("total", [30, 90, 100, 164, 200])
def test_a_share_that_is_a_whole_epoch_acts_on_its_first_step(total):
    for epoch in range(1, total):
        assert Step(at=[epoch / total], total_epochs=total)(epoch) == 0.1
        assert Step(at=[epoch / total], total_epochs=total)(epoch - 1e-6) == 1


def test_a_factor_above_one_raises_the_knob():
    assert Step(at=[1, 2], total_epochs=3, factor=5.0)(2.5) == 25


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
        Step(at=at, total_epochs=10)


def test_the_factor_must_be_above_zero():
    with pytest.raises(ValueError, match="factor must be above 0, got 0"):
        Step(at=[1], total_epochs=2, factor=0.0)
