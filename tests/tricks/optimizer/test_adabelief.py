"""AdaBelief against the paper's algorithm 2."""

import numpy as np
import pytest
import torch

from tests.tricks.optimizer.problem import check, lone
from tricktable.tricks.optimizer.adabelief import AdaBelief


@pytest.mark.parametrize("decoupled", [False, True])
@pytest.mark.parametrize("eps", [1e-2, 1e-8])  # where it stands shows in a large one
def test_algorithm_2_over_a_run(eps, decoupled):
    def rule(w, g, s, t, knobs):
        if decoupled:
            w -= knobs.lr * knobs.weight_decay * w
        else:
            g = g + knobs.weight_decay * w
        s["m"] = knobs.momentum * s.get("m", 0) + (1 - knobs.momentum) * g
        s["s"] = 0.99 * s.get("s", 0) + 0.01 * (g - s["m"]) ** 2 + eps
        w -= knobs.lr * s["m"] / (1 - knobs.momentum**t) / (np.sqrt(s["s"] / (1 - 0.99**t)) + eps)

    check(
        lambda groups: AdaBelief(
            groups, lr=0.03, beta1=0.8, beta2=0.99, eps=eps, weight_decay=0.1, decoupled=decoupled
        ),
        rule,
        lr=0.03,
        momentum=0.8,
        weight_decay=0.1,
    )


def test_a_gradient_that_was_expected_makes_a_longer_step_than_adams():
    steps = []
    for make in (AdaBelief, torch.optim.Adam):
        groups = lone()
        (p,) = groups[0]["params"]
        optimizer = make(groups, lr=0.01)
        for _ in range(50):
            before = p.item()
            p.grad = torch.ones_like(p)
            optimizer.step()
        steps.append(before - p.item())
    assert steps[1] == pytest.approx(0.01, rel=1e-3) and steps[0] > 2 * steps[1]


def test_a_steady_gradients_step_does_not_grow_with_the_momentum():
    assert AdaBelief(lone()).momentum_gain(0.9) == 1.0


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"lr": -1.0}, "lr must be at least 0, got -1"),
        ({"weight_decay": -0.1}, "weight_decay must be at least 0, got -0.1"),
        ({"beta1": 1.0}, r"beta1 must lie in \[0, 1\), got 1"),
        ({"beta2": -0.1}, r"beta2 must lie in \[0, 1\), got -0.1"),
        ({"eps": 0.0}, "eps must be above 0, got 0"),
    ],
)
def test_out_of_range(arguments, line):
    with pytest.raises(ValueError, match=f"^{line}$"):
        AdaBelief(lone(), **arguments)
