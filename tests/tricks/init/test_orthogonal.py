"""Orthogonal initialisation: weights are gain times matrices with orthonormal rows or columns."""

import pytest
import torch
from scipy import stats
from torch import nn

from tricktable.tricks.init.orthogonal import orthogonal


@pytest.mark.parametrize("gain", [1.0, 2**0.5])
@pytest.mark.parametrize(
    "layer",
    [nn.Linear(30, 20), nn.Linear(20, 30), nn.Conv2d(4, 50, 3), nn.Conv2d(16, 20, 3), nn.Conv2d(12, 36, 1, groups=3), nn.Conv2d(6, 6, 3, groups=6)],
    ids=["wide", "tall", "tall conv", "wide conv", "grouped", "depthwise"],
)  # fmt: skip
def test_rows_or_columns_are_orthonormal_times_gain(layer, gain):
    torch.manual_seed(0)
    orthogonal(layer, gain=gain)
    groups = getattr(layer, "groups", 1)
    for matrix in layer.weight.detach().chunk(groups):
        w = matrix.flatten(1)
        product = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
        torch.testing.assert_close(product, gain**2 * torch.eye(min(w.shape)), atol=1e-5, rtol=0)
    assert not layer.bias.any()


def test_matrices_are_uniform_among_the_orthogonal_ones():
    """In two dimensions: the angle of the first row is uniform, and half of them are reflections."""
    torch.manual_seed(0)
    layer = nn.Conv2d(2000, 2000, 1, groups=1000)
    orthogonal(layer)
    matrices = layer.weight.detach().view(1000, 2, 2)
    angles = torch.atan2(matrices[:, 0, 1], matrices[:, 0, 0])
    assert stats.kstest(angles.numpy(), stats.uniform(-torch.pi, 2 * torch.pi).cdf).pvalue > 0.01
    assert 0.4 < (torch.linalg.det(matrices) < 0).float().mean() < 0.6


def test_a_deep_linear_network_keeps_lengths_exactly():
    model = nn.Sequential(*[nn.Linear(32, 32) for _ in range(50)])
    torch.manual_seed(0)
    orthogonal(model)
    x = torch.randn(8, 32)
    torch.testing.assert_close(model(x).norm(dim=1), x.norm(dim=1), rtol=1e-4, atol=0)


def test_normalisations_and_frozen_layers_are_left_alone():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(2, 2))
    model[3].requires_grad_(False)
    nn.init.constant_(model[1].weight, 3.0)
    nn.init.constant_(model[3].weight, 7.0)
    orthogonal(model)
    assert (model[1].weight == 3).all() and (model[3].weight == 7).all()
    assert all(p.requires_grad for p in model[0].parameters())


def test_equal_seeds_give_equal_bits():
    a, b = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3)
    for layer in (a, b):
        torch.manual_seed(5)
        orthogonal(layer)
    assert torch.equal(a.weight, b.weight)


def test_a_wrong_gain_is_refused():
    with pytest.raises(ValueError, match="gain must be above 0, got -1"):
        orthogonal(nn.Linear(2, 2), gain=-1.0)


@pytest.mark.parametrize("model", [nn.BatchNorm2d(3), nn.Linear(2, 2).requires_grad_(False)])
def test_nothing_to_initialise(model):
    with pytest.raises(ValueError, match="orthogonal finds no trainable"):
        orthogonal(model)
