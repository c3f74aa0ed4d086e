"""Half a cosine over the run."""

import math

import pytest

from tricktable.tricks.schedule.cosine import Cosine


@pytest.mark.parametrize(("epoch", "lr"), [(0, 0.05), (2.5, 0.0426777), (5, 0.025), (7.5, 0.00732233), (10, 0)])
def test_the_papers_values(epoch, lr):
    assert 0.05 * Cosine(total_epochs=10)(epoch) == pytest.approx(lr, abs=1e-7)


@pytest.mark.parametrize("end", [0.0, 0.01, 0.5, 2.0])
def test_the_equation(end):
    cosine = Cosine(total_epochs=30, end=end)
    for i in range(61):
        t = i / 2
        assert cosine(t) == pytest.approx(end + 0.5 * (1 - end) * (1 + math.cos(math.pi * t / 30)))
    assert cosine(31) == end


def test_a_negative_end_is_refused():
    with pytest.raises(ValueError, match=r"end must be at least 0, got -0.1"):
        Cosine(total_epochs=10, end=-0.1)
