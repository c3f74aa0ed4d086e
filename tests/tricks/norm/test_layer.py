"""Layer normalization against its equation."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tricktable.tricks.norm.layer import layer_norm


def test_the_equation():
    torch.manual_seed(0)
    x = torch.randn(3, 5, 4, 2, dtype=torch.float64) * 2 + 1
    norm = layer_norm(5, eps=0.1).double()
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    for image, out in zip(x, norm(x), strict=True):
        mu = image.sum() / 40
        variance = (image - mu).square().sum() / 40
        for c in range(5):
            expected = (image[c] - mu) / (variance + 0.1).sqrt() * norm.weight[c] + norm.bias[c]
            torch.testing.assert_close(out[c], expected)


def test_it_is_torchs_over_channels_and_pixels_and_group_norm_with_one_group():
    x = torch.randn(2, 5, 3, 3)
    torch.testing.assert_close(layer_norm(5)(x), F.layer_norm(x, (5, 3, 3)))
    torch.testing.assert_close(layer_norm(5)(x), nn.GroupNorm(1, 5)(x))


def test_one_pixel_is_normalised_over_its_channels():
    x = torch.randn(1, 64, 1, 1)
    torch.testing.assert_close(layer_norm(64)(x).flatten(1), F.layer_norm(x.flatten(1), (64,)))


def test_parameters_are_one_a_channel():
    assert {name: tuple(p.shape) for name, p in layer_norm(5).named_parameters()} == {"weight": (5,), "bias": (5,)}


def test_out_of_range():
    with pytest.raises(ValueError, match="eps must be at least 0, got -1"):
        layer_norm(2, eps=-1.0)
