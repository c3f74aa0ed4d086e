"""Clipping by the norm of all gradients together."""

import math

import pytest
import torch
from torch import nn

from tricktable.tricks.gradient.clip_norm import ClipNorm


def parameters(*gradients):
    made = []
    for gradient in gradients:
        p = nn.Parameter(torch.zeros(len(gradient)))
        p.grad = torch.tensor(gradient)
        made.append(p)
    return made


@pytest.mark.parametrize("max_norm", [0.5, 5.0, 13.0, 100.0])
def test_the_equation(max_norm):
    ps = parameters([3.0, 4.0], [12.0])
    ClipNorm(max_norm)(ps)
    scale = min(1, max_norm / 13)
    torch.testing.assert_close(torch.cat([p.grad for p in ps]), scale * torch.tensor([3.0, 4.0, 12.0]))


def test_equals_torchs_own():
    torch.manual_seed(0)
    gradients = [torch.randn(5).tolist(), torch.randn(3).tolist()]
    ours, torchs = parameters(*gradients), parameters(*gradients)
    ClipNorm(0.7)(iter(ours))
    nn.utils.clip_grad_norm_(torchs, 0.7)
    assert all(torch.equal(a.grad, b.grad) for a, b in zip(ours, torchs, strict=True))


def test_zero_gradients_stay_zero_and_absent_ones_absent():
    ps = [*parameters([0.0, 0.0]), nn.Parameter(torch.zeros(2))]
    ClipNorm(1.0)(ps)
    assert not ps[0].grad.any() and ps[1].grad is None


@pytest.mark.parametrize("bad", [math.inf, -math.inf, math.nan, 3e38])
def test_what_is_not_finite_never_becomes_zeros(bad):
    ps = parameters([1.0, 2.0], [bad, bad])
    ClipNorm(1.0)(ps)
    assert all(p.grad.isnan().all() for p in ps)


@pytest.mark.parametrize("max_norm", [0.0, -1.0, math.nan])
def test_out_of_range(max_norm):
    with pytest.raises(ValueError, match="max_norm must be above 0"):
        ClipNorm(max_norm)
