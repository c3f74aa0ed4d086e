"""ReLU: max(x, 0)."""

import torch
from torch import nn

from tricktable.tricks.activation.relu import ReLU


def test_the_equation_and_its_gradient():
    x = torch.tensor([-2.0, -1e-30, 0.0, 1e-30, 3.0], requires_grad=True)
    y = ReLU()(x)
    y.sum().backward()
    assert y.tolist() == [max(value, 0.0) for value in x.tolist()]
    assert x.grad.tolist() == [0, 0, 0, 1, 1]


def test_initialisations_know_it_and_the_input_stays():
    x = torch.tensor([-1.0, 1.0])
    assert isinstance(ReLU(), nn.ReLU)
    ReLU()(x)
    assert x.tolist() == [-1, 1]
