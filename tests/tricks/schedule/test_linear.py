"""A straight line over the run."""

import pytest

from tricktable.tricks.schedule.linear import Linear


@pytest.mark.parametrize(("start", "end"), [(1.0, 0.0), (1.0, 0.01), (0.0, 1.0), (0.5, 3.0)])
def test_the_equation(start, end):
    linear = Linear(total_epochs=30, start=start, end=end)
    for i in range(61):
        assert linear(i / 2) == pytest.approx(start + (end - start) * i / 60)
    assert (linear(0), linear(30), linear(31)) == (start, end, end)


def test_the_range_test_of_super_convergence():
    linear = Linear(total_epochs=100, start=0.0, end=1.0)  # 0 to 3 in 5000 iterations, 50 an epoch
    assert [3 * linear(iteration / 50) for iteration in (0, 2500, 5000)] == pytest.approx([0, 1.5, 3])


@pytest.mark.parametrize("name", ["start", "end"])
def test_negative_factors_are_refused(name):
    with pytest.raises(ValueError, match=f"{name} must be at least 0, got -0.1"):
        Linear(total_epochs=10, **{name: -0.1})
