"""LeNet: its counts, the field that images are centred in, and its seams."""

import inspect
import re

import pytest
import torch
from torch import nn

from tests.models.checks import trains
from tricktable.models.lenet import LeNet
from tricktable.runner.training.count import count

CAFFE = {"channels": [20, 50], "hidden": [500], "nonlinearity": "hidden_relu", "pool": "max", "resolution": 28}


def meta(in_channels=1, **arguments):
    with torch.device("meta"):
        return LeNet(10, in_channels, **arguments)


@pytest.mark.parametrize(
    ("arguments", "size", "params", "madds"), [({}, 32, 61706, 416520), (CAFFE, 28, 431080, 2293000)]
)
def test_counts(arguments, size, params, madds):
    counted = count(meta(**arguments), (1, size, size))
    assert (counted.params, counted.madds) == (params, madds)


def test_the_layers_are_the_papers():
    model = LeNet(10, 1)
    assert [m.weight.shape[:2] for m in model.features if hasattr(m, "weight")] == [
        (6, 1),
        (16, 6),
        (120, 400),
        (84, 120),
    ]
    assert sum(isinstance(m, nn.Tanh) for m in model.features) == 4
    assert [type(m) for m in meta(**CAFFE).features if isinstance(m, nn.ReLU | nn.Tanh)] == [nn.ReLU]
    assert (model.stride, model.stem_stride) == (4, 1)


@pytest.mark.parametrize("size", [28, 27, 8, 1])
def test_smaller_images_are_centred_in_the_field(size):
    torch.manual_seed(0)
    model, x = LeNet(10, 1), torch.randn(2, 1, size, size)
    field = torch.zeros(2, 1, 32, 32)
    start = (32 - size) // 2
    field[:, :, start : start + size, start : start + size] = x
    torch.testing.assert_close(model(x), model(field))


def test_larger_images_do_not_fit():
    with pytest.raises(RuntimeError, match="shapes|reduction dim"):
        meta()(torch.empty(1, 1, 64, 64, device="meta"))


def test_seams():
    class Conv(nn.Conv2d):
        pass

    heads = []

    def head(in_features, num_classes):
        heads.append((in_features, num_classes))
        return nn.Linear(in_features, num_classes)

    model = LeNet(7, 3, conv=Conv, head=head)
    assert [type(m) for m in model.modules() if isinstance(m, nn.Conv2d)] == [Conv] * 2
    assert heads == [(84, 7)]
    assert model(torch.randn(2, 3, 32, 32)).shape == (2, 7)
    assert not {"norm", "residual"} & set(inspect.signature(LeNet).parameters)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"channels": [6]}, "channels must be 2 numbers from 1 on, got [6]"),
        ({"channels": [6, 0]}, "channels must be 2 numbers from 1 on, got [6, 0]"),
        ({"hidden": [120, -1]}, "hidden must be numbers from 1 on, got [120, -1]"),
        ({"resolution": 30}, "resolution must be a multiple of 4 from 16 on, got 30"),
        ({"resolution": 12}, "resolution must be a multiple of 4 from 16 on, got 12"),
    ],
)
def test_wrong_arguments_are_one_line(arguments, line):
    with pytest.raises(ValueError, match=f"^{re.escape(line)}$"):
        LeNet(10, **arguments)


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("arguments", [{}, CAFFE, {"hidden": [], "nonlinearity": "relu"}])
def test_one_step_reaches_every_parameter(half, arguments):
    torch.manual_seed(0)
    model = LeNet(10, 1, **arguments)
    trains(model, torch.randn(8, 1, 28, 28), half=half)
