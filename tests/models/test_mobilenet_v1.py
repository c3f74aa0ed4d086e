"""MobileNet: its counts at the printed precision, its block, its strides, and every seam in use."""

import inspect

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.models.checks import trains
from tricktable.models.mobilenet_v1 import MobileNetV1
from tricktable.runner.training.count import count


def meta(classes=1000, **arguments):
    with torch.device("meta"):
        return MobileNetV1(classes, **arguments)


def test_the_counts_are_those_of_table_4_but_for_its_madds():
    """sandler2018_mobilenetv2, table4, row MobileNetV1: 4.2M parameters, 575M multiply-adds.

    The 575M are of another convention, which nobody states; the network's own paper (table 4) prints 569M.
    """
    counted = count(meta(), (3, 224, 224))
    assert (counted.params, counted.madds) == (4231976, 568740352)
    assert round(counted.params, -5) == 4200000
    assert round(counted.madds, -6) == 569_000_000  # not 575_000_000


@pytest.mark.parametrize(
    ("width", "millions"), [(1.0, (4.2, 569)), (0.75, (2.6, 325)), (0.5, (1.3, 149)), (0.25, (0.5, 41))]
)
def test_the_width_multiplier(width, millions):
    """Table 6 of the network's paper; of its 325M and 149M the second is cut, not rounded (149.50M)."""
    counted = count(meta(width=width), (3, 224, 224))
    assert round(counted.params / 1e6, 1) == millions[0]
    assert int(counted.madds / 1e6 + 0.49) == millions[1]


def test_28_layers_with_weights():
    layers = [m for m in meta().modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert len(layers) == 28
    assert sum(m.groups > 1 for m in layers[:-1]) == 13


@pytest.mark.parametrize(
    ("stem", "size", "sizes"), [("imagenet", 224, [112, 56, 28, 14, 7]), ("cifar", 32, [32, 16, 8, 4])]
)
def test_sizes_and_stride(stem, size, sizes):
    model, seen = meta(stem=stem), []
    for block in model.blocks:
        block.register_forward_hook(lambda module, args, out: seen.append(out.shape[2]))
    model(torch.empty(1, 3, size, size, device="meta"))
    assert sorted(set(seen), reverse=True) == sizes
    assert model.stride == size // sizes[-1] and model.stem_stride == (2 if stem == "imagenet" else 1)


def test_a_block_is_depthwise_then_pointwise():
    torch.manual_seed(0)
    block = MobileNetV1(10, width=0.25).eval().blocks[1]
    x = torch.randn(2, 16, 8, 8)
    depthwise, n1, _, pointwise, n2, _ = block
    y = F.relu(n1(F.conv2d(x, depthwise.weight, stride=2, padding=1, groups=16)))
    torch.testing.assert_close(block(x), F.relu(n2(F.conv2d(y, pointwise.weight))))


@pytest.mark.parametrize("width", [0, -1.0, float("nan"), float("inf")])
def test_a_width_that_is_none_is_refused(width):
    with pytest.raises(ValueError, match=r"^width must be above 0, got \S+$"):
        MobileNetV1(10, width=width)


def test_seams():
    class Conv(nn.Conv2d):
        pass

    class Norm(nn.BatchNorm2d):
        pass

    made = []

    def head(in_features, num_classes):
        made.append((in_features, num_classes))
        return nn.Linear(in_features, num_classes)

    model = MobileNetV1(7, 1, width=0.25, conv=Conv, norm=Norm, head=head)
    assert {type(m) for m in model.modules() if isinstance(m, nn.Conv2d)} == {Conv}
    assert {type(m) for m in model.modules() if isinstance(m, nn.BatchNorm2d)} == {Norm}
    assert sum(isinstance(m, Conv) for m in model.modules()) == sum(isinstance(m, Norm) for m in model.modules()) == 27
    assert made == [(256, 7)]
    assert "residual" not in inspect.signature(MobileNetV1).parameters
    assert meta(norm=lambda channels: nn.Identity())(torch.empty(2, 3, 64, 64, device="meta")).shape == (2, 1000)


@pytest.mark.parametrize("half", [False, True])
def test_one_step_reaches_every_parameter(half):
    torch.manual_seed(0)
    model = MobileNetV1(10, width=0.25, stem="cifar")
    trains(model, torch.randn(8, 3, 32, 32), half=half)
