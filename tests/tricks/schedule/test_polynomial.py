"""A power of the time that is left."""

import pytest

from tricktable.tricks.schedule.polynomial import Polynomial


@pytest.mark.parametrize("power", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("end", [0.0, 0.01, 2.0])
def test_the_equation(power, end):
    polynomial = Polynomial(total_epochs=30, power=power, end=end)
    for i in range(61):
        assert polynomial(i / 2) == pytest.approx(end + (1 - end) * (1 - i / 60) ** power)
    assert (polynomial(0), polynomial(30), polynomial(31)) == (1, end, end)


@pytest.mark.parametrize(
    ("argument", "line"),
    [({"power": 0.0}, "power must be above 0, got 0"), ({"end": -1.0}, "end must be at least 0, got -1")],
)
def test_arguments_that_cannot_be(argument, line):
    with pytest.raises(ValueError, match=line):
        Polynomial(total_epochs=10, **argument)
