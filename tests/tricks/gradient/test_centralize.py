"""Gradient centralization against the paper's equation 1."""

import pytest
import torch
from torch import nn

from tricktable.tricks.gradient.centralize import centralize


@pytest.mark.parametrize("linear", [True, False])
def test_each_filters_gradient_has_mean_zero(linear):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3, groups=4), nn.Flatten(), nn.Linear(4 * 16, 2)).double()
    model = model.to(memory_format=torch.channels_last)
    model[0].bias.requires_grad_(False)
    model(torch.randn(2, 3, 8, 8, dtype=torch.float64)).square().sum().backward()
    before = [None if p.grad is None else p.grad.clone() for p in model.parameters()]
    kept = [p.grad for p in model.parameters()]
    centralize(model.parameters(), linear=linear)
    for p, old, same in zip(model.parameters(), before, kept, strict=True):
        assert p.grad is same
        if old is not None:
            expected = old.clone()
            if old.ndim == 4 or (old.ndim == 2 and linear):
                for i in range(len(old)):
                    expected[i] -= old[i].sum() / old[i].numel()
            torch.testing.assert_close(p.grad, expected)
    assert model[0].bias.grad is None


def test_a_filter_of_one_element_keeps_its_gradient():
    p = nn.Parameter(torch.ones(3, 1, 1, 1))
    p.grad = torch.tensor([1.0, 2.0, 3.0]).view(3, 1, 1, 1)
    centralize([p])
    assert p.grad.flatten().tolist() == [1.0, 2.0, 3.0]


def test_nan_stays_nan():
    p = nn.Parameter(torch.ones(2, 2))
    p.grad = torch.tensor([[float("nan"), 1.0], [1.0, 3.0]])
    centralize([p])
    assert p.grad[0].isnan().all() and p.grad[1].tolist() == [-1.0, 1.0]
