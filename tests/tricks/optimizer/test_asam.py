"""ASAM against the paper's equation 8, with the authors' T."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from tests.tricks.optimizer.problem import check, lone
from tests.tricks.optimizer.test_lookahead import momentum_rule
from tricktable.tricks.optimizer.asam import asam


def ascent(rho, eta):
    def e(values, gradients):
        scales = [np.abs(w) + eta if w.ndim > 1 else np.ones_like(w) for w in values]
        norm = math.sqrt(sum(((t * g) ** 2).sum() for t, g in zip(scales, gradients, strict=True)))
        return [rho * t**2 * g / norm for t, g in zip(scales, gradients, strict=True)]

    return e


@pytest.mark.parametrize(("rho", "eta"), [(0.5, 0.01), (0.1, 0.0), (1.0, 0.3)])
def test_equation_8_over_a_run(rho, eta):
    def make(groups):
        return asam(groups, torch.optim.SGD(groups, lr=0.1, momentum=0.8, weight_decay=0.1), rho=rho, eta=eta)

    check(make, momentum_rule, lr=0.1, momentum=0.8, weight_decay=0.1, ascent=ascent(rho, eta))


def neighbour(scale, **arguments):
    """w + e for the loss of w / scale, at a matrix of size scale."""
    w = nn.Parameter(scale * torch.tensor([[0.5, -2.0], [1.0, 3.0]]))
    optimizer = asam([{"params": [w]}], torch.optim.SGD([w], lr=0.1), **arguments)
    seen = []

    def closure():
        seen.append(w.detach().clone())
        optimizer.zero_grad()
        loss = (w / scale - 1).square().sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    return seen[1] / scale


def test_the_neighbour_does_not_know_the_weights_scale():
    torch.testing.assert_close(neighbour(1.0, eta=0.0), neighbour(100.0, eta=0.0))


def test_a_weight_of_0_moves_by_eta_alone():
    for eta, moves in ((0.0, False), (0.01, True)):
        w = nn.Parameter(torch.tensor([[0.0, 1.0]]))
        optimizer = asam([{"params": [w]}], torch.optim.SGD([w], lr=0.1), eta=eta)
        seen = []

        def closure(w=w, seen=seen):
            seen.append(w.detach().clone())
            w.grad = torch.ones_like(w)
            return w.sum()

        optimizer.step(closure)
        assert bool(seen[1][0, 0] != 0) == moves


def test_without_gradient_there_is_no_ascent():
    w = nn.Parameter(torch.ones(2, 2))
    optimizer = asam([{"params": [w]}], torch.optim.SGD([w], lr=0.1))

    def closure():
        w.grad = torch.zeros_like(w)
        return w.sum()

    optimizer.step(closure)
    assert w.eq(1).all()


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"rho": 0.0}, "rho must be above 0, got 0"),
        ({"eta": -0.01}, "eta must be at least 0, got -0.01"),
        ({"eta": math.nan}, "eta must be at least 0, got nan"),
    ],
)
def test_out_of_range(arguments, line):
    groups = lone()
    with pytest.raises(ValueError, match=f"^{line}$"):
        asam(groups, torch.optim.SGD(groups, lr=0.1), **arguments)
