"""GELU: x Phi(x), or the paper's approximation by tanh."""

import math

import pytest
import torch
from torch import nn

from tricktable.tricks.activation.gelu import GELU

VALUES = [-30.0, -3.0, -1.0, -0.1, 0.0, 0.1, 1.0, 3.0, 30.0]


def exact(x):
    return x * 0.5 * math.erfc(-x / math.sqrt(2))


def approximated(x):
    return 0.5 * x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


@pytest.mark.parametrize(("approximate", "equation"), [("none", exact), ("tanh", approximated)])
def test_the_equation(approximate, equation):
    y = GELU(approximate)(torch.tensor(VALUES, dtype=torch.float64))
    torch.testing.assert_close(y, torch.tensor([equation(x) for x in VALUES], dtype=torch.float64))


def test_exact_is_the_default_and_not_the_approximation():
    x = torch.tensor([1.5], dtype=torch.float64)
    assert torch.equal(GELU()(x), GELU("none")(x)) and not torch.equal(GELU()(x), GELU("tanh")(x))


def test_initialisations_know_it():
    assert isinstance(GELU(), nn.GELU)
