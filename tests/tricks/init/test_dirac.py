"""Dirac: as many filters as there are channels pass their channel on; the others, and the first layer, stay."""

import pytest
import torch
from torch import nn

from tricktable.models.airbench import AirBench
from tricktable.tricks.init.dirac import dirac


def behind(layer):
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, layer.in_channels, 1), layer)


@pytest.mark.parametrize(
    ("layer", "passed"),
    [
        (nn.Conv2d(3, 5, 3), {0: 0, 1: 1, 2: 2}),
        (nn.Conv2d(5, 3, 3), {0: 0, 1: 1, 2: 2}),
        (nn.Conv2d(4, 4, 1), {0: 0, 1: 1, 2: 2, 3: 3}),
        (nn.Conv2d(4, 6, 5, groups=2), {0: 0, 1: 1, 3: 0, 4: 1}),
        (nn.Conv2d(3, 3, 3, groups=3), {0: 0, 1: 0, 2: 0}),
    ],
    ids=["wider", "narrower", "1x1", "grouped", "depthwise"],
)
def test_which_filters_are_set_and_to_what(layer, passed):
    model = behind(layer)
    expected = layer.weight.detach().clone()
    centre = layer.kernel_size[0] // 2
    for i, channel in passed.items():
        expected[i] = 0
        expected[i, channel, centre, centre] = 1
    dirac(model)
    assert torch.equal(layer.weight, expected)


def test_a_convolution_as_wide_as_its_input_is_the_identity():
    layer = nn.Conv2d(4, 4, 3, padding=1, bias=False)
    dirac(behind(layer))
    x = torch.randn(2, 4, 5, 5)
    assert torch.equal(layer(x), x)


def test_it_is_torchs_on_as_many_filters_as_there_are_channels():
    """The authors' code: torch.nn.init.dirac_ on the first c filters."""
    for layer in (nn.Conv2d(3, 8, 3), nn.Conv2d(8, 3, 3), nn.Conv2d(8, 8, 3)):
        model = behind(layer)
        expected = layer.weight.detach().clone()
        nn.init.dirac_(expected[: expected.shape[1]])
        dirac(model)
        assert torch.equal(layer.weight, expected)


def test_the_first_convolution_frozen_ones_biases_and_linear_layers_stay():
    model = AirBench(10, widths=[8, 8])
    model.blocks[0][0].weight.requires_grad_(False)
    before = {name: p.clone() for name, p in model.named_parameters()}
    dirac(model)
    changed = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
    assert changed == {"blocks.0.4.weight", "blocks.1.0.weight", "blocks.1.4.weight"}


def test_nothing_to_set():
    for model in (nn.Conv2d(3, 3, 3), nn.Linear(2, 2)):
        with pytest.raises(ValueError, match="^dirac finds no trainable convolution behind the first$"):
            dirac(model)
