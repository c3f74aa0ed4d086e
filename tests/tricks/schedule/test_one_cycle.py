"""The 1cycle policy, against the paper's example and torch's schedule."""

import pytest
import torch

from tricktable.tricks.schedule.one_cycle import OneCycle


@pytest.mark.parametrize("anneal", ["linear", "cosine"])
def test_the_papers_example(anneal):
    one_cycle = OneCycle(total_epochs=50, stepsize=23, base=0.1, end=1e-4, anneal=anneal)
    for epoch, rate in {0: 0.1, 11.5: 0.55, 23: 1.0, 34.5: 0.55, 46: 0.1, 48: 0.05005, 50: 1e-4}.items():
        assert one_cycle(epoch) == pytest.approx(rate)
    assert one_cycle(60) == one_cycle(50)


def test_each_way_is_a_straight_line():
    one_cycle = OneCycle(total_epochs=50, stepsize=23, base=0.1, end=1e-4)
    for i in range(501):
        t = i / 10
        triangle, tail = 0.1 + 0.9 * (1 - abs(t - 23) / 23), 0.1 + (1e-4 - 0.1) * (t - 46) / 4
        assert one_cycle(t) == pytest.approx(triangle if t < 46 else tail)


@pytest.mark.parametrize("anneal", ["linear", "cosine"])
def test_torchs_schedule_with_three_phases(anneal):
    n, stepsize = 101, 42  # torch's time is the number of steps, counted from 0
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0, momentum=0.85)
    reference = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=2.0, total_steps=n, pct_start=(stepsize + 1) / n, anneal_strategy=anneal.replace("cosine", "cos"), three_phase=True,
        div_factor=10, final_div_factor=100, base_momentum=0.85, max_momentum=0.95,
    )  # fmt: skip
    rate = OneCycle(total_epochs=n - 1, stepsize=stepsize, base=0.1, end=0.001, anneal=anneal)
    momentum = OneCycle(total_epochs=n - 1, stepsize=stepsize, base=0.95 / 0.85, end=0.95 / 0.85, anneal=anneal)
    for i in range(n):
        assert 2 * rate(i) == pytest.approx(optimizer.param_groups[0]["lr"])
        assert 0.85 * momentum(i) == pytest.approx(optimizer.param_groups[0]["momentum"])
        if i < n - 1:
            optimizer.step()
            reference.step()


def test_the_peak_is_one_step_after_torchs():
    """Of a run of 100 steps with 30 on the way up: torch's peak is step 29, the cycle being 99 steps; here it is step 30."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0, momentum=0.85)
    torchs = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=1.0, total_steps=100, pct_start=0.3, anneal_strategy="linear", three_phase=True
    )
    rates = []
    for _ in range(100):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if len(rates) < 100:
            torchs.step()
    ours = [OneCycle(total_epochs=1, stepsize=0.3)(i / 100) for i in range(100)]
    assert rates.index(max(rates)) == 29 and ours.index(max(ours)) == 30


def test_a_stepsize_below_one_is_a_share_of_the_run():
    one_cycle = OneCycle(total_epochs=30, stepsize=0.4, base=0.2, end=0.0)
    assert [one_cycle(t) for t in (0, 12, 24, 27, 30)] == pytest.approx([0.2, 1, 0.2, 0.1, 0])


@pytest.mark.parametrize("anneal", ["linear", "cosine"])
def test_nothing_jumps(anneal):
    one_cycle = OneCycle(total_epochs=10, stepsize=0.45, anneal=anneal)
    for t in (4.5, 9, 10):
        assert one_cycle(t - 1e-9) == pytest.approx(one_cycle(t), abs=1e-8)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"stepsize": 0.0}, "stepsize must be above 0 and less than half of the run's 10 epochs, got 0"),
        ({"stepsize": 0.5}, "stepsize must be above 0 and less than half of the run's 10 epochs, got 0.5"),
        ({"stepsize": 6.0}, "stepsize must be above 0 and less than half of the run's 10 epochs, got 6"),
        ({"base": -0.1}, "base must be at least 0, got -0.1"),
        ({"end": -0.1}, "end must be at least 0, got -0.1"),
    ],
)
def test_arguments_that_cannot_be(arguments, line):
    with pytest.raises(ValueError, match=line):
        OneCycle(total_epochs=10, **arguments)
