"""Equal ratios."""

import pytest

from tricktable.tricks.schedule.exponential import Exponential


def test_the_papers_ratio_an_epoch():
    exponential = Exponential(total_epochs=300, gamma=0.98)
    factor = 1.0
    for epoch in range(300):
        assert exponential(epoch) == pytest.approx(factor)
        assert exponential(epoch + 0.5) == pytest.approx(factor * 0.98**0.5)
        factor *= 0.98
    assert exponential(400) == exponential(300) == pytest.approx(factor)


@pytest.mark.parametrize("end", [0.001, 1e6])
def test_the_end_is_reached_in_equal_ratios(end):
    exponential = Exponential(total_epochs=7, gamma=None, end=end)
    assert (exponential(0), exponential(7), exponential(8)) == (1, end, end)
    ratios = [exponential(t + 0.1) / exponential(t) for t in range(6)]
    assert ratios == pytest.approx([end ** (0.1 / 7)] * 6)


@pytest.mark.parametrize(
    ("gamma", "end", "line"),
    [
        (None, None, "one of gamma and end must be null and the other a number, got None and None"),
        (0.9, 0.1, "one of gamma and end must be null and the other a number, got 0.9 and 0.1"),
        (0.0, None, "gamma must be above 0, got 0"),
        (None, 0.0, "end must be above 0, got 0"),
    ],
)
def test_arguments_that_cannot_be(gamma, end, line):
    with pytest.raises(ValueError, match=line):
        Exponential(total_epochs=10, gamma=gamma, end=end)
