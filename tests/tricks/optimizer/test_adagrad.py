"""Adagrad against its equations, with eps outside the root (the paper) and inside it."""

import numpy as np
import pytest
import torch

from tests.tricks.optimizer.problem import check, lone
from tricktable.tricks.optimizer.adagrad import Adagrad


@pytest.mark.parametrize("eps_inside", [False, True])
def test_the_equations_over_a_run(eps_inside):
    def rule(w, g, s, t, knobs):
        g = g + knobs.weight_decay * w
        s["sum"] = s.get("sum", 0) + g**2
        w -= knobs.lr * g / (np.sqrt(s["sum"] + 0.05) if eps_inside else np.sqrt(s["sum"]) + 0.05)

    check(
        lambda groups: Adagrad(groups, lr=0.1, eps=0.05, eps_inside=eps_inside, weight_decay=0.1),
        rule,
        lr=0.1,
        weight_decay=0.1,
    )


@pytest.mark.parametrize(("eps_inside", "step"), [(False, 0.9999), (True, 0.0995037)])
def test_where_eps_stands_decides_about_small_gradients(eps_inside, step):
    groups = lone((0.0,))
    (p,) = groups[0]["params"]
    optimizer = Adagrad(groups, lr=1.0, eps=1e-10, eps_inside=eps_inside)
    p.grad = torch.full_like(p, 1e-6)
    optimizer.step()
    assert -p.item() == pytest.approx(step, rel=1e-4)


def test_the_defaults():
    optimizer = Adagrad(lone())
    group = optimizer.param_groups[0]
    assert (group["lr"], group["eps"], group["weight_decay"]) == (0.01, 1e-10, 0.0)
    assert group["foreach"] and not group["fused"]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"lr": -1.0}, "lr must be at least 0, got -1"),
        ({"eps": 0.0}, "eps must be above 0, got 0"),
        ({"weight_decay": -0.1}, "weight_decay must be at least 0, got -0.1"),
    ],
)
def test_out_of_range(arguments, line):
    with pytest.raises(ValueError, match=f"^{line}$"):
        Adagrad(lone(), **arguments)


def test_it_is_torchs_without_momentum():
    optimizer = Adagrad(lone())
    assert isinstance(optimizer, torch.optim.Adagrad) and optimizer.momentum_gain(0.0) == 1
