"""Schedule-Free AdamW against the paper's algorithm 1."""

import math

import numpy as np
import pytest
import torch

from tests.tricks.optimizer.problem import check, check_evaluation_weights, lone
from tricktable.tricks.optimizer.schedule_free_adamw import ScheduleFreeAdamW

BASE = {"lr": 0.03, "momentum": 0.9, "weight_decay": 0.1}
OWN = {"lr": 0.03, "beta1": 0.9, "beta2": 0.99, "eps": 1e-3, "weight_decay": 0.1}


def rule(w, g, s, t, knobs):
    """w is y; knobs.momentum is beta1."""
    if t == 1:
        s["x"], s["z"], s["v"], s["gammas"] = w.copy(), w.copy(), np.zeros_like(w), []
    s["v"] = 0.99 * s["v"] + 0.01 * g**2
    gamma = knobs.lr * math.sqrt(1 - 0.99**t)
    s["gammas"].append(gamma)
    s["z"] = s["z"] - gamma * g / (np.sqrt(s["v"]) + 1e-3) - gamma * knobs.weight_decay * w
    c = gamma**2 / sum(each**2 for each in s["gammas"])
    s["x"] = (1 - c) * s["x"] + c * s["z"]
    w[...] = (1 - knobs.momentum) * s["z"] + knobs.momentum * s["x"]


def test_algorithm_1_over_a_run():
    check(lambda groups: ScheduleFreeAdamW(groups, **OWN), rule, **BASE)


def test_the_weights_to_evaluate_over_a_run():
    check_evaluation_weights(lambda groups: ScheduleFreeAdamW(groups, **OWN), rule, **BASE)


def test_the_first_step_is_of_size_lr():
    groups = lone()
    (p,) = groups[0]["params"]
    optimizer = ScheduleFreeAdamW(groups, lr=0.01)
    p.grad = torch.full_like(p, 7.0)
    optimizer.step()
    assert 1 - p.item() == pytest.approx(0.01, rel=1e-4)


def test_what_moves_the_weights_between_two_steps_moves_all_three():
    plain, shifted = [], []
    for by, found in ((0.0, plain), (0.25, shifted)):
        groups = lone()
        (p,) = groups[0]["params"]
        optimizer = ScheduleFreeAdamW(groups, lr=0.1)
        for t in range(4):
            p.grad = torch.full_like(p, 1.0 + t)
            optimizer.step()
            if t == 1:
                before = optimizer.evaluation_weights()[p].item()
                with torch.no_grad():
                    p += by
                assert optimizer.evaluation_weights()[p].item() == pytest.approx(before + by)
        found += [p.item(), optimizer.state[p]["x"].item(), optimizer.state[p]["z"].item()]
    assert shifted == pytest.approx([value + 0.25 for value in plain], rel=1e-5)


def test_the_decay_is_of_the_weight_where_the_parameter_is_an_offset():
    groups = [{**lone((-0.25,))[0], "origin": 1.0}]
    (p,) = groups[0]["params"]
    optimizer = ScheduleFreeAdamW(groups, lr=0.1, beta2=0.0, weight_decay=0.5)
    p.grad = torch.zeros_like(p)
    optimizer.step()
    assert 1 + p.item() == pytest.approx(0.75 * (1 - 0.1 * 0.5))


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"lr": 0.0}, "lr must be above 0, got 0"),
        ({"eps": 0.0}, "eps must be above 0, got 0"),
        ({"beta1": 1.0}, r"beta1 must lie in \[0, 1\), got 1"),
        ({"beta2": -0.1}, r"beta2 must lie in \[0, 1\), got -0.1"),
        ({"weight_decay": -0.1}, "weight_decay must be at least 0, got -0.1"),
    ],
)
def test_out_of_range(arguments, line):
    with pytest.raises(ValueError, match=f"^{line}$"):
        ScheduleFreeAdamW(lone(), **arguments)
