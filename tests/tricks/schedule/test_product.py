"""Two schedules multiplied."""

import pytest

from tricktable.tricks.schedule.product import Product


def cycles(epoch):
    return 1 - abs(epoch % 6 - 3) / 3


def drops(epoch):
    return 0.1 ** sum(epoch >= at for at in (15, 22.5))


def test_cycles_within_drops():
    product = Product(cycles, drops)
    for i in range(121):
        t = i / 4
        assert product(t) == pytest.approx((1 - abs(t % 6 - 3) / 3) * (1 if t < 15 else 0.1 if t < 22.5 else 0.01))
