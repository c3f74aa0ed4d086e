"""He initialisation: N(0, 2 / fan) for weights, zero biases, normalisations untouched."""

import math

import pytest
import torch
from scipy import stats
from torch import nn

from tricktable.tricks.init.he import he

LAYERS = {  # layer: fan_in, fan_out, counted by hand
    "conv": (lambda: nn.Conv2d(20, 40, 3), 9 * 20, 9 * 40),
    "grouped": (lambda: nn.Conv2d(40, 80, 3, groups=4), 9 * 10, 9 * 20),
    "oblong": (lambda: nn.Conv2d(60, 40, (1, 3)), 3 * 60, 3 * 40),
    "linear": (lambda: nn.Linear(100, 50), 100, 50),
}


@pytest.mark.parametrize("mode", ["fan_in", "fan_out"])
@pytest.mark.parametrize("name", LAYERS)
def test_weights_are_normal_with_the_papers_variance(name, mode):
    make, fan_in, fan_out = LAYERS[name]
    layer = make()
    torch.manual_seed(1)
    he(layer, mode=mode)
    std = math.sqrt(2 / (fan_in if mode == "fan_in" else fan_out))
    assert stats.kstest(layer.weight.detach().flatten().numpy(), stats.norm(0, std).cdf).pvalue > 0.01
    assert not layer.bias.any()


def test_fan_in_keeps_the_signal_through_a_deep_relu_network():
    model = nn.Sequential(*[nn.Sequential(nn.Linear(256, 256), nn.ReLU()) for _ in range(20)])
    torch.manual_seed(0)
    he(model)
    out = model(torch.randn(512, 256))
    assert 0.3 < out.square().mean() < 3


def test_normalisations_and_frozen_layers_are_left_alone():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(2, 2))
    model[3].requires_grad_(False)
    nn.init.constant_(model[1].weight, 3.0)
    nn.init.constant_(model[3].weight, 7.0)
    he(model)
    assert (model[1].weight == 3).all() and (model[3].weight == 7).all()
    assert all(p.requires_grad for p in model[0].parameters())


def test_without_linear_layers_the_classifier_is_as_it_was_made():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(2, 2))
    before = {name: p.clone() for name, p in model.named_parameters()}
    he(model, linear=False)
    changed = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
    assert changed == {"0.weight", "0.bias"}
    with pytest.raises(ValueError, match="finds no trainable convolution to"):
        he(model[2], linear=False)


def test_equal_seeds_give_equal_bits():
    a, b = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3)
    for layer in (a, b):
        torch.manual_seed(5)
        he(layer)
    assert torch.equal(a.weight, b.weight)


@pytest.mark.parametrize("model", [nn.BatchNorm2d(3), nn.Linear(2, 2).requires_grad_(False)])
def test_nothing_to_initialise(model):
    with pytest.raises(ValueError, match="finds no trainable"):
        he(model)
