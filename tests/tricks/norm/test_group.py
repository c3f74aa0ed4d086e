"""Group normalization against its equation."""

import pytest
import torch
from torch import nn

from tricktable.tricks.norm.group import group_norm


def test_the_equation():
    torch.manual_seed(0)
    x = torch.randn(3, 6, 4, 5, dtype=torch.float64) * 2 + 1
    norm = group_norm(6, num_groups=2, group_size=None, eps=0.1).double()
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    out = norm(x)
    for i in range(3):
        for first in (0, 3):
            group = x[i, first : first + 3]
            mu = group.sum() / 60
            variance = (group - mu).square().sum() / 60
            for c in range(first, first + 3):
                expected = (x[i, c] - mu) / (variance + 0.1).sqrt() * norm.weight[c] + norm.bias[c]
                torch.testing.assert_close(out[i, c], expected)


def test_the_number_and_the_size_of_groups_say_the_same():
    x = torch.randn(2, 12, 3, 3)
    assert torch.equal(group_norm(12, 3, None)(x), group_norm(12, None, 4)(x))
    assert torch.equal(group_norm(12, 3, None)(x), nn.GroupNorm(3, 12)(x))


@pytest.mark.parametrize("width", [16, 32, 64])
def test_the_default_fits_narrow_networks(width):
    assert group_norm(width)(torch.randn(1, width, 1, 1)).shape == (1, width, 1, 1)


def test_other_images_and_evaluation_change_nothing():
    x, norm = torch.randn(4, 8, 3, 3), group_norm(8, group_size=4)
    together = norm(x)
    norm.eval()
    torch.testing.assert_close(together[:1], norm(x[:1]))


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"num_groups": 2}, "got num_groups=2 and group_size=8"),
        ({"group_size": None}, "one of num_groups and group_size must be a number and the other null"),
        (
            {"num_groups": 5, "group_size": None},
            "^num_groups must divide each layer's channels, got 5 for 12 channels$",
        ),
        ({"num_groups": 0, "group_size": None}, "num_groups must divide"),
        ({"group_size": 24}, "^group_size must divide each layer's channels, got 24 for 12 channels$"),
        ({"group_size": 4, "eps": -1.0}, "eps must be at least 0"),
    ],
)
def test_what_cannot_be(arguments, line):
    with pytest.raises(ValueError, match=line):
        group_norm(12, **arguments)
