"""Weight standardization against its equation."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tricktable.tricks.conv.weight_standardization import WeightStandardization


def make(channels=4, out_channels=6, kernel_size=3, stride=1, padding=1, groups=1, bias=True, **arguments):
    torch.manual_seed(0)
    return WeightStandardization(
        channels, out_channels, kernel_size, stride=stride, padding=padding, groups=groups, bias=bias, **arguments
    )


def standardized(weight, eps):
    filters = []
    for w in weight:
        mu = w.sum() / w.numel()
        sigma = ((w - mu).pow(2).sum() / w.numel()).sqrt()
        filters.append((w - mu) / (sigma + eps))
    return torch.stack(filters)


@pytest.mark.parametrize(
    "shape",
    [
        {},
        {"kernel_size": 1, "padding": 0},
        {"stride": 2, "bias": False},
        {"groups": 2},
        {"groups": 4, "out_channels": 4},
    ],
)
def test_the_equation(shape):
    conv = make(**shape, eps=0.01).double()
    x = torch.randn(2, 4, 7, 7, dtype=torch.float64)
    weight = standardized(conv.weight, 0.01)
    torch.testing.assert_close(conv(x), F.conv2d(x, weight, conv.bias, conv.stride, conv.padding, groups=conv.groups))


def test_the_unbiased_deviation_of_the_authors_code():
    """Theirs divides by n - 1: filters are smaller by sqrt((n - 1) / n), 0.7 % at 72 inputs."""
    conv, unbiased = (make(8, 6, unbiased=flag, eps=0.0, bias=False).double() for flag in (False, True))
    x = torch.randn(2, 8, 5, 5, dtype=torch.float64)
    torch.testing.assert_close(unbiased(x), conv(x) * (71 / 72) ** 0.5)
    w = unbiased.weight
    deviation = (w - w.mean((1, 2, 3), keepdim=True)).square().sum((1, 2, 3), keepdim=True).div(71).sqrt()
    torch.testing.assert_close(unbiased(x), F.conv2d(x, (w - w.mean((1, 2, 3), keepdim=True)) / deviation, padding=1))


def test_filters_act_with_mean_zero_and_standard_deviation_one():
    conv = make(bias=False, padding=0)
    patches = torch.eye(36).reshape(36, 4, 3, 3)  # each picks one weight of every filter
    filters = conv(patches).reshape(36, 6)
    torch.testing.assert_close(filters.mean(0), torch.zeros(6), atol=1e-6, rtol=0)
    torch.testing.assert_close(filters.std(0, correction=0), torch.ones(6), atol=1e-3, rtol=0)


def test_scale_and_shift_of_a_filter_change_nothing():
    conv, x = make(eps=0.0).double(), torch.randn(2, 4, 5, 5, dtype=torch.float64)
    before = conv(x)
    with torch.no_grad():
        conv.weight.mul_(torch.linspace(0.5, 3, 6)[:, None, None, None]).add_(0.7)
    torch.testing.assert_close(conv(x), before)


def test_the_gradient_flows_through_mean_and_standard_deviation():
    conv, x = make(2, 3, bias=False).double(), torch.randn(2, 2, 4, 4, dtype=torch.float64)
    assert torch.autograd.gradcheck(
        lambda weight: torch.func.functional_call(conv, {"weight": weight}, x), conv.weight.detach().requires_grad_()
    )


def test_a_constant_filter_has_a_finite_gradient():
    conv = make()
    nn.init.zeros_(conv.weight)
    conv(torch.randn(2, 4, 5, 5)).square().sum().backward()
    assert conv.weight.grad.isfinite().all()


def test_it_is_a_conv2d_and_keeps_the_memory_format():
    conv = make().to(memory_format=torch.channels_last)
    out = conv(torch.randn(2, 4, 5, 5).to(memory_format=torch.channels_last))
    assert isinstance(conv, nn.Conv2d) and out.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"eps": -1.0}, r"^eps must be at least 0, got -1$"),
        ({"channels": 1, "kernel_size": 1}, "filters of 2 weights or more"),
        ({"groups": 4, "out_channels": 4, "kernel_size": 1}, "filters of 2 weights or more"),
    ],
)
def test_what_cannot_be(arguments, line):
    with pytest.raises(ValueError, match=line):
        make(**arguments)
