"""Xavier initialisation: variance gain^2 2 / (fan_in + fan_out), uniform or normal, zero biases."""

import math

import pytest
import torch
from scipy import stats
from torch import nn

from tricktable.tricks.init.xavier import xavier

LAYERS = {  # layer: fan_in + fan_out, counted by hand
    "conv": (lambda: nn.Conv2d(20, 40, 3), 9 * 20 + 9 * 40),
    "grouped": (lambda: nn.Conv2d(40, 80, 3, groups=4), 9 * 10 + 9 * 20),
    "oblong": (lambda: nn.Conv2d(60, 40, (1, 3)), 3 * 60 + 3 * 40),
    "linear": (lambda: nn.Linear(100, 50), 100 + 50),
}


@pytest.mark.parametrize("gain", [1.0, 0.5])
@pytest.mark.parametrize("distribution", ["uniform", "normal"])
@pytest.mark.parametrize("name", LAYERS)
def test_weights_have_the_papers_distribution(name, distribution, gain):
    make, fans = LAYERS[name]
    layer = make()
    torch.manual_seed(1)
    xavier(layer, distribution=distribution, gain=gain)
    bound = gain * math.sqrt(6 / fans)
    paper = stats.uniform(-bound, 2 * bound) if distribution == "uniform" else stats.norm(0, gain * math.sqrt(2 / fans))
    weights = layer.weight.detach().flatten().numpy()
    assert stats.kstest(weights, paper.cdf).pvalue > 0.01
    assert distribution == "normal" or abs(weights).max() <= bound
    assert not layer.bias.any()


@pytest.mark.parametrize("distribution", ["uniform", "normal"])
@pytest.mark.parametrize(
    ("make", "fan", "n"),
    [
        (lambda: nn.Conv2d(20, 40, 3), "in", 9 * 20),
        (lambda: nn.Conv2d(20, 40, 3), "out", 9 * 40),
        (lambda: nn.Conv2d(40, 80, 3, groups=4), "in", 9 * 10),
        (lambda: nn.Conv2d(40, 80, 3, groups=4), "out", 9 * 20),
        (lambda: nn.Linear(100, 50), "in", 100),
        (lambda: nn.Linear(100, 50), "out", 50),
    ],
)
def test_weights_by_one_fan_have_its_variance(make, fan, n, distribution):
    """Caffe's xavier is uniform in +-sqrt(3 / fan_in), whose variance is 1 / fan_in."""
    layer = make()
    torch.manual_seed(2)
    xavier(layer, distribution=distribution, fan=fan)
    bound = math.sqrt(3 / n)
    rule = stats.uniform(-bound, 2 * bound) if distribution == "uniform" else stats.norm(0, math.sqrt(1 / n))
    assert stats.kstest(layer.weight.detach().flatten().numpy(), rule.cdf).pvalue > 0.01


def test_the_average_of_the_fans_is_the_default_to_the_bit():
    plain, average = nn.Linear(100, 50), nn.Linear(100, 50)
    for layer, arguments in ((plain, {}), (average, {"fan": "average"})):
        torch.manual_seed(0)
        xavier(layer, **arguments)
    assert torch.equal(plain.weight, average.weight)
    torch.manual_seed(0)
    assert torch.equal(plain.weight, torch.empty(50, 100).uniform_(-math.sqrt(6 / 150), math.sqrt(6 / 150)))


def test_the_signal_stays_forward_and_backward_through_a_deep_linear_network():
    model = nn.Sequential(*[nn.Linear(256, 256) for _ in range(20)])
    torch.manual_seed(0)
    xavier(model)
    x = torch.randn(512, 256, requires_grad=True)
    out = model(x)
    out.backward(torch.randn_like(out))
    assert 0.5 < out.square().mean() < 2 and 0.5 < x.grad.square().mean() < 2


def test_normalisations_and_frozen_layers_are_left_alone():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(2, 2))
    model[3].requires_grad_(False)
    nn.init.constant_(model[1].weight, 3.0)
    nn.init.constant_(model[3].weight, 7.0)
    xavier(model)
    assert (model[1].weight == 3).all() and (model[3].weight == 7).all()
    assert all(p.requires_grad for p in model[0].parameters())


@pytest.mark.parametrize("gain", [0.0, -1.0])
def test_a_wrong_gain_is_refused(gain):
    with pytest.raises(ValueError, match="gain must be above 0"):
        xavier(nn.Linear(2, 2), gain=gain)


@pytest.mark.parametrize("model", [nn.BatchNorm2d(3), nn.Linear(2, 2).requires_grad_(False)])
def test_nothing_to_initialise(model):
    with pytest.raises(ValueError, match="xavier finds no trainable"):
        xavier(model)
