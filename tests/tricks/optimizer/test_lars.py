"""LARS against the paper's update."""

import numpy as np
import pytest
import torch
from torch import nn

from tests.tricks.optimizer.problem import check, lone, steady
from tricktable.tricks.optimizer.lars import LARS


@pytest.mark.parametrize("momentum", [0.0, 0.8])
@pytest.mark.parametrize("exempt_1d", [False, True])
def test_the_update_over_a_run(exempt_1d, momentum):
    def rule(w, g, s, t, knobs):
        local = 0.01 * np.linalg.norm(w) / (np.linalg.norm(g) + knobs.weight_decay * np.linalg.norm(w))
        if exempt_1d and w.ndim == 1:
            local = 1
        s["v"] = knobs.momentum * s.get("v", 0) + knobs.lr * local * (g + knobs.weight_decay * w)
        w -= s["v"]

    check(
        lambda groups: LARS(
            groups, lr=0.5, momentum=momentum, weight_decay=0.1, trust_coefficient=0.01, exempt_1d=exempt_1d
        ),
        rule,
        lr=0.5,
        momentum=momentum,
        weight_decay=0.1,
    )


def step_of(w, g, **arguments):
    p = nn.Parameter(torch.tensor(w))
    optimizer = LARS([{"params": [p]}], lr=1.0, **arguments)
    p.grad = torch.tensor(g)
    optimizer.step()
    return (torch.tensor(w) - p).norm().item()


def test_a_worked_example():
    assert step_of([0.6, 0.8], [0.1, 0.0], weight_decay=5e-4) == pytest.approx(0.00995025 * 0.1003, rel=1e-3)


def test_without_decay_a_steps_norm_does_not_depend_on_the_gradients():
    steps = [step_of([3.0, 4.0], [g, 0.0], weight_decay=0.0) for g in (1e-3, 1.0, 1e3)]
    assert steps == pytest.approx([0.001 * 5] * 3, rel=1e-3)


def test_a_bias_that_begins_at_0_moves():
    assert step_of([0.0, 0.0], [0.3, 0.4]) == pytest.approx(0.5)


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_no_gradient_is_no_fault(decay):
    # with decay the equation itself: local is trust / decay, of decay * w
    assert step_of([3.0, 4.0], [0.0, 0.0], weight_decay=decay) == pytest.approx(0.005 if decay else 0.0, rel=1e-3)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"lr": -1.0}, "lr must be at least 0, got -1"),
        ({"momentum": 1.0}, r"momentum must lie in \[0, 1\), got 1"),
        ({"weight_decay": -0.1}, "weight_decay must be at least 0, got -0.1"),
        ({"trust_coefficient": 0.0}, "trust_coefficient must be above 0, got 0"),
    ],
)
def test_out_of_range(arguments, line):
    with pytest.raises(ValueError, match=f"^{line}$"):
        LARS(lone(), **arguments)


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
def test_the_step_of_a_steady_gradient(momentum):
    make = lambda groups: LARS(groups, exempt_1d=True, momentum=momentum, weight_decay=0.0)  # noqa: E731
    gain = make(lone()).momentum_gain(momentum)
    assert gain == pytest.approx(1 / (1 - momentum)) and steady(make) == pytest.approx(gain, rel=1e-6)


def test_the_rate_goes_by_the_weight_and_not_by_what_is_trained_of_it():
    """gamma = 1 + delta: |gamma| decides, and delta decays, so gamma goes to 1."""
    delta, g, decay = np.array([0.0, 0.5, -0.25]), np.array([0.3, -0.4, 0.1]), 0.1
    p = nn.Parameter(torch.tensor(delta))
    optimizer = LARS([{"params": [p], "origin": 1.0}], lr=0.5, weight_decay=decay, trust_coefficient=0.01)
    expected, v = delta.copy(), 0.0
    for _ in range(3):
        gamma = 1 + expected
        local = 0.01 * np.linalg.norm(gamma) / (np.linalg.norm(g) + decay * np.linalg.norm(gamma - 1))
        v = 0.9 * v + 0.5 * local * (g + decay * (gamma - 1))
        expected = expected - v
        p.grad = torch.tensor(g)
        optimizer.step()
    np.testing.assert_allclose(p.detach().numpy(), expected, rtol=1e-12)
