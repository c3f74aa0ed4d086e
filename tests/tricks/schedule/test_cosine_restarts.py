"""Warm restarts, against SGDR's and snapshot ensembles' values and torch's schedule."""

import math

import pytest
import torch

from tricktable.tricks.schedule.cosine_restarts import CosineRestarts


@pytest.mark.parametrize(("epoch", "lr"), [(0, 0.05), (2.5, 0.0426777), (5, 0.025), (7.5, 0.00732233), (10, 0.05)])
def test_the_papers_values(epoch, lr):
    restarts = CosineRestarts(total_epochs=200, cycles=None, T_0=10)
    assert 0.05 * restarts(epoch) == pytest.approx(lr, abs=1e-7)


@pytest.mark.parametrize(
    ("first", "ratio", "ends"),
    [
        (1, 2, [1, 3, 7, 15, 31, 63, 127]),
        (10, 2, [10, 30, 70, 150]),
        (50, 1, [50, 100, 150, 200]),
        (100, 1, [100, 200]),
        (200, 1, [200]),
    ],
)
def test_the_papers_cycles_end_within_200_epochs(first, ratio, ends):
    restarts = CosineRestarts(total_epochs=200, cycles=None, T_0=first, T_mult=ratio)
    for end in ends:
        assert restarts(end - 1e-6) == pytest.approx(0, abs=1e-9)
        assert restarts(end) == pytest.approx(1 if end < 200 else 0, abs=1e-9)
    lowest = [e for e in range(1, 201) if restarts(e - 1e-6) < 1e-9]
    assert lowest == ends


def test_snapshot_ensembles_five_equal_cycles():
    restarts = CosineRestarts(total_epochs=200, cycles=5, T_mult=1)
    for iteration, rate in {1: 0.2, 15641: 0.1, 31281: 0.2}.items():
        assert 0.2 * restarts((iteration - 1) / 782) == pytest.approx(rate)
    for t in range(1, 156400, 997):
        assert 0.2 * restarts((t - 1) / 782) == pytest.approx(0.1 * (math.cos(math.pi * ((t - 1) % 31280) / 31280) + 1))


def test_torchs_schedule():
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    reference = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, T_0=3, T_mult=2, eta_min=0.1)
    restarts = CosineRestarts(total_epochs=40, cycles=None, T_0=3, T_mult=2, end=0.1)
    for i in range(160):
        reference.step(i / 4)
        assert restarts(i / 4) == pytest.approx(optimizer.param_groups[0]["lr"])


@pytest.mark.parametrize("total", [2, 30, 100, 164])
@pytest.mark.parametrize("ratio", [1.0, 1.5, 2.0, 3.0])
@pytest.mark.parametrize("cycles", [1, 2, 5, 6])
def test_cycles_fill_the_run(total, ratio, cycles):
    restarts = CosineRestarts(total_epochs=total, cycles=cycles, T_mult=ratio, end=0.25)
    lengths = [ratio**i for i in range(cycles)]
    ends = [total * sum(lengths[: i + 1]) / sum(lengths) for i in range(cycles)]
    assert [restarts(end - 1e-7) for end in ends] == pytest.approx([0.25] * cycles)
    assert [restarts(end) for end in ends[:-1]] == pytest.approx([1] * (cycles - 1))
    assert restarts(0) == 1
    assert [restarts(t) for t in (total, total + 0.5, 3 * total)] == pytest.approx([0.25] * 3)


@pytest.mark.parametrize("total", [30, 90, 100, 164, 200])
def test_a_share_that_is_whole_epochs_restarts_on_their_first_step(total):
    for first in range(1, total):
        restarts = CosineRestarts(total_epochs=total, cycles=None, T_0=first / total, T_mult=1)
        for end in range(first, total, first):
            assert restarts(end) == pytest.approx(1)
            assert restarts(end - 1e-6) == pytest.approx(0, abs=1e-9)


def test_a_cycle_that_the_run_cuts_off_stays_where_it_is():
    restarts = CosineRestarts(total_epochs=20, cycles=None, T_0=10, T_mult=2)
    assert [restarts(20), restarts(25)] == pytest.approx([0.5, 0.5])


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"cycles": None}, "one of cycles and T_0 must be null and the other a number, got None and None"),
        ({"T_0": 3.0}, "one of cycles and T_0 must be null and the other a number, got 4 and 3.0"),
        ({"cycles": 0}, "cycles must be at least 1, got 0"),
        ({"cycles": None, "T_0": 0.0}, "T_0 must be above 0 and at most the run's 10 epochs, got 0"),
        ({"cycles": None, "T_0": -2.0}, "T_0 must be above 0 and at most the run's 10 epochs, got -2"),
        ({"cycles": None, "T_0": 11.0}, "T_0 must be above 0 and at most the run's 10 epochs, got 11"),
        ({"T_mult": 0.5}, "T_mult must be at least 1, got 0.5"),
        ({"end": -1.0}, "end must be at least 0, got -1"),
    ],
)
def test_arguments_that_cannot_be(arguments, line):
    with pytest.raises(ValueError, match=line):
        CosineRestarts(total_epochs=10, **arguments)
