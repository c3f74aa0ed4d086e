"""Momentum correction: lr inside the velocity against the equation, and against SGD with lr outside."""

import math

import numpy as np
import pytest
import torch

from tests.tricks.optimizer import problem
from tests.tricks.optimizer.problem import check, equal, lone, solve, steady
from tricktable.tricks.optimizer.sgd import SGD
from tricktable.tricks.optimizer.sgd_corrected import SGDCorrected


@pytest.mark.parametrize("momentum", [0.0, 0.8])
@pytest.mark.parametrize("correction", [False, True])
def test_the_equation_over_a_run(correction, momentum):
    def rule(w, g, s, t, knobs):
        factor = knobs.lr / s.get("lr", knobs.lr) if correction else 1
        s["v"] = knobs.momentum * factor * s.get("v", 0) + knobs.lr * (g + knobs.weight_decay * w)
        s["lr"] = knobs.lr
        w -= s["v"]

    check(
        lambda groups: SGDCorrected(
            groups, lr=0.1, momentum=momentum, weight_decay=0.1, momentum_correction=correction
        ),
        rule,
        lr=0.1,
        momentum=momentum,
        weight_decay=0.1,
    )


def sgd(groups):
    return torch.optim.SGD(groups, lr=0.1, momentum=0.8, weight_decay=0.1)


def test_with_the_correction_it_is_sgd_step_for_step():
    for steps in (1, 2, 12, 61, 100):
        equal(lambda groups: SGDCorrected(groups, lr=0.1, momentum=0.8, weight_decay=0.1), sgd, steps=steps)


def test_without_the_correction_it_is_not():
    found = solve(
        lambda groups: SGDCorrected(groups, lr=0.1, momentum=0.8, weight_decay=0.1, momentum_correction=False)
    )
    assert np.abs(found[0] - solve(sgd)[0]).max() > 1e-4


@pytest.mark.parametrize(
    "lr",
    [
        lambda t: t / 30,  # a warm-up from 0
        lambda t: abs(t % 20 - 10) / 10,  # a triangle with base 0
        lambda t: max(0.0, math.sin(t / 3)),  # many zeros in a row, at first and later
        lambda t: 0.0 if t < 7 else 1e-9 if t < 9 else 1.0,
    ],
)
def test_with_the_correction_it_is_sgd_where_lr_goes_through_0(monkeypatch, lr):
    old = problem.factors
    monkeypatch.setattr(problem, "factors", lambda t: {**old(t), "lr": lr(t)})
    assert any(lr(t) == 0 for t in range(100))
    corrected = lambda groups: SGDCorrected(groups, lr=0.1, momentum=0.8, weight_decay=0.1)  # noqa: E731
    equal(corrected, lambda groups: SGD(groups, lr=0.1, momentum=0.8, weight_decay=0.1), steps=100)
    for cut in (1, 5, 31):
        for a, b in zip(solve(corrected), solve(corrected, resume_at=cut), strict=True):
            np.testing.assert_array_equal(a, b)


def test_without_the_correction_a_step_with_lr_0_has_the_past_alone():
    groups = lone((0.0,))
    (p,) = groups[0]["params"]
    optimizer = SGDCorrected(groups, lr=1.0, momentum=0.5, weight_decay=0.0, momentum_correction=False)
    seen = []
    for lr in (1.0, 0.0, 1.0):
        optimizer.param_groups[0]["lr"] = lr
        p.grad = torch.ones_like(p)
        optimizer.step()
        seen.append(-p.item())
    assert seen == [1.0, 1.5, 2.75]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"lr": -1.0}, "lr must be at least 0, got -1"),
        ({"momentum": 1.0}, r"momentum must lie in \[0, 1\), got 1"),
        ({"weight_decay": -0.1}, "weight_decay must be at least 0, got -0.1"),
    ],
)
def test_out_of_range(arguments, line):
    with pytest.raises(ValueError, match=f"^{line}$"):
        SGDCorrected(lone(), **arguments)


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
def test_the_step_of_a_steady_gradient(momentum):
    make = lambda groups: SGDCorrected(groups, momentum=momentum, weight_decay=0.0)  # noqa: E731
    gain = make(lone()).momentum_gain(momentum)
    assert gain == pytest.approx(1 / (1 - momentum)) and steady(make) == pytest.approx(gain, rel=1e-6)
