"""No schedule."""

from tricktable.tricks.schedule.constant import Constant


def test_the_factor_is_one():
    assert [Constant()(t) for t in (0, 0.5, 100.0)] == [1, 1, 1]
