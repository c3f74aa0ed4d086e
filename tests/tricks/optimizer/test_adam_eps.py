"""Adam-eps against its equations: eps before the bias correction."""

import numpy as np
import pytest
import torch

from tests.tricks.optimizer.problem import check, lone, steady
from tricktable.tricks.optimizer.adam_eps import AdamEps


def test_the_equations_over_a_run():
    def rule(w, g, s, t, knobs):
        s["m"] = knobs.momentum * s.get("m", 0) + (1 - knobs.momentum) * g
        s["v"] = 0.99 * s.get("v", 0) + 0.01 * g**2
        psi = np.sqrt(1 - 0.99**t) / (1e-2 + np.sqrt(s["v"]))
        w -= knobs.lr * knobs.weight_decay * w
        w -= knobs.lr * s["m"] / (1 - knobs.momentum**t) * psi

    check(
        lambda groups: AdamEps(groups, lr=0.03, beta1=0.8, beta2=0.99, eps=1e-2, weight_decay=0.1),
        rule,
        lr=0.03,
        momentum=0.8,
        weight_decay=0.1,
    )


def test_at_the_first_step_eps_counts_32_times():
    groups = lone((0.0,))
    (p,) = groups[0]["params"]
    optimizer = AdamEps(groups, lr=1.0)
    p.grad = torch.full_like(p, 1e-3)
    optimizer.step()
    assert -p.item() == pytest.approx(1e-3 / (1e-3 + 1e-4 / np.sqrt(0.001)), rel=1e-4)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"lr": -1.0}, "lr must be at least 0, got -1"),
        ({"beta1": 1.0}, r"beta1 must lie in \[0, 1\), got 1"),
        ({"beta2": 1.0}, r"beta2 must lie in \[0, 1\), got 1"),
        ({"eps": 0.0}, "eps must be above 0, got 0"),
        ({"weight_decay": -0.1}, "weight_decay must be at least 0, got -0.1"),
    ],
)
def test_out_of_range(arguments, line):
    with pytest.raises(ValueError, match=f"^{line}$"):
        AdamEps(lone(), **arguments)


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
def test_a_steady_gradients_step_is_lr_whatever_the_momentum(momentum):
    optimizer = AdamEps(lone())
    assert optimizer.momentum_gain(momentum) == 1
    assert steady(lambda groups: AdamEps(groups, beta1=momentum, eps=1e-8)) == pytest.approx(1, rel=1e-3)
