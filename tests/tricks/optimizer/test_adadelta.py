"""Adadelta against its equations; eps inside both roots."""

import numpy as np
import pytest
import torch

from tests.tricks.optimizer.problem import check, lone
from tricktable.tricks.optimizer.adadelta import Adadelta


def rule(w, g, s, t, knobs):
    g = g + knobs.weight_decay * w
    s["E"] = 0.8 * s.get("E", 0) + 0.2 * g**2
    d = np.sqrt(s.get("D", 0) + 1e-3) / np.sqrt(s["E"] + 1e-3) * g
    s["D"] = 0.8 * s.get("D", 0) + 0.2 * d**2
    w -= knobs.lr * d


def test_the_equations_over_a_run():
    check(lambda groups: Adadelta(groups, lr=0.7, rho=0.8, eps=1e-3, weight_decay=0.1), rule, lr=0.7, weight_decay=0.1)


def test_the_defaults_are_the_papers():
    group = Adadelta(lone()).param_groups[0]
    assert (group["lr"], group["rho"], group["eps"], group["weight_decay"]) == (1.0, 0.9, 1e-6, 0.0)
    assert group["foreach"]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"lr": -1.0}, "lr must be at least 0, got -1"),
        ({"rho": 1.0}, r"rho must lie in \[0, 1\), got 1"),
        ({"eps": 0.0}, "eps must be above 0, got 0"),
        ({"weight_decay": -0.1}, "weight_decay must be at least 0, got -0.1"),
    ],
)
def test_out_of_range(arguments, line):
    with pytest.raises(ValueError, match=f"^{line}$"):
        Adadelta(lone(), **arguments)


def test_it_is_torchs_without_momentum():
    optimizer = Adadelta(lone())
    assert isinstance(optimizer, torch.optim.Adadelta) and optimizer.momentum_gain(0.0) == 1
