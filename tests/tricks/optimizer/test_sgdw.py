"""SGDW against the paper's algorithm 1."""

import pytest
import torch

from tests.tricks.optimizer.problem import check, lone, steady
from tricktable.tricks.optimizer.sgdw import SGDW

SIZES = {"batch_size": 128, "n": 50000, "total_epochs": 100.0}


@pytest.mark.parametrize("momentum", [0.0, 0.8])
def test_algorithm_1_over_a_run(momentum):
    def rule(w, g, s, t, knobs):
        alpha_eta = knobs.lr
        s["m"] = knobs.momentum * s.get("m", 0) + alpha_eta * g
        w += -s["m"] - knobs.eta * knobs.weight_decay * w

    check(
        lambda groups: SGDW(groups, **SIZES, lr=0.1, momentum=momentum, weight_decay=0.02, normalized=False),
        rule,
        lr=0.1,
        momentum=momentum,
        weight_decay=0.02,
    )


def test_the_decay_does_not_know_the_learning_rate():
    shrunk = []
    for lr in (0.1, 0.001):
        groups = [{**lone()[0], "lr_scale": 0.5}]
        (p,) = groups[0]["params"]
        optimizer = SGDW(groups, **SIZES, lr=lr, weight_decay=0.1, normalized=False)
        optimizer.param_groups[0]["lr"] = lr * 0.2 * 0.5  # the schedule's factor is 0.2
        p.grad = torch.zeros_like(p)
        optimizer.step()
        shrunk.append(p.item())
    assert shrunk == pytest.approx([1 - 0.2 * 0.1] * 2)


def test_a_group_with_scale_0_stays():
    groups = [{**lone()[0], "lr_scale": 0.0}]
    (p,) = groups[0]["params"]
    optimizer = SGDW(groups, **SIZES, weight_decay=0.1, normalized=False)
    optimizer.param_groups[0]["lr"] = 0.0
    p.grad = torch.ones_like(p)
    optimizer.step()
    assert p.item() == 1


@pytest.mark.parametrize(
    ("normalized", "epochs", "expected"),
    [(0.025, 100.0, 0.000126491), (0.025, 1800.0, 2.98142e-05), (0.05, 100.0, 0.000252982)],
)
def test_normalized_weight_decay(normalized, epochs, expected):
    optimizer = SGDW(lone(), batch_size=128, n=50000, total_epochs=epochs, weight_decay=normalized)
    assert optimizer.defaults["weight_decay"] == pytest.approx(expected, rel=1e-5)
    assert optimizer.param_groups[0]["weight_decay"] == optimizer.defaults["weight_decay"]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"lr": 0.0}, "lr must be above 0, got 0"),
        ({"momentum": 1.0}, r"momentum must lie in \[0, 1\), got 1"),
        ({"weight_decay": -0.1}, "weight_decay must be at least 0, got -0.1"),
    ],
)
def test_out_of_range(arguments, line):
    with pytest.raises(ValueError, match=f"^{line}$"):
        SGDW(lone(), **SIZES, **arguments)


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
def test_the_step_of_a_steady_gradient(momentum):
    make = lambda groups: SGDW(groups, **SIZES, momentum=momentum, weight_decay=0.0)  # noqa: E731
    gain = make(lone()).momentum_gain(momentum)
    assert gain == pytest.approx(1 / (1 - momentum)) and steady(make) == pytest.approx(gain, rel=1e-6)


def test_the_decay_does_not_know_how_lr_scales_with_the_batch():
    """lr is 4 times the base one by the batch, and the schedule's factor 0.2: w loses 0.2 lambda."""
    (p,) = (groups := lone())[0]["params"]
    optimizer = SGDW(groups, **SIZES, lr=0.01, weight_decay=0.1, normalized=False)
    optimizer.param_groups[0].update(lr=4 * 0.2 * 0.01, lr_factor=0.2)
    p.grad = torch.zeros_like(p)
    optimizer.step()
    assert p.item() == pytest.approx(1 - 0.2 * 0.1)


def test_a_frozen_group_stays_whatever_the_schedule():
    (p,) = (groups := [{**lone()[0], "lr_scale": 0.0}])[0]["params"]
    optimizer = SGDW(groups, **SIZES, weight_decay=0.1, normalized=False)
    optimizer.param_groups[0].update(lr=0.0, lr_factor=0.7)
    p.grad = torch.ones_like(p)
    optimizer.step()
    assert p.item() == 1
