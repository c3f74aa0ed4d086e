"""Batch normalization against its equation."""

import numpy as np
import pytest
import torch

from tricktable.tricks.norm.batch import batch_norm


def test_the_equation_in_training():
    x = torch.randn(5, 3, 4, 4, dtype=torch.float64) * 2 + 1
    norm = batch_norm(3, eps=0.1).double()
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([1.0, 2.0, -1.0]))
        norm.bias.copy_(torch.tensor([0.0, 0.5, 1.0]))
    out = norm(x).detach().numpy()
    for c in range(3):
        values = x[:, c].numpy()
        y = (values - values.mean()) / np.sqrt(values.var() + 0.1)
        np.testing.assert_allclose(out[:, c], y * norm.weight[c].item() + norm.bias[c].item())


def test_momentum_is_the_weight_of_the_new_batch():
    norm = batch_norm(2, momentum=0.25)
    x = torch.randn(64, 2, 3, 3) + 4
    norm(x)
    torch.testing.assert_close(norm.running_mean, 0.25 * x.mean((0, 2, 3)))


def test_no_momentum_is_the_plain_average():
    norm = batch_norm(1, momentum=None)
    norm(torch.full((4, 1, 2, 2), 1.0))
    norm(torch.full((4, 1, 2, 2), 4.0))
    torch.testing.assert_close(norm.running_mean, torch.tensor([2.5]))


def test_gradients_are_finite_on_a_constant_channel():
    x = torch.ones(4, 2, 3, 3, requires_grad=True)
    batch_norm(2)(x).square().sum().backward()
    assert x.grad.isfinite().all()


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"eps": -1.0}, "eps must be at least 0"),
        ({"momentum": 0.0}, "momentum must lie in"),
        ({"momentum": 1.5}, "1.5"),
    ],
)
def test_out_of_range(arguments, line):
    with pytest.raises(ValueError, match=line):
        batch_norm(2, **arguments)
