"""Clipping of each element of the gradients."""

import math

import pytest
import torch
from torch import nn

from tricktable.tricks.gradient.clip_value import ClipValue


def network():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Flatten(), nn.Linear(12, 2), nn.Linear(2, 2))
    model = model.to(memory_format=torch.channels_last)
    model[3].bias.requires_grad_(False)
    model(torch.randn(5, 2, 4, 4)).square().sum().backward()
    return model


@pytest.mark.parametrize("max_value", [0.01, 0.5, 1e9])
def test_the_equation(max_value):
    model = network()
    before = [None if p.grad is None else p.grad.clone() for p in model.parameters()]
    kept = [p.grad for p in model.parameters()]
    ClipValue(max_value)(model.parameters())
    for p, old, same in zip(model.parameters(), before, kept, strict=True):
        assert p.grad is same
        if old is not None:
            expected = [max(-max_value, min(max_value, g)) for g in old.flatten().tolist()]
            torch.testing.assert_close(p.grad.flatten(), torch.tensor(expected))
    assert model[3].bias.grad is None


def test_equals_torchs_own():
    ours, torchs = network(), network()
    ClipValue(0.1)(ours.parameters())
    nn.utils.clip_grad_value_(torchs.parameters(), 0.1)
    for a, b in zip(ours.parameters(), torchs.parameters(), strict=True):
        assert a.grad is b.grad is None or torch.equal(a.grad, b.grad)


def test_infinities_are_cut_and_nan_stays_nan():
    p = nn.Parameter(torch.zeros(4))
    p.grad = torch.tensor([math.inf, -math.inf, math.nan, 0.5])
    ClipValue(2.0)([p])
    torch.testing.assert_close(p.grad, torch.tensor([2.0, -2.0, math.nan, 0.5]), equal_nan=True)


@pytest.mark.parametrize("max_value", [0.0, -1.0, math.nan])
def test_out_of_range(max_value):
    with pytest.raises(ValueError, match=r"^max_value must be above 0, got "):
        ClipValue(max_value)
