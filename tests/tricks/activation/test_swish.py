"""Swish: x sigmoid(beta x), with beta constant or learned."""

import math
from functools import partial

import pytest
import torch
from torch import nn

from tricktable.models.resnet import ResNet
from tricktable.tricks.activation.swish import Swish
from tricktable.tricks.groups.no_decay import no_decay

VALUES = [-30.0, -3.0, -1.0, -0.1, 0.0, 0.1, 1.0, 3.0, 30.0]


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


@pytest.mark.parametrize("learned", [False, True])
@pytest.mark.parametrize("beta", [1.0, 0.0, 0.5, 10.0])
def test_the_equation_and_its_gradient(beta, learned):
    x = torch.tensor(VALUES, dtype=torch.float64, requires_grad=True)
    trick = Swish(beta, learned).double()
    y = trick(x)
    y.sum().backward()
    s = [sigmoid(beta * v) for v in VALUES]
    expected = [v * p for v, p in zip(VALUES, s, strict=True)]
    slope = [p + beta * v * p * (1 - p) for v, p in zip(VALUES, s, strict=True)]
    torch.testing.assert_close(y.detach(), torch.tensor(expected, dtype=torch.float64))
    torch.testing.assert_close(x.grad, torch.tensor(slope, dtype=torch.float64))
    if learned:
        by_beta = sum(v * v * p * (1 - p) for v, p in zip(VALUES, s, strict=True))
        torch.testing.assert_close(trick.beta.grad, torch.tensor(by_beta, dtype=torch.float64))
    else:
        assert not list(trick.parameters())


def test_its_limits_are_half_of_x_and_relu():
    x = torch.linspace(-3, 3, 61)
    torch.testing.assert_close(Swish(0.0)(x), x / 2)
    torch.testing.assert_close(Swish(1e4)(x), x.relu())


@pytest.mark.parametrize("beta", [1.0, 1.5])
@pytest.mark.parametrize("learned", [False, True])
def test_halves_stay_halves(beta, learned):
    assert Swish(beta, learned)(torch.ones(3, dtype=torch.bfloat16)).dtype is torch.bfloat16


def test_initialisations_know_it():
    assert isinstance(Swish(), nn.SiLU)


def test_a_networks_betas_are_each_its_own_trained_and_spared_from_decay():
    torch.manual_seed(0)
    model = ResNet(10, 1, depth=8, width=4, activation=partial(Swish, learn_beta=True))
    betas = [m.beta for m in model.modules() if isinstance(m, Swish)]
    assert len(betas) == len(set(betas)) == 7
    nn.functional.cross_entropy(model(torch.randn(8, 1, 8, 8)), torch.arange(8)).backward()
    assert all(beta.grad != 0 for beta in betas)
    _, exempt = no_decay(model)
    assert set(betas) <= set(exempt["params"])
