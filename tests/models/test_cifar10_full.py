"""Caffe's cifar10_full: its counts, its layers as the paper's facts list them, and its response normalisation."""

import inspect

import pytest
import torch
from torch import nn

from tests.models.checks import trains
from tricktable.models.cifar10_full import Cifar10Full
from tricktable.runner.training.count import count

SIGMOID = {"nonlinearity": "sigmoid", "batch_norm": True}


def test_smith2017_clr_params():
    counted = count(Cifar10Full(10), (3, 32, 32))
    assert (counted.params, counted.madds) == (89578, 12298240)


def test_smith2017_clr_layers():
    model, sizes = Cifar10Full(10), []
    for m in model.features:
        if isinstance(m, nn.MaxPool2d | nn.AvgPool2d):
            m.register_forward_hook(lambda module, args, out: sizes.append(tuple(out.shape[1:])))
    model(torch.randn(2, 3, 32, 32))
    first = ["Conv2d", "MaxPool2d", "ReLU", "_ResponseNorm"]
    others = ["Conv2d", "ReLU", "AvgPool2d"]
    assert [type(m).__name__ for m in model.features] == [*first, *others, "_ResponseNorm", *others, "Flatten"]
    assert sizes == [(32, 16, 16), (32, 8, 8), (64, 4, 4)]
    assert (model.stride, model.stem_stride) == (8, 1)


def test_the_network_with_sigmoids():
    kinds = [type(m).__name__ for m in Cifar10Full(10, **SIGMOID).features]
    after = ["BatchNorm2d", "Sigmoid"]
    last = ["Conv2d", *after, "AvgPool2d"]
    assert kinds == ["Conv2d", "MaxPool2d", *after, *last, *last, "Flatten"]
    assert count(Cifar10Full(10, **SIGMOID), (3, 32, 32)).params == 89578 + 128


def test_response_normalisation_is_within_a_channel():
    torch.manual_seed(0)
    norm, x = Cifar10Full(10).features[3], 200 * torch.randn(2, 3, 5, 5)
    y = norm(x)
    mean = (x[1, 2, 1:4, 2:5] ** 2).sum() / 9
    torch.testing.assert_close(y[1, 2, 2, 3], x[1, 2, 2, 3] / (1 + 5e-5 * mean) ** 0.75)
    corner = (x[1, 2, :2, :2] ** 2).sum() / 9  # zeros beyond the border are counted
    torch.testing.assert_close(y[1, 2, 0, 0], x[1, 2, 0, 0] / (1 + 5e-5 * corner) ** 0.75)


def test_averages_at_the_border_are_of_the_pixels_that_are_there():
    pool = Cifar10Full(10).features[6]
    x = torch.arange(64.0).reshape(1, 1, 8, 8)
    torch.testing.assert_close(pool(x)[0, 0, 3, 3], x[0, 0, 6:, 6:].mean())


def test_seams():
    class Conv(nn.Conv2d):
        pass

    class Norm(nn.BatchNorm2d):
        pass

    heads = []

    def head(in_features, num_classes):
        heads.append((in_features, num_classes))
        return nn.Linear(in_features, num_classes)

    model = Cifar10Full(7, 1, conv=Conv, norm=Norm, head=head)
    assert [type(m) for m in model.modules() if isinstance(m, nn.Conv2d)] == [Conv] * 3
    assert [type(m) for m in model.modules() if isinstance(m, nn.BatchNorm2d)] == [Norm] * 3
    assert heads == [(1024, 7)]
    assert "residual" not in inspect.signature(Cifar10Full).parameters
    bare = Cifar10Full(7, norm=lambda channels: nn.Identity())
    assert bare(torch.randn(2, 3, 32, 32)).shape == (2, 7)


def test_other_sizes_do_not_fit():
    with pytest.raises(RuntimeError, match="shapes"):
        Cifar10Full(10)(torch.randn(1, 3, 28, 28))


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("arguments", [{}, SIGMOID])
def test_one_step_reaches_every_parameter(half, arguments):
    torch.manual_seed(0)
    model = Cifar10Full(10, **arguments)
    trains(model, torch.randn(8, 3, 32, 32), half=half)
