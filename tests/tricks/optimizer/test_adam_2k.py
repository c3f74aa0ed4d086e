"""Adam-2k against its description: the second moment first, then all of Adam."""

import numpy as np
import pytest
import torch

from tests.tricks.optimizer.problem import START, check, equal, lone, solve, steady
from tricktable.tricks.optimizer.adam_2k import Adam2k

ARGUMENTS = {"lr": 0.03, "beta1": 0.8, "beta2": 0.99, "eps": 1e-3, "weight_decay": 0.1}


def test_the_equations_over_a_run():
    def rule(w, g, s, t, knobs):
        s["v"] = 0.99 * s.get("v", 0) + 0.01 * g**2
        if t > 20:
            s["m"] = knobs.momentum * s.get("m", 0) + (1 - knobs.momentum) * g
            mean = s["m"] / (1 - knobs.momentum ** (t - 20))
            w -= knobs.lr * knobs.weight_decay * w
            w -= knobs.lr * mean / (np.sqrt(s["v"] / (1 - 0.99**t)) + 1e-3)

    check(lambda groups: Adam2k(groups, **ARGUMENTS, steps=20), rule, lr=0.03, momentum=0.8, weight_decay=0.1)


def test_weights_and_momentum_stand_still_in_the_first_steps():
    made = []

    def make(groups):
        made.append(Adam2k(groups, **ARGUMENTS, steps=20))
        return made[-1]

    for after, start in zip(solve(make, steps=20), START, strict=True):
        np.testing.assert_array_equal(after, start)
    assert all(not state["m"].any() and state["v"].all() for state in made[0].state.values())
    assert not any(np.array_equal(a, b) for a, b in zip(solve(make, steps=21), START, strict=True))


def test_with_no_such_steps_it_is_adam_with_decoupled_decay():
    equal(
        lambda groups: Adam2k(groups, **ARGUMENTS, steps=0),
        lambda groups: torch.optim.AdamW(groups, lr=0.03, betas=(0.8, 0.99), eps=1e-3, weight_decay=0.1),
    )


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"lr": -1.0}, "lr must be at least 0, got -1"),
        ({"beta1": 1.0}, r"beta1 must lie in \[0, 1\), got 1"),
        ({"beta2": 1.0}, r"beta2 must lie in \[0, 1\), got 1"),
        ({"eps": 0.0}, "eps must be above 0, got 0"),
        ({"weight_decay": -0.1}, "weight_decay must be at least 0, got -0.1"),
        ({"steps": -1}, "steps must be at least 0, got -1"),
    ],
)
def test_out_of_range(arguments, line):
    with pytest.raises(ValueError, match=f"^{line}$"):
        Adam2k(lone(), **arguments)


def test_a_run_in_which_no_weight_would_move_is_refused():
    optimizer = Adam2k(lone(), steps=20)
    optimizer.check_updates(21)
    with pytest.raises(ValueError, match="^steps must be less than the run's 20 updates, got 20$"):
        optimizer.check_updates(20)


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
def test_a_steady_gradients_step_is_lr_whatever_the_momentum(momentum):
    optimizer = Adam2k(lone())
    assert optimizer.momentum_gain(momentum) == 1
    assert steady(lambda groups: Adam2k(groups, beta1=momentum, steps=20)) == pytest.approx(1, rel=1e-3)
