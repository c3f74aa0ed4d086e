"""Adam against its equations; eps outside the root, the decay coupled."""

import numpy as np
import pytest
import torch

from tests.tricks.optimizer.problem import check, lone, steady
from tricktable.tricks.optimizer.adam import Adam


def rule(w, g, s, t, knobs):
    g = g + knobs.weight_decay * w
    s["m"] = knobs.momentum * s.get("m", 0) + (1 - knobs.momentum) * g
    s["v"] = 0.99 * s.get("v", 0) + 0.01 * g**2
    w -= knobs.lr * (s["m"] / (1 - knobs.momentum**t)) / (np.sqrt(s["v"] / (1 - 0.99**t)) + 1e-3)


def test_the_equations_over_a_run():
    check(
        lambda groups: Adam(groups, lr=0.03, beta1=0.8, beta2=0.99, eps=1e-3, weight_decay=0.1),
        rule,
        lr=0.03,
        momentum=0.8,
        weight_decay=0.1,
    )


def test_the_defaults():
    optimizer = Adam(lone())
    group = optimizer.param_groups[0]
    assert (group["lr"], group["betas"], group["eps"], group["weight_decay"]) == (1e-3, (0.9, 0.999), 1e-8, 0.0)
    assert group["foreach"] and not group["fused"]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"lr": -1.0}, "lr must be at least 0, got -1"),
        ({"beta1": 1.0}, r"beta1 must lie in \[0, 1\), got 1"),
        ({"beta2": -0.1}, r"beta2 must lie in \[0, 1\), got -0.1"),
        ({"eps": 0.0}, "eps must be above 0, got 0"),
        ({"weight_decay": -0.1}, "weight_decay must be at least 0, got -0.1"),
    ],
)
def test_out_of_range(arguments, line):
    with pytest.raises(ValueError, match=f"^{line}$"):
        Adam(lone(), **arguments)


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
def test_a_steady_gradients_step_is_lr_whatever_the_momentum(momentum):
    optimizer = Adam(lone())
    assert optimizer.momentum_gain(momentum) == 1
    assert steady(lambda groups: Adam(groups, beta1=momentum)) == pytest.approx(1, rel=1e-3)


def test_the_first_step_is_lr_times_the_gradients_sign():
    p = torch.nn.Parameter(torch.zeros(5, dtype=torch.float64))
    optimizer = Adam([{"params": [p]}], lr=0.25)
    p.grad = torch.tensor([1e-4, -3.0, 700.0, -0.02, 1.0], dtype=torch.float64)
    optimizer.step()
    torch.testing.assert_close(p.detach(), -0.25 * p.grad.sign(), rtol=1e-3, atol=0)
