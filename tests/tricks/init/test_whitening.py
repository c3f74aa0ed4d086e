"""Whitening: the first convolution's filters are the scaled directions of the patches' second moment, and negatives."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from tricktable.models.airbench import AirBench
from tricktable.models.resnet import ResNet
from tricktable.tricks.init.whitening import whitening


def pictures(n=6, channels=3, size=7):
    """Images whose neighbouring pixels and channels are alike."""
    x = torch.randn(n, channels, size, size, generator=torch.Generator().manual_seed(0))
    x = x + x.roll(1, 3) + 0.5 * x.roll(1, 2)
    return x + 0.7 * x.mean(1, keepdim=True) + 0.1


def some(n):
    return pictures()[:n]


def conv(channels=3, size=2, bias=True):
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(channels, 2 * channels * size**2, size, bias=bias), nn.ReLU())


def patches(images, size):
    """Every patch, C size size flattened, one after another."""
    found = []
    for image in images.double().numpy():
        for i in range(image.shape[1] - size + 1):
            for j in range(image.shape[2] - size + 1):
                found.append(image[:, i : i + size, j : j + size].reshape(-1))
    return np.stack(found)


@pytest.mark.parametrize(("n", "eps"), [(6, 5e-4), (4, 0.3)])
def test_filters_are_eigenvectors_by_the_root_of_their_variance_and_the_negatives(n, eps):
    model = conv()
    whitening(model, some, n=n, eps=eps)
    p = patches(pictures()[:n], 2)
    moment = sum(np.outer(each, each) for each in p) / len(p)
    filters = model[0].weight.detach().double().reshape(24, 12).numpy()
    assert np.array_equal(filters[12:], -filters[:12])
    variances = [float(w @ moment @ w) / float(w @ w) for w in filters[:12]]
    assert variances == sorted(variances, reverse=True)
    for w, variance in zip(filters[:12], variances, strict=True):
        np.testing.assert_allclose(moment @ w, variance * w, atol=1e-5)  # an eigenvector, and
        assert math.isclose(np.linalg.norm(w), 1 / math.sqrt(variance + eps), rel_tol=1e-5)  # its length
    np.testing.assert_allclose(np.linalg.eigvalsh(moment)[::-1], variances, rtol=1e-5)


def test_patches_come_out_white():
    model = conv()
    whitening(model, some, eps=1e-12)
    out = model[0](pictures().float())[:, :12].double()
    out = out.transpose(0, 1).flatten(1)
    torch.testing.assert_close(out @ out.T / out.shape[1], torch.eye(12, dtype=torch.float64), atol=1e-4, rtol=0)


def test_many_images_are_taken_in_parts(monkeypatch):
    one, other = conv(), conv()
    whitening(one, some)
    monkeypatch.setattr("tricks.init.whitening._AT_ONCE", 4)
    whitening(other, some)
    torch.testing.assert_close(one[0].weight.abs(), other[0].weight.abs())


def test_the_weight_is_fixed_and_the_bias_is_zero_and_trained():
    model = AirBench(10, widths=[4])
    model.stem[0].bias.data += 1
    others = [p.clone() for p in model.parameters()][2:]
    whitening(model, some)
    assert not model.stem[0].weight.requires_grad
    assert model.stem[0].bias.requires_grad and not model.stem[0].bias.any()
    assert all(torch.equal(a, b) for a, b in zip(others, list(model.parameters())[2:], strict=True))
    assert all(p is not model.stem[0].weight for p in model.parameters() if p.requires_grad)


def test_without_images_the_values_stay_and_the_weight_is_fixed_all_the_same():
    model = conv(bias=False)
    before = model[0].weight.clone()
    whitening(model, None)
    assert torch.equal(before, model[0].weight) and not model[0].weight.requires_grad


def test_n_images_are_asked_for():
    asked = []

    def images(n):
        asked.append(n)
        return pictures()

    whitening(conv(), images, n=17)
    assert asked == [17]


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (ResNet(10, depth=8), "of 54 filters, two for each of a patch's 27 numbers, and finds 16$"),
        (
            nn.Conv2d(4, 16, 2, groups=2),
            "of 16 filters, two for each of a patch's 8 numbers, and finds 16 in 2 groups$",
        ),
        (nn.Linear(2, 2), "^whitening finds no convolution$"),
    ],
    ids=["resnet", "groups", "linear"],
)
def test_other_first_layers_are_refused(model, message):
    with pytest.raises(ValueError, match=message):
        whitening(model, some)


@pytest.mark.parametrize(("argument", "value"), [("n", 0), ("eps", 0.0)])
def test_out_of_range(argument, value):
    with pytest.raises(ValueError, match=rf"^{argument} must be .*got {value:g}$"):
        whitening(conv(), some, **{argument: value})
