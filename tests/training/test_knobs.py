import math

import pytest

from tricktable.runner.training.knobs import Knobs


def test_values_are_base_times_schedule():
    knobs = Knobs({"lr": 0.1, "batch_size": 128, "momentum": 0.9}, {"lr": lambda t: 1 / (1 + t)}, n=1000)
    assert knobs.at(0) == {"lr": 0.1, "batch_size": 128, "momentum": 0.9}
    assert knobs.at(1.5)["lr"] == pytest.approx(0.1 / 2.5)


@pytest.mark.parametrize(("drop", "expected"), [(False, [(0, 40), (40, 80), (80, 100)]), (True, [(0, 40), (40, 80)])])
def test_the_last_batch_is_kept_or_dropped(drop, expected):
    knobs = Knobs({"lr": 1, "batch_size": 40}, {}, n=100, drop_last=drop)
    assert list(knobs.batches(0)) == expected
    assert knobs.updates(3) == 3 * len(expected)


@pytest.mark.parametrize(("drop", "updates"), [(False, 78_200), (True, 78_000)])
def test_updates_of_a_cifar_run(drop, updates):
    """200 epochs of 50,000 images at 128: 391 steps per epoch, 390 without the last 80 images."""
    assert Knobs({"lr": 1, "batch_size": 128}, {}, n=50_000, drop_last=drop).updates(200) == updates


@pytest.mark.parametrize(("drop", "updates"), [(False, 29_240), (True, 29_040)])
def test_updates_of_a_growing_batch(drop, updates):
    """Smith et al. 2018 (arXiv:1711.00489), increasing batch: times 5 at epochs 60, 120, 160, capped at 5120."""
    factor = lambda t: min(5 ** sum(t >= at for at in (60, 120, 160)), 5120 / 128)  # noqa: E731
    knobs = Knobs({"lr": 0.1, "batch_size": 128}, {"batch_size": factor}, n=50_000, drop_last=drop)
    assert knobs.updates(200) == updates
    assert knobs.largest_batch(200) == 5120


def test_a_batch_that_changes_within_an_epoch():
    """The size is read at epoch + position/N before each batch."""
    knobs = Knobs({"lr": 1, "batch_size": 10}, {"batch_size": lambda t: 3 if t >= 0.2 else 1}, n=100)
    assert list(knobs.batches(0)) == [(0, 10), (10, 20), (20, 50), (50, 80), (80, 100)]


def test_batches_from_a_position_are_the_tail_of_the_epoch():
    knobs = Knobs({"lr": 1, "batch_size": 7}, {"batch_size": lambda t: 1 + math.floor(4 * (t % 1))}, n=500)
    whole = list(knobs.batches(2))
    for i, (start, _) in enumerate(whole):
        assert list(knobs.batches(2, start)) == whole[i:]
    assert list(knobs.batches(2, 500)) == []


def test_a_batch_has_at_least_one_image():
    assert Knobs({"lr": 1, "batch_size": 4}, {"batch_size": lambda t: 0.01}, n=8).at(0)["batch_size"] == 1
