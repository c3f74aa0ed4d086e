"""VGG: its configurations and counts, its CIFAR forms, and torchvision's outputs."""

import inspect
import re
from functools import partial

import pytest
import torch
import torchvision
from torch import nn

from tests.models.checks import has_torchvisions_outputs, trains
from tricktable.models.vgg import VGG
from tricktable.runner.training.count import count

MILLIONS = {11: 133, 13: 133, 16: 138, 19: 144}  # parameters, table 2 of the paper
EXACT = {11: 132863336, 13: 133047848, 16: 138357544, 19: 143667240}  # torchvision's


def meta(classes=1000, in_channels=3, **arguments):
    with torch.device("meta"):
        return VGG(classes, in_channels, **arguments)


@pytest.mark.parametrize("depth", EXACT)
def test_parameters_are_the_papers(depth):
    model = meta(depth=depth)
    params = count(model, (3, 224, 224)).params
    assert params == EXACT[depth]
    assert round(params / 1e6) == MILLIONS[depth]
    assert sum(isinstance(m, nn.Conv2d | nn.Linear) for m in model.modules()) == depth


def test_madds_of_16_layers():
    assert count(meta(), (3, 224, 224)).madds == 15470264320


@pytest.mark.parametrize(
    ("arguments", "params"),
    [
        ({}, 14719818),
        ({"batch_norm": True}, 14719818 - 4224 + 2 * 4224),  # scale and shift instead of a bias, for 4224 channels
        ({"batch_norm": True, "classifier": "cifar_hidden"}, 14724042 + 512 * 512 + 2 * 512),
    ],
)
@pytest.mark.parametrize("size", [32, 28, 8, 1])
def test_the_cifar_forms_take_any_size(arguments, params, size):
    model = meta(10, **{"classifier": "cifar", **arguments})
    assert count(model, (3, size, size)).params == params
    assert (model.stride, model.stem_stride) == (32, 1)


def test_conv_dropout_stands_after_all_but_a_stages_last_convolution():
    model = meta(10, classifier="cifar_hidden", batch_norm=True, conv_dropout=True)
    assert [m.p for m in model.features if isinstance(m, nn.Dropout)] == [0.3] + [0.4] * 7
    assert [m.p for m in model.classifier if isinstance(m, nn.Dropout)] == [0.5] * 2


def test_biases_only_without_a_norm():
    for arguments, biased in (({}, True), ({"batch_norm": True}, False), ({"norm": nn.BatchNorm2d}, False)):
        model = meta(10, classifier="cifar", **arguments)
        assert all((m.bias is not None) is biased for m in model.modules() if isinstance(m, nn.Conv2d))
        assert any(isinstance(m, nn.BatchNorm2d) for m in model.modules()) is not biased


def test_seams():
    class Conv(nn.Conv2d):
        pass

    class Norm(nn.BatchNorm2d):
        pass

    heads = []

    def head(in_features, num_classes):
        heads.append((in_features, num_classes))
        return nn.Linear(in_features, num_classes)

    model = meta(7, 1, classifier="cifar_hidden", conv=Conv, norm=Norm, head=head)
    assert [type(m) for m in model.modules() if isinstance(m, nn.Conv2d)] == [Conv] * 13
    assert [type(m) for m in model.modules() if isinstance(m, nn.BatchNorm2d)] == [Norm] * 14
    meta(7, head=head)
    assert heads == [(512, 7), (4096, 7)]
    assert "residual" not in inspect.signature(VGG).parameters
    bare = meta(7, classifier="cifar", norm=lambda channels: nn.Identity())
    assert bare(torch.empty(2, 3, 32, 32, device="meta")).shape == (2, 7)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"depth": 12}, "depth must be 11, 13, 16 or 19, got 12"),
        ({"dropout": 1.0}, "dropout must be in [0, 1), got 1.0"),
    ],
)
def test_wrong_arguments_are_one_line(arguments, line):
    with pytest.raises(ValueError, match=f"^{re.escape(line)}$"):
        meta(10, **arguments)


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("classifier", ["cifar", "cifar_hidden"])
def test_one_step_reaches_every_parameter(half, classifier):
    torch.manual_seed(0)
    model = VGG(10, depth=11, classifier=classifier, batch_norm=True)
    trains(model, torch.randn(8, 3, 32, 32), half=half)


def renamed(state):
    return {name.replace("classifier.6.", "head."): value for name, value in state.items()}


@pytest.mark.parametrize("size", [32, 64])
def test_torchvisions_outputs(size):
    has_torchvisions_outputs(partial(VGG, 1000), torchvision.models.vgg16, renamed, size)
