"""Muon against the author's description, transcribed."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from tests.tricks.optimizer.problem import START, check, lone
from tricktable.tricks.optimizer.muon import Muon

K = {"num_classes": 10}
EVERY = {**K, "input_layer": True, "output_layer": True}


def orthogonal(g, steps=5):
    """The quintic iteration, matrix by matrix, never transposed."""
    x = g / (np.linalg.norm(g) + 1e-7)
    for _ in range(steps):
        a = x @ x.T
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    return x


def rule_of(nesterov=True, steps=5, rescale=True, normalize=False, sgd_scale=1.0):
    def rule(w, g, s, t, knobs):
        s["v"] = knobs.momentum * s.get("v", 0) + g
        change = g + knobs.momentum * s["v"] if nesterov else s["v"]
        if w.ndim == 1:
            w -= sgd_scale * knobs.lr * (knobs.weight_decay * w + change)
            return
        x = orthogonal(change.reshape(len(w), -1), steps).reshape(w.shape)
        rows, columns = len(w), w[0].size
        if normalize:
            w *= math.sqrt(rows) / np.linalg.norm(w)
        w -= knobs.lr * (knobs.weight_decay * w + (max(1, rows / columns) ** 0.5 if rescale else 1) * x)

    return rule


@pytest.mark.parametrize(
    "options", [{}, {"nesterov": False}, {"ns_steps": 3}, {"rescale": False}, {"normalize": True}], ids=str
)
def test_the_steps_over_a_run(options):
    steps = options.get("ns_steps", 5)
    others = {k: v for k, v in options.items() if k != "ns_steps"}
    check(
        lambda groups: Muon(groups, **EVERY, **options, lr=0.05, sgd_lr=0.05, momentum=0.8, weight_decay=0.1),
        rule_of(steps=steps, **others),
        lr=0.05,
        momentum=0.8,
        weight_decay=0.1,
    )


def network():
    """Two convolutions of one shape between a first one and a classifier."""
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 3), nn.Conv2d(4, 4, 3), nn.Conv2d(4, 4, 1)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(16, 10)).double().to(memory_format=torch.channels_last)


HIDDEN = {"2.weight", "3.weight", "4.weight"}


def split(model, optimizer):
    """The names of the hidden weights and of the others, by the group that each is in."""
    names = {id(p): name for name, p in model.named_parameters()}
    return tuple(
        {names[id(p)] for group in optimizer.param_groups if group["hidden"] is hidden for p in group["params"]}
        for hidden in (True, False)
    )


def test_a_network_over_a_run_by_matrices_of_several_shapes():
    model = network()
    optimizer = Muon([{"params": list(model.parameters())}], **K, lr=0.03, sgd_lr=0.006, momentum=0.9, weight_decay=0.1)
    for group in optimizer.param_groups:
        group["lr"] = 0.03 * group["lr_scale"]
    expected = {name: p.detach().numpy().copy() for name, p in model.named_parameters()}
    velocity = dict.fromkeys(expected, 0.0)
    for step in range(20):
        g = torch.Generator().manual_seed(step)
        for name, p in model.named_parameters():
            p.grad = torch.randn(p.shape, generator=g, dtype=torch.float64).to(memory_format=torch.preserve_format)
            velocity[name] = 0.9 * velocity[name] + p.grad.numpy()
            change = p.grad.numpy() + 0.9 * velocity[name]
            if name in HIDDEN:
                x = orthogonal(change.reshape(4, -1)).reshape(change.shape)
                expected[name] -= 0.03 * (0.1 * expected[name] + x)  # rows are never more than columns here
            else:
                expected[name] -= 0.006 * (0.1 * expected[name] + change)
        optimizer.step()
    for name, p in model.named_parameters():
        np.testing.assert_allclose(p.detach().numpy(), expected[name], rtol=1e-9, atol=1e-12)


def test_the_iteration_brings_singular_values_near_1_and_keeps_the_vectors():
    generator = torch.Generator().manual_seed(0)
    for shape in ((8, 30), (30, 8), (6, 2, 3, 3)):
        p = nn.Parameter(torch.zeros(shape, dtype=torch.float64))
        p.grad = torch.randn(shape, generator=generator, dtype=torch.float64)
        Muon([{"params": [p]}], **EVERY, lr=1.0, rescale=False).step()
        u, _, v = torch.linalg.svd(p.grad.flatten(1), full_matrices=False)
        found = u.mT @ -p.detach().flatten(1) @ v.mT
        assert ((found.diag() > 0.6) & (found.diag() < 1.3)).all()
        torch.testing.assert_close(found, found.diag().diag(), atol=1e-10, rtol=0)


@pytest.mark.gpu
@pytest.mark.parametrize(("bfloat16", "tolerance"), [(True, 0.05), (False, 1e-2)])  # tf32 may be on
def test_on_a_gpu_it_is_the_same_but_for_the_rounding(bfloat16, tolerance):
    g = torch.randn(16, 8, 3, 3, generator=torch.Generator().manual_seed(0))
    p = nn.Parameter(torch.zeros_like(g, device="cuda"))
    p.grad = g.cuda()
    Muon([{"params": [p]}], **EVERY, lr=1.0, bfloat16=bfloat16).step()
    expected = -orthogonal(g.double().flatten(1).numpy())
    np.testing.assert_allclose(p.detach().cpu().flatten(1).numpy(), expected, atol=tolerance)


def test_which_weights_are_hidden():
    model = network()
    parameters = list(model.parameters())
    everything = {name for name, _ in model.named_parameters()}
    for options, more in (
        ({}, set()),
        ({"input_layer": True}, {"0.weight"}),
        ({"output_layer": True}, {"6.weight"}),
    ):
        hidden, others = split(model, Muon([{"params": parameters}], **K, **options))
        assert hidden == HIDDEN | more and others == everything - hidden
    # A network whose classifier is fixed ends in a hidden weight.
    hidden, _ = split(model, Muon([{"params": parameters[:-2]}], **K))
    assert hidden == HIDDEN


def test_vectors_that_look_like_matrices_are_none():
    gain, scale, row = (nn.Parameter(torch.ones(shape)) for shape in ((4, 1, 1, 1), (1,), (1, 5)))
    matrices = [nn.Parameter(torch.ones(3, 3)) for _ in range(2)]
    optimizer = Muon([{"params": [gain, matrices[0], scale, row, matrices[1]]}], **K)
    (hidden,) = (group["params"] for group in optimizer.param_groups if group["hidden"])
    assert len(hidden) == 1 and hidden[0] is matrices[1]


def test_groups_keep_what_they_carry():
    a, b, c = (nn.Parameter(torch.ones(2, 2)) for _ in range(3))
    bias = nn.Parameter(torch.ones(2))
    groups = [{"params": [a, b, bias], "lr_scale": 0.5, "decay_scale": 0.0}, {"params": [c]}]
    optimizer = Muon(groups, num_classes=2, lr=0.02, sgd_lr=0.1)
    carried = [(g["hidden"], g["lr_scale"], g.get("decay_scale"), len(g["params"])) for g in optimizer.param_groups]
    assert carried == [(True, 0.5, 0.0, 1), (False, pytest.approx(2.5), 0.0, 2), (False, pytest.approx(5.0), None, 1)]


@pytest.mark.parametrize("bad", [math.nan, math.inf, 3e38])
def test_gradients_that_are_not_finite_show_in_the_weights(bad):
    p = nn.Parameter(torch.ones(2, 3))
    p.grad = torch.full_like(p, bad)
    Muon([{"params": [p]}], **EVERY).step()
    assert p.isnan().all()


def test_normalize_leaves_a_weight_of_zeros():
    p = nn.Parameter(torch.zeros(2, 3))
    p.grad = torch.ones_like(p)
    Muon([{"params": [p]}], **EVERY, normalize=True).step()
    assert p.isfinite().all() and p.any()


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"lr": 0.0}, "lr must be above 0, got 0"),
        ({"ns_steps": 0}, "ns_steps must be above 0, got 0"),
        ({"sgd_lr": 0.0}, "sgd_lr must be above 0, got 0"),
        ({"momentum": 1.0}, r"momentum must lie in \[0, 1\), got 1"),
        ({"weight_decay": -0.1}, "weight_decay must be at least 0, got -0.1"),
    ],
)
def test_out_of_range(arguments, line):
    with pytest.raises(ValueError, match=f"^{line}$"):
        Muon(lone(), **K, **arguments)


def test_a_network_without_a_hidden_weight_is_refused():
    with pytest.raises(ValueError, match="^muon finds no hidden weight: input_layer or output_layer takes"):
        Muon([{"params": [nn.Parameter(torch.tensor(START[0]))]}], num_classes=3)
