"""Instance normalization against its equation."""

import pytest
import torch
from torch import nn

from tricktable.tricks.norm.instance import instance_norm


def test_the_equation():
    torch.manual_seed(0)
    x = torch.randn(3, 5, 4, 2, dtype=torch.float64) * 2 + 1
    norm = instance_norm(5, eps=0.1).double()
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    out = norm(x)
    for i in range(3):
        for c in range(5):
            values = x[i, c]
            mu = values.sum() / 8
            variance = (values - mu).square().sum() / 8
            expected = (values - mu) / (variance + 0.1).sqrt() * norm.weight[c] + norm.bias[c]
            torch.testing.assert_close(out[i, c], expected)


def test_it_is_group_norm_with_a_group_a_channel():
    x = torch.randn(2, 5, 3, 3)
    torch.testing.assert_close(instance_norm(5)(x), nn.GroupNorm(5, 5)(x))


def test_evaluation_uses_the_images_own_statistics():
    x, norm = torch.randn(4, 8, 3, 3) + 5, instance_norm(8)
    together = norm(x)
    norm.eval()
    torch.testing.assert_close(together[:1], norm(x[:1]))


def test_one_pixel_has_no_variance():
    with pytest.raises(ValueError, match="more than 1 spatial element"):
        instance_norm(5)(torch.randn(4, 5, 1, 1))


def test_out_of_range():
    with pytest.raises(ValueError, match="eps must be at least 0, got -1"):
        instance_norm(2, eps=-1.0)
