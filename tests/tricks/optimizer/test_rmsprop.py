"""RMSProp against its equations, with eps outside the root (torch) and inside it."""

import numpy as np
import pytest
import torch

from tests.tricks.optimizer.problem import check, equal, lone, steady
from tricktable.tricks.optimizer.rmsprop import RMSProp


@pytest.mark.parametrize("momentum", [0.0, 0.8])
@pytest.mark.parametrize("eps_inside", [False, True])
def test_the_equations_over_a_run(eps_inside, momentum):
    def rule(w, g, s, t, knobs):
        g = g + knobs.weight_decay * w
        s["E"] = 0.95 * s.get("E", 0) + 0.05 * g**2
        step = g / (np.sqrt(s["E"] + 0.01) if eps_inside else np.sqrt(s["E"]) + 0.01)
        s["u"] = knobs.momentum * s.get("u", 0) + step
        w -= knobs.lr * s["u"]

    check(
        lambda groups: RMSProp(
            groups, lr=0.01, alpha=0.95, eps=0.01, eps_inside=eps_inside, momentum=momentum, weight_decay=0.1
        ),
        rule,
        lr=0.01,
        momentum=momentum,
        weight_decay=0.1,
    )


@pytest.mark.parametrize("momentum", [0.0, 0.8])
def test_with_eps_outside_it_is_torchs(momentum):
    arguments = {"lr": 0.01, "alpha": 0.95, "momentum": momentum, "weight_decay": 0.1}
    equal(lambda groups: RMSProp(groups, **arguments), lambda groups: torch.optim.RMSprop(groups, **arguments))


@pytest.mark.parametrize(("alpha", "step"), [(0.9, 3.162278), (0.99, 10.0)])
def test_the_first_step(alpha, step):
    groups = lone((0.0,))
    (p,) = groups[0]["params"]
    optimizer = RMSProp(groups, lr=1.0, alpha=alpha)
    p.grad = torch.ones_like(p)
    optimizer.step()
    assert -p.item() == pytest.approx(step, rel=1e-6)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"lr": -1.0}, "lr must be at least 0, got -1"),
        ({"alpha": 1.0}, r"alpha must lie in \[0, 1\), got 1"),
        ({"momentum": 1.0}, r"momentum must lie in \[0, 1\), got 1"),
        ({"eps": 0.0}, "eps must be above 0, got 0"),
        ({"weight_decay": -0.1}, "weight_decay must be at least 0, got -0.1"),
    ],
)
def test_out_of_range(arguments, line):
    with pytest.raises(ValueError, match=f"^{line}$"):
        RMSProp(lone(), **arguments)


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
def test_the_step_of_a_steady_gradient(momentum):
    make = lambda groups: RMSProp(groups, momentum=momentum, weight_decay=0.0)  # noqa: E731
    gain = make(lone()).momentum_gain(momentum)
    assert gain == pytest.approx(1 / (1 - momentum)) and steady(make) == pytest.approx(gain, rel=1e-6)
