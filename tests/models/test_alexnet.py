"""AlexNet: its counts, both layouts, its response normalisation, and torchvision's outputs."""

import inspect
import re
from functools import partial

import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional as F

from tests.models.checks import has_torchvisions_outputs, trains
from tricktable.models.alexnet import AlexNet
from tricktable.runner.training.count import count

TWO_TOWERS = {"layout": "krizhevsky2012", "groups": 2}
SQUEEZENET = 1248424  # iandola2016_squeezenet: parameters of version 1.0


def meta(classes=1000, in_channels=3, **arguments):
    with torch.device("meta"):
        return AlexNet(classes, in_channels, **arguments)


def parameters(**arguments):
    return count(meta(**arguments), (3, 224, 224)).params


def test_iandola2016_squeezenet_param_ratio_alexnet():
    assert parameters() == 61100840
    assert round(parameters() / SQUEEZENET, 2) == 48.94


def test_iandola2016_squeezenet_original_two_gpu_style_is_another_network():
    """62416616 is not of two towers: those have 60965224 (the paper's «60 million»), and one of their widths 62378344.

    It is the latter as Keras lists it, with batch normalisation after all seven hidden layers: for each of their 9568
    channels a scale, a shift, and a mean and a variance, which are not trained, beside the biases.
    """
    ungrouped = parameters(layout="krizhevsky2012")
    hidden = 96 + 256 + 384 + 384 + 256 + 4096 + 4096
    assert (parameters(**TWO_TOWERS), ungrouped, hidden) == (60965224, 62378344, 9568)
    assert ungrouped + 4 * hidden == 62416616
    assert round(62416616 / SQUEEZENET, 3) == 49.996
    model = meta(layout="krizhevsky2012", batch_norm=True)
    statistics = sum(b.numel() for name, b in model.named_buffers() if "running" in name)
    biases = hidden  # the normalisation's shift again, and so left out here
    assert sum(p.numel() for p in model.parameters()) + statistics + biases == 62416616


@pytest.mark.parametrize(("arguments", "madds"), [({}, 714188480), (TWO_TOWERS, 724406816)])
def test_madds(arguments, madds):
    assert count(meta(**arguments), (3, 224, 224)).madds == madds


def test_the_features_are_of_6_x_6_pixels():
    for arguments in ({}, TWO_TOWERS):
        assert meta(**arguments).features(torch.empty(1, 3, 224, 224, device="meta")).shape == (1, 256, 6, 6)
    assert (meta().stride, meta().stem_stride) == (32, 4)


def test_response_normalisation_is_the_papers():
    torch.manual_seed(0)
    model = meta(**TWO_TOWERS)
    kinds = [type(m).__name__ for m in model.features]
    assert [kinds[i - 1] for i, k in enumerate(kinds) if k == "_ResponseNorm"] == ["ReLU"] * 2
    assert not any("ResponseNorm" in type(m).__name__ for m in meta().features)
    norm = model.features[kinds.index("_ResponseNorm")]
    x = 50 * torch.randn(2, 9, 3, 3)
    torch.testing.assert_close(norm(x), F.local_response_norm(x, 5, alpha=5e-4, beta=0.75, k=2))  # torch has alpha / n
    b = x[0, 4] / (2 + 1e-4 * (x[0, 2:7] ** 2).sum(0)) ** 0.75
    torch.testing.assert_close(norm(x)[0, 4], b)


def test_the_order_of_dropout():
    first, second = meta(), meta(**TWO_TOWERS)
    assert [type(m) for m in first.classifier] == 2 * [nn.Dropout, nn.Linear, nn.ReLU]
    assert [type(m) for m in second.classifier] == 2 * [nn.Linear, nn.ReLU, nn.Dropout]


def test_seams():
    class Conv(nn.Conv2d):
        pass

    class Norm(nn.BatchNorm2d):
        pass

    heads = []

    def head(in_features, num_classes):
        heads.append((in_features, num_classes))
        return nn.Linear(in_features, num_classes)

    model = meta(7, 1, conv=Conv, norm=Norm, head=head, **TWO_TOWERS)
    assert [type(m) for m in model.modules() if isinstance(m, nn.Conv2d)] == [Conv] * 5
    assert [m.groups for m in model.modules() if isinstance(m, Conv)] == [1, 2, 1, 2, 2]
    assert [type(m) for m in model.modules() if isinstance(m, nn.BatchNorm2d)] == [Norm] * 7
    assert heads == [(4096, 7)]
    assert "residual" not in inspect.signature(AlexNet).parameters
    bare = meta(7, norm=lambda channels: nn.Identity())
    assert bare(torch.empty(2, 3, 64, 64, device="meta")).shape == (2, 7)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [({"groups": 3}, "groups must be 1 or 2, got 3"), ({"dropout": -1.0}, "dropout must be in [0, 1), got -1.0")],
)
def test_wrong_arguments_are_one_line(arguments, line):
    with pytest.raises(ValueError, match=f"^{re.escape(line)}$"):
        meta(10, **arguments)


@pytest.mark.parametrize("arguments", [{}, {**TWO_TOWERS, "batch_norm": True}])
def test_one_step_reaches_every_parameter(arguments):
    torch.manual_seed(0)
    model = AlexNet(10, **arguments)
    trains(model, torch.randn(4, 3, 64, 64), half=bool(arguments))


def renamed(state):
    return {name.replace("classifier.6.", "head."): value for name, value in state.items()}


@pytest.mark.parametrize("size", [63, 224])
def test_torchvisions_outputs(size):
    has_torchvisions_outputs(partial(AlexNet, 1000), torchvision.models.alexnet, renamed, size)
