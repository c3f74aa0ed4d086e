"""SWATS against the paper's algorithm 1, before and after the switch."""

import numpy as np
import pytest
import torch

from tests.tricks.optimizer.problem import START, STEPS, batch, factors, lone, scales, solve, steady
from tests.tricks.test_every_trick import check
from tricktable.runner.training.train import train
from tricktable.tricks.optimizer.swats import SWATS

LR, BETA1, BETA2, DECAY = 0.03, 0.8, 0.9, 0.1


def made(eps):
    return lambda groups: SWATS(groups, lr=LR, beta1=BETA1, beta2=BETA2, eps=eps, weight_decay=DECAY)


def algorithm_1(eps):
    """The weights at the end, and the step k that switched (None: none did), line by line as printed.

    What the runner adds: knobs that move, a second group with a scale of its own, a coupled decay.
    """
    w = [start.copy() for start in START]
    m, a, v = ([np.zeros_like(each) for each in w] for _ in range(3))
    average, switched, rate_sgd, alpha_switch = 0.0, None, None, None
    for k in range(1, STEPS + 1):
        f, x_y = factors(k - 1), batch(k - 1)
        alpha, beta1 = LR * f["lr"], BETA1 * f["momentum"]
        residual = (x_y[0] @ w[0] + w[1] - x_y[1]) / 4
        decays = [DECAY * f["weight_decay"] * s.get("decay_scale", 1) for s in scales(k - 1)]
        g = [x_y[0].T @ residual + decays[0] * w[0], residual.sum(0) + decays[1] * w[1]]
        size = [s.get("lr_scale", 1) for s in scales(k - 1)]
        if switched:
            v = [beta1 * each + gradient for each, gradient in zip(v, g, strict=True)]
            rate = (1 - beta1) * rate_sgd * alpha / alpha_switch
            w = [each - s * rate * velocity for each, s, velocity in zip(w, size, v, strict=True)]
            continue
        m = [beta1 * each + (1 - beta1) * gradient for each, gradient in zip(m, g, strict=True)]
        a = [BETA2 * each + (1 - BETA2) * gradient**2 for each, gradient in zip(a, g, strict=True)]
        correction = np.sqrt(1 - BETA2**k) / (1 - beta1**k)
        p = [-alpha * correction * x / (np.sqrt(y) + eps) for x, y in zip(m, a, strict=True)]
        w = [each + s * step for each, s, step in zip(w, size, p, strict=True)]
        p_g = sum((step * gradient).sum() for step, gradient in zip(p, g, strict=True))
        if p_g != 0:
            gamma = sum((step**2).sum() for step in p) / -p_g
            average = BETA2 * average + (1 - BETA2) * gamma
            corrected = average / (1 - BETA2**k)
            if k > 1 and abs(corrected - gamma) < eps and corrected > 0:
                switched, rate_sgd, alpha_switch = k, corrected, alpha
    return w, switched


@pytest.mark.parametrize(("eps", "step"), [(1e-9, None), (3e-4, 63), (3e-3, 2)])
def test_algorithm_1_over_a_run(eps, step):
    """By the paper's eps no step of these hundred switches; by larger ones a late and an early one do, and SGD goes on."""
    expected, switched = algorithm_1(eps)
    assert switched == step
    found = solve(made(eps))
    for a, b, start in zip(found, expected, START, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9)
        assert np.abs(a - start).max() > 1e-3
    for cut in (1, (switched or 30) - 1, switched or 30, (switched or 30) + 1, 75):
        for a, b in zip(found, solve(made(eps), resume_at=cut), strict=True):
            np.testing.assert_array_equal(a, b)


def run(gradients, **arguments):
    """The optimizer after steps of these gradients of one weight, and how far each step went."""
    groups = lone((0.0,))
    (p,) = groups[0]["params"]
    p.data = p.data.double()
    optimizer, sizes = SWATS(groups, **arguments), []
    for gradient in gradients:
        before = p.item()
        p.grad = torch.full_like(p, gradient)
        optimizer.step()
        sizes.append(before - p.item())
    return optimizer, sizes


def test_a_steady_gradient_switches_at_the_second_step_to_the_rate_that_adam_had():
    """Adam's step is lr whatever the gradient: down a slope of 4 that is SGD's of rate lr / 4, and v begins at 0."""
    optimizer, sizes = run([4.0] * 40, lr=0.5, beta1=0.5)
    (state,) = optimizer.state.values()
    assert state["rate"].item() == pytest.approx(0.5 / 4, rel=1e-7) and state["switched_at"] == 0.5
    expected = [0.5, 0.5, *(0.5 * (1 - 0.5**n) for n in range(1, 39))]
    assert sizes == pytest.approx(expected, rel=1e-6)


def test_the_first_step_never_switches_and_a_gradient_of_zero_moves_no_average():
    optimizer, _ = run([4.0])
    (state,) = optimizer.state.values()
    assert state["rate"] == 0 and state["mean"] > 0, "at k = 1 the average is the rate itself"
    before = state["mean"].item()
    optimizer.param_groups[0]["params"][0].grad.zero_()
    optimizer.step()
    assert state["mean"] == before and state["k"] == 2 and state["rate"] == 0


def test_it_does_not_switch_to_a_rate_that_goes_uphill():
    """After a step down a slope, m is against a gradient that has turned. With beta2 = 0 the average is the rate."""
    optimizer, _ = run([1.0, -0.01, -0.01], beta2=0.0)
    (state,) = optimizer.state.values()
    assert state["k"] == 3 and state["mean"] < 0 and state["rate"] == 0, "their difference is 0: the sign alone forbids"
    optimizer, _ = run([1.0, 0.01], beta2=0.0)
    (state,) = optimizer.state.values()
    assert state["rate"] == state["mean"] > 0, "and on the way down it switches"


def test_the_switch_is_of_all_parameters_at_once():
    groups = [{"params": [torch.nn.Parameter(torch.tensor([1.0, -1.0]))]} for _ in range(2)]
    optimizer = SWATS(groups, lr=0.1, eps=10.0)
    for _ in range(3):
        for group in groups:
            group["params"][0].grad = group["params"][0].detach().clone()
        optimizer.step()
    assert all(state["v"].all() for state in optimizer.state.values()), "both have a velocity, which Adam has not"


@pytest.mark.parametrize(
    "more", [["micro_batch=8", "norm=none"], ["schedule.batch_size=multistep", "groups=layerwise"]]
)
def test_a_run_that_switches_resumes_with_the_same_bits(make_run, tmp_path, more):
    overrides = ["optimizer=swats", "optimizer.eps=1.0", "epochs=2", "model=resnet8", "model.width=8", *more]
    run = make_run(*overrides)
    list(train(run, lambda: None))
    rates = [state["rate"].item() for state in run.optimizer.state.values() if "rate" in state]
    assert len(rates) == 1 and rates[0] > 0
    check(make_run, overrides, tmp_path / "run")


def test_a_parameter_without_a_gradient_stays():
    groups = [*lone(), *lone()]
    (still,), (moving,) = (group["params"] for group in groups)
    optimizer = SWATS(groups, lr=0.1)
    for _ in range(4):
        moving.grad = torch.ones_like(moving)
        optimizer.step()
    assert still.item() == 1 and moving.item() < 1
    assert optimizer.state[still]["rate"] > 0, "what concerns all is kept with the first"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"lr": -1.0}, "lr must be at least 0, got -1"),
        ({"beta1": 1.0}, r"beta1 must lie in \[0, 1\), got 1"),
        ({"beta2": -0.1}, r"beta2 must lie in \[0, 1\), got -0.1"),
        ({"eps": 0.0}, "eps must be above 0, got 0"),
        ({"weight_decay": -0.1}, "weight_decay must be at least 0, got -0.1"),
    ],
)
def test_out_of_range(arguments, line):
    with pytest.raises(ValueError, match=f"^{line}$"):
        SWATS(lone(), **arguments)


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
def test_a_steady_gradients_step_is_lr_whatever_the_momentum(momentum):
    optimizer = SWATS(lone())
    assert optimizer.momentum_gain(momentum) == 1
    assert steady(lambda groups: SWATS(groups, beta1=momentum)) == pytest.approx(1, rel=1e-3)
