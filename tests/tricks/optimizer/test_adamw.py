"""AdamW against the paper's algorithm 2, and against torch's where the decay is by lr."""

import numpy as np
import pytest
import torch

from tests.tricks.optimizer.problem import check, equal, lone, steady
from tricktable.tricks.optimizer.adamw import AdamW

SIZES = {"batch_size": 128, "n": 50000, "total_epochs": 100.0}
BETAS = {"lr": 0.03, "beta1": 0.8, "beta2": 0.99, "eps": 1e-3, "normalized": False}


def test_algorithm_2_over_a_run():
    def rule(w, g, s, t, knobs):
        s["m"] = knobs.momentum * s.get("m", 0) + (1 - knobs.momentum) * g
        s["v"] = 0.99 * s.get("v", 0) + 0.01 * g**2
        m, v = s["m"] / (1 - knobs.momentum**t), s["v"] / (1 - 0.99**t)
        w -= knobs.lr * m / (np.sqrt(v) + 1e-3) + knobs.eta * knobs.weight_decay * w

    check(
        lambda groups: AdamW(groups, **SIZES, **BETAS, weight_decay=0.01),
        rule,
        lr=0.03,
        momentum=0.8,
        weight_decay=0.01,
    )


def test_by_lr_it_is_torchs():
    equal(
        lambda groups: AdamW(groups, **SIZES, **BETAS, weight_decay=0.1, decay_by="lr"),
        lambda groups: torch.optim.AdamW(groups, lr=0.03, betas=(0.8, 0.99), eps=1e-3, weight_decay=0.1),
    )


def test_torchs_decay_is_the_papers_over_the_base_lr():
    groups = [lone()[0]]
    (p,) = groups[0]["params"]
    optimizer = AdamW(groups, **SIZES, lr=1e-3, weight_decay=0.1, normalized=False)
    optimizer.param_groups[0]["lr"] = 0.2e-3
    p.grad = torch.zeros_like(p)
    optimizer.step()
    assert p.item() == pytest.approx(1 - 0.2 * 0.1)


def test_a_group_with_scale_0_stays():
    groups = [{**lone()[0], "lr_scale": 0.0}]
    (p,) = groups[0]["params"]
    optimizer = AdamW(groups, **SIZES, weight_decay=0.1, normalized=False)
    optimizer.param_groups[0]["lr"] = 0.0
    p.grad = torch.ones_like(p)
    optimizer.step()
    assert p.item() == 1


def test_a_parameter_without_gradient_does_not_age():
    a, b = lone()[0]["params"][0], lone()[0]["params"][0]
    optimizer = AdamW([{"params": [a, b]}], **SIZES, weight_decay=0.0)
    a.grad = torch.ones_like(a)
    optimizer.step()
    assert b.item() == 1 and not optimizer.state[b]
    b.grad = torch.ones_like(b)
    optimizer.step()
    assert 1 - b.item() == pytest.approx(1e-3, rel=1e-3)  # its own first step is of size lr


def test_normalized_weight_decay():
    optimizer = AdamW(lone(), **SIZES, weight_decay=0.025)
    assert optimizer.defaults["weight_decay"] == pytest.approx(0.000126491, rel=1e-5)
    assert optimizer.param_groups[0]["weight_decay"] == optimizer.defaults["weight_decay"]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"lr": 0.0}, "lr must be above 0, got 0"),
        ({"beta1": 1.0}, r"beta1 must lie in \[0, 1\), got 1"),
        ({"beta2": 1.0}, r"beta2 must lie in \[0, 1\), got 1"),
        ({"eps": 0.0}, "eps must be above 0, got 0"),
        ({"weight_decay": -0.1}, "weight_decay must be at least 0, got -0.1"),
    ],
)
def test_out_of_range(arguments, line):
    with pytest.raises(ValueError, match=f"^{line}$"):
        AdamW(lone(), **SIZES, **arguments)


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
def test_a_steady_gradients_step_is_lr_whatever_the_momentum(momentum):
    assert AdamW(lone(), **SIZES).momentum_gain(momentum) == 1
    make = lambda groups: AdamW(groups, **SIZES, beta1=momentum, weight_decay=0.0)  # noqa: E731
    assert steady(make) == pytest.approx(1, rel=1e-3)


def test_the_decay_does_not_know_how_lr_scales_with_the_batch():
    """lr is 4 times the base one by the batch, and the schedule's factor 0.2: w loses 0.2 lambda, or by lr 0.8 lr lambda."""
    for decay_by, expected in (("schedule", 0.2 * 0.1), ("lr", 0.8 * 0.01 * 0.1)):
        (p,) = (groups := lone())[0]["params"]
        optimizer = AdamW(groups, **SIZES, lr=0.01, weight_decay=0.1, normalized=False, decay_by=decay_by)
        optimizer.param_groups[0].update(lr=4 * 0.2 * 0.01, lr_factor=0.2)
        p.grad = torch.zeros_like(p)
        optimizer.step()
        assert 1 - p.item() == pytest.approx(expected, rel=1e-4)


def test_a_frozen_group_stays_whatever_the_schedule():
    (p,) = (groups := [{**lone()[0], "lr_scale": 0.0}])[0]["params"]
    optimizer = AdamW(groups, **SIZES, weight_decay=0.1, normalized=False)
    optimizer.param_groups[0].update(lr=0.0, lr_factor=0.7)
    p.grad = torch.ones_like(p)
    optimizer.step()
    assert p.item() == 1
