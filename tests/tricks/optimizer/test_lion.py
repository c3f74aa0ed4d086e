"""Lion against the paper's algorithm 2."""

import math

import numpy as np
import pytest
import torch

from tests.tricks.optimizer.problem import check, lone
from tricktable.tricks.optimizer.lion import Lion


@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_algorithm_2_over_a_run(decay):
    def rule(w, g, s, t, knobs):
        m = s.get("m", np.zeros_like(w))
        c = knobs.momentum * m + (1 - knobs.momentum) * g
        w -= knobs.lr * (np.sign(c) + knobs.weight_decay * w)
        s["m"] = 0.95 * m + 0.05 * g

    check(
        lambda groups: Lion(groups, lr=0.02, beta1=0.8, beta2=0.95, weight_decay=decay),
        rule,
        lr=0.02,
        momentum=0.8,
        weight_decay=decay,
    )


def test_a_step_does_not_know_the_gradients_size_and_no_gradient_is_no_step():
    groups = lone((1.0, 1.0, 1.0, 1.0))
    (p,) = groups[0]["params"]
    optimizer = Lion(groups, lr=0.25)
    p.grad = torch.tensor([1e-12, 1e12, -3.0, 0.0])
    optimizer.step()
    assert p.tolist() == [0.75, 0.75, 1.25, 1.0]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_shows_in_the_weight(bad):
    groups = lone((1.0, 1.0))
    (p,) = groups[0]["params"]
    optimizer = Lion(groups)
    p.grad = torch.tensor([bad, 1.0])
    optimizer.step()
    assert p.isnan().tolist() == [True, False]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"lr": -1.0}, "lr must be at least 0, got -1"),
        ({"weight_decay": -0.1}, "weight_decay must be at least 0, got -0.1"),
        ({"beta1": 1.0}, r"beta1 must lie in \[0, 1\), got 1"),
        ({"beta2": -0.1}, r"beta2 must lie in \[0, 1\), got -0.1"),
    ],
)
def test_out_of_range(arguments, line):
    with pytest.raises(ValueError, match=f"^{line}$"):
        Lion(lone(), **arguments)
