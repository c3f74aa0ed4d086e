"""The multilayer perceptron: its equation, its dropout, the sizes that it takes, and its only seam."""

import inspect
import re

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.models.checks import trains
from tricktable.models.mlp import MLP
from tricktable.runner.training.count import count


def test_counts():
    counted = count(MLP(10, 1), (1, 28, 28))
    assert (counted.params, counted.madds) == (1276810, 1275200)


def test_it_is_the_equation():
    torch.manual_seed(0)
    model, x = MLP(10, 3, hidden=[6, 5], resolution=4).eval(), torch.randn(2, 3, 4, 4)
    first, second = (m for m in model.layers if isinstance(m, nn.Linear))
    torch.testing.assert_close(model(x), model.head(F.relu(second(F.relu(first(x.reshape(2, 48)))))))


def test_dropout_is_of_pixels_and_of_hidden_units():
    model = MLP(10, 1, hidden=[7, 5, 3])
    assert [m.p for m in model.modules() if isinstance(m, nn.Dropout)] == [0.2, 0.5, 0.5, 0.5]
    assert isinstance(model.layers[0], nn.Dropout) and isinstance(model.layers[-1], nn.Dropout)


@pytest.mark.parametrize("size", [1, 8, 28, 32, 56])
def test_any_size_is_brought_to_the_resolution(size):
    torch.manual_seed(0)
    model, x = MLP(10, 1, hidden=[4]).eval(), torch.randn(2, 1, size, size)
    torch.testing.assert_close(model(x), model(F.adaptive_avg_pool2d(x, 28)))


def test_no_hidden_layer_is_a_linear_classifier():
    model = MLP(10, 1, hidden=[])
    assert [type(m) for m in model.modules() if isinstance(m, nn.Linear)] == [nn.Linear]
    assert model.head.in_features == 784


def test_the_head_is_the_only_seam():
    heads = []

    def head(in_features, num_classes):
        heads.append((in_features, num_classes))
        return nn.Linear(in_features, num_classes)

    assert MLP(7, 1, hidden=[9], head=head)(torch.randn(2, 1, 28, 28)).shape == (2, 7)
    assert heads == [(9, 7)]
    assert not {"conv", "norm", "residual"} & set(inspect.signature(MLP).parameters)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"hidden": [800, 0]}, "hidden must be numbers from 1 on, got [800, 0]"),
        ({"dropout": 1.0}, "dropout must be in [0, 1), got 1.0"),
        ({"input_dropout": -0.5}, "input_dropout must be in [0, 1), got -0.5"),
        ({"resolution": 0}, "resolution must be at least 1, got 0"),
    ],
)
def test_wrong_arguments_are_one_line(arguments, line):
    with pytest.raises(ValueError, match=f"^{re.escape(line)}$"):
        MLP(10, **arguments)


@pytest.mark.parametrize("half", [False, True])
def test_one_step_reaches_every_parameter(half):
    torch.manual_seed(0)
    model = MLP(10, 3, hidden=[20, 20], resolution=8)
    trains(model, torch.randn(8, 3, 16, 16), half=half)
