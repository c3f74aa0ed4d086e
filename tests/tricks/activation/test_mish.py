"""Mish: x tanh(ln(1 + e^x))."""

import math

import pytest
import torch
from torch import nn

from tricktable.tricks.activation.mish import Mish

VALUES = [-30.0, -3.0, -1.0, -0.1, 0.0, 0.1, 1.0, 3.0, 30.0]


def equation(x):
    return x * math.tanh(math.log1p(math.exp(x)))


def derivative(x):
    """By the product rule: tanh(s) + x (1 - tanh(s)^2) sigmoid(x), s the softplus."""
    t = math.tanh(math.log1p(math.exp(x)))
    return t + x * (1 - t * t) / (1 + math.exp(-x))


def test_the_equation_and_its_gradient():
    x = torch.tensor(VALUES, dtype=torch.float64, requires_grad=True)
    y = Mish()(x)
    y.sum().backward()
    torch.testing.assert_close(y.detach(), torch.tensor([equation(v) for v in VALUES], dtype=torch.float64))
    torch.testing.assert_close(x.grad, torch.tensor([derivative(v) for v in VALUES], dtype=torch.float64))


def test_initialisations_know_it():
    assert isinstance(Mish(), nn.Mish)


def test_its_least_value_is_where_the_authors_say():
    x = torch.linspace(-2, 0, 200_001, dtype=torch.float64)
    y = Mish()(x)
    assert x[y.argmin()].item() == pytest.approx(-1.1924, abs=5e-5)
    assert y.min().item() == pytest.approx(-0.30884, abs=5e-6)
