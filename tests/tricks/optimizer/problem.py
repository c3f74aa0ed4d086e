"""A small problem that each optimizer solves twice: by the trick, and by a plain transcription of its rule.

Noisy least squares of a matrix and a bias in two parameter groups, in float64, with the knobs set by the runner's own
code: lr, momentum and weight_decay change during the run, and so does the second group's `lr_scale`.
"""

import contextlib
import json
import math
from types import SimpleNamespace

import numpy as np
import torch
from torch import nn

from tricktable.runner.training.run import Run

STEPS = 100
SCALES = ({}, {"lr_scale": 0.5, "decay_scale": 0.0})
START = (np.array([[0.5, -1.0], [0.0, 2.0], [1.5, 0.25]]), np.array([1.0, -0.5]))


def factors(t):
    """The schedules: a ramp then a cosine, a falling momentum, a decay that halves."""
    ramp = min(1.0, (t + 1) / 10)
    return {
        "lr": ramp * (0.55 + 0.45 * math.cos(math.pi * t / STEPS)),
        "momentum": 1.0 if t < 40 else 0.9,
        "weight_decay": 1.0 if t < 70 else 0.5,
    }


def scales(t):
    """What the groups' knobs are multiplied by."""
    return SCALES if t < 60 else (SCALES[0], {**SCALES[1], "lr_scale": 2.0})


def batch(t):
    rng = np.random.default_rng(t)
    x = rng.normal(size=(4, 3))
    return x, x @ np.array([[1.0, 0.0], [-1.0, 2.0], [0.5, 0.5]]) + 0.3 * rng.normal(size=(4, 2))


@contextlib.contextmanager
def _float64():
    """torch keeps some of its optimizers' scalars in the default type."""
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


def groups_at(values):
    params = [nn.Parameter(torch.tensor(value, dtype=torch.float64)) for value in values]
    return [{"params": [p], **scale} for p, scale in zip(params, SCALES, strict=True)]


def _take(optimizer, t):
    """One step of the runner at time t."""
    defaults = optimizer.defaults
    base = {"lr": defaults["lr"], "weight_decay": defaults["weight_decay"]}
    if "momentum" in defaults or "betas" in defaults:
        base["momentum"] = defaults["momentum"] if "momentum" in defaults else defaults["betas"][0]
    values = {knob: value * factors(t)[knob] for knob, value in base.items()}
    for group, scale in zip(optimizer.param_groups, scales(t), strict=True):
        group.update(scale)
    knobs = SimpleNamespace(at=lambda _: values, lr_factor=lambda _: factors(t)["lr"])
    Run.set_knobs(SimpleNamespace(time=t, knobs=knobs, optimizer=optimizer))
    a, b = (group["params"][0] for group in optimizer.param_groups)
    x, y = (torch.tensor(each) for each in batch(t))

    def closure():
        optimizer.zero_grad()
        loss = (x @ a + b - y).square().sum() / 8
        loss.backward()
        return loss

    assert optimizer.step(closure).ndim == 0


def _copied(entries):
    """A parameter's state as a checkpoint keeps it: tensors and plain numbers, flat."""
    tensors = {k: v.detach().clone() for k, v in entries.items() if isinstance(v, torch.Tensor)}
    plain = {k: v for k, v in entries.items() if k not in tensors}
    assert all(type(v) in (int, float) for v in plain.values())
    return {**tensors, **json.loads(json.dumps(plain))}


def solve(make, steps=STEPS, resume_at=None):
    """The parameters after `steps` of make(groups), on the way saved and loaded into another one at `resume_at`."""
    with _float64():
        optimizer = make(groups_at(START))
        for t in range(steps):
            if t == resume_at:
                state = {k: _copied(entries) for k, entries in optimizer.state_dict()["state"].items()}
                values = [g["params"][0].detach().numpy().copy() for g in optimizer.param_groups]
                optimizer = make(groups_at(values))
                rebuilt = optimizer.state_dict()["param_groups"]
                optimizer.load_state_dict({"state": state, "param_groups": rebuilt})
            _take(optimizer, t)
    return [group["params"][0].detach().numpy().copy() for group in optimizer.param_groups]


def _gradients(values, t):
    x, y = batch(t)
    residual = (x @ values[0] + values[1] - y) / 4
    return x.T @ residual, residual.sum(0)


def transcribed(rule, steps=STEPS, *, lr, momentum=0.0, weight_decay=0.0, ascent=None):
    """The same by rule(w, g, s, t, knobs), which changes a parameter w in place at step t = 1, 2, ...; s is its state.

    knobs: lr, momentum and weight_decay of this step and parameter, and eta, the schedule's factor of lr alone.
    ascent: e of each parameter by (parameters, gradients), where g is to be the gradient at w + e.
    """
    values, states = [start.copy() for start in START], [{}, {}]
    for t in range(steps):
        gradients = _gradients(values, t)
        if ascent is not None:
            e = ascent(values, gradients)
            gradients = _gradients([w + each for w, each in zip(values, e, strict=True)], t)
        f = factors(t)
        for w, g, s, scale in zip(values, gradients, states, scales(t), strict=True):
            knobs = SimpleNamespace(
                lr=lr * f["lr"] * scale.get("lr_scale", 1),
                momentum=momentum * f["momentum"],
                weight_decay=weight_decay * f["weight_decay"] * scale.get("decay_scale", 1),
                eta=f["lr"],
            )
            rule(w, g, s, t + 1, knobs)
    return values


def check(make, rule, steps=STEPS, **base):
    """The trick follows the rule, and goes on from a saved state with the same bits."""
    found = solve(make, steps)
    for a, b in zip(found, transcribed(rule, steps, **base), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9)
    assert all(np.abs(a - start).max() > 1e-3 for a, start in zip(found, START, strict=True))
    for cut in (1, steps // 2 + 3):
        for a, b in zip(found, solve(make, steps, resume_at=cut), strict=True):
            np.testing.assert_array_equal(a, b)


def equal(make, other, steps=STEPS, rtol=1e-9):
    """Two optimizers take the same way."""
    for a, b in zip(solve(make, steps), solve(other, steps), strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol)


def steady(make, steps=300):
    """The step of a gradient that is 1 at all times, in units of lr: the mean over the last hundred of so many."""
    (p,) = lone((0.0,))[0]["params"]
    p.data = p.data.double()
    optimizer, seen = make([{"params": [p]}]), []
    for _ in range(steps):
        p.grad = torch.ones_like(p)
        optimizer.step()
        seen.append(p.item())
    return (seen[-101] - seen[-1]) / 100 / optimizer.defaults["lr"]


def lone(value=(1.0,)):
    """One group of one parameter, for tests of arguments."""
    return [{"params": [nn.Parameter(torch.tensor(value))]}]


def check_evaluation_weights(make, rule, **base):
    """The weights that an optimizer gives to evaluate, after the run, are the transcription's x, and not what trains."""
    made, states = [], []

    def remembered(groups):
        made.append(make(groups))
        return made[-1]

    def kept(w, g, s, t, knobs):
        states.extend([s] if t == 1 else [])
        rule(w, g, s, t, knobs)

    solve(remembered)
    transcribed(kept, **base)
    weights = made[0].evaluation_weights()
    for group, state in zip(made[0].param_groups, states, strict=True):
        (p,) = group["params"]
        torch.testing.assert_close(weights[p], torch.tensor(state["x"]), rtol=1e-9, atol=0)
        assert (weights[p] - p.detach()).abs().max() > 1e-3, "else this would show nothing"
