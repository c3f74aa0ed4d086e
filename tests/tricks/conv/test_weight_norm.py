"""Weight normalization against its equations."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tricktable.tricks.conv.weight_norm import WeightNorm


def make(channels=4, out_channels=6, kernel_size=3, stride=1, padding=1, groups=1, bias=True):
    torch.manual_seed(0)
    return WeightNorm(channels, out_channels, kernel_size, stride=stride, padding=padding, groups=groups, bias=bias)


def effective(g, v):
    return torch.stack([g[i] * v[i] / v[i].pow(2).sum().sqrt() for i in range(len(g))])


@pytest.mark.parametrize("shape", [{}, {"kernel_size": 1, "padding": 0}, {"stride": 2, "bias": False}, {"groups": 2}])
def test_the_equation(shape):
    conv = make(**shape).double()
    nn.init.normal_(conv.g)
    x = torch.randn(2, 4, 7, 7, dtype=torch.float64)
    weight = effective(conv.g, conv.weight)
    torch.testing.assert_close(conv(x), F.conv2d(x, weight, conv.bias, conv.stride, conv.padding, groups=conv.groups))


def test_the_gradients_of_g_and_v():
    """Equation 3, from the gradient of w."""
    conv = make().double()
    nn.init.normal_(conv.g)
    x, target = torch.randn(2, 4, 5, 5, dtype=torch.float64), torch.randn(2, 6, 5, 5, dtype=torch.float64)
    (conv(x) - target).square().sum().backward()
    w = effective(conv.g, conv.weight).detach().requires_grad_()
    (F.conv2d(x, w, conv.bias.detach(), padding=1) - target).square().sum().backward()
    for i in range(6):
        g, v, grad_w = conv.g[i].detach(), conv.weight[i].detach(), w.grad[i]
        norm = v.pow(2).sum().sqrt()
        grad_g = (grad_w * v).sum() / norm
        torch.testing.assert_close(conv.g.grad[i], grad_g)
        torch.testing.assert_close(conv.weight.grad[i], g / norm * grad_w - g * grad_g / norm**2 * v)


def test_it_begins_as_the_plain_convolution_of_its_weight():
    conv, x = make(), torch.randn(2, 4, 5, 5)
    torch.testing.assert_close(conv(x), F.conv2d(x, conv.weight, conv.bias, padding=1))


def test_after_an_init_the_effective_weight_is_the_initialised_one():
    conv, x = make(), torch.randn(2, 4, 5, 5)
    nn.init.normal_(conv.weight, 0.0, 3.0)
    conv.after_init()
    torch.testing.assert_close(conv(x), F.conv2d(x, conv.weight, conv.bias, padding=1))


def test_the_length_of_v_changes_nothing():
    conv, x = make(), torch.randn(2, 4, 5, 5)
    before = conv(x)
    with torch.no_grad():
        conv.weight.mul_(7)
    torch.testing.assert_close(conv(x), before)


def test_g_has_one_entry_a_filter_and_one_dimension():
    conv = make()
    assert isinstance(conv, nn.Conv2d)
    assert {name: p.ndim for name, p in conv.named_parameters()} == {"weight": 4, "bias": 1, "g": 1}
    assert conv.g.shape == (6,) and conv.g.requires_grad


def test_it_can_be_made_where_nothing_is_computed():
    with torch.device("meta"):
        assert make().g.is_meta


def test_it_keeps_the_memory_format():
    conv = make().to(memory_format=torch.channels_last)
    out = conv(torch.randn(2, 4, 5, 5).to(memory_format=torch.channels_last))
    assert out.is_contiguous(memory_format=torch.channels_last)


def test_a_filter_of_zeros_has_no_direction():
    conv = make()
    nn.init.zeros_(conv.weight[2])
    with pytest.raises(ValueError, match="weight_norm finds a filter of zeros"):
        conv.after_init()
