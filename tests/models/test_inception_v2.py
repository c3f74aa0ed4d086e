"""BN-Inception: the sizes of the paper's figure 5, its modules, and every seam in use."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.models.checks import trains
from tricktable.models.inception_v2 import InceptionV2
from tricktable.runner.training import count


def meta(classes=1000, **arguments):
    with torch.device("meta"):
        return InceptionV2(classes, 3, **arguments)


def test_shapes_are_the_figures_at_224():
    model, shapes = meta(), []
    for module in [model.stem, *model.blocks]:
        module.register_forward_hook(lambda module, args, out: shapes.append(tuple(out.shape[1:3])))
    assert model(torch.empty(2, 3, 224, 224, device="meta")).shape == (2, 1000)
    assert shapes == [(192, 28), (256, 28), (320, 28), (576, 14), *[(576, 14)] * 4, (1024, 7), (1024, 7), (1024, 7)]
    assert (model.stem_stride, model.stride) == (8, 32)


@pytest.mark.parametrize(
    ("separable", "params", "madds"), [(True, 11188288, 1934857216), (False, 11194984, 2018851840)]
)
def test_counts(separable, params, madds):
    """The papers' files have no figure; about 11.2 million parameters are what others count too."""
    counted = count.count(meta(separable=separable), (3, 224, 224))
    assert (counted.params, counted.madds) == (params, madds)
    assert round(params / 1e6, 1) == 11.2


def test_a_module_concatenates_its_four_branches():
    torch.manual_seed(0)
    module, x = InceptionV2(10).eval().blocks[0], torch.randn(1, 192, 6, 6)

    def step(x, conv, norm):
        return F.relu(norm(F.conv2d(x, conv.weight, padding=conv.kernel_size[0] // 2)))

    one, three, double, pool = module
    y = [step(x, one[0], one[1]), step(step(x, three[0], three[1]), three[3], three[4])]
    y.append(step(step(step(x, double[0], double[1]), double[3], double[4]), double[6], double[7]))
    y.append(step(F.avg_pool2d(x, 3, 1, 1), pool[1], pool[2]))
    torch.testing.assert_close(module(x), torch.cat(y, 1))
    assert [part.shape[1] for part in y] == [64, 64, 96, 32]


def test_a_module_of_stride_2_passes_its_input_through_max_pooling():
    model, x = InceptionV2(10).eval(), torch.randn(1, 320, 7, 7)
    y = model.blocks[2](x)
    assert y.shape == (1, 576, 4, 4)
    torch.testing.assert_close(y[:, 256:], F.max_pool2d(x, 3, 2, 1), rtol=0, atol=0)


def test_the_last_module_pools_by_the_maximum():
    pools = [type(branches[-1][0]) for branches in meta().blocks]
    assert [i for i, kind in enumerate(pools) if kind is nn.MaxPool2d] == [2, 7, 9]


@pytest.mark.parametrize("separable", [True, False])
def test_all_convolutions_normalisations_and_the_head_go_through_their_seams(separable):
    made = {"conv": [], "norm": [], "head": []}

    class Conv(nn.Conv2d):
        pass

    class Norm(nn.BatchNorm2d):
        pass

    def conv(channels, out_channels, kernel_size, *, stride, padding, groups, bias):
        made["conv"].append((channels, out_channels, kernel_size, stride, padding, groups, bias))
        return Conv(channels, out_channels, kernel_size, stride=stride, padding=padding, groups=groups, bias=bias)

    def norm(channels):
        made["norm"].append(channels)
        return Norm(channels)

    def head(in_features, num_classes):
        made["head"].append((in_features, num_classes))
        return nn.Linear(in_features, num_classes)

    with torch.device("meta"):
        model = InceptionV2(7, in_channels=3, separable=separable, conv=conv, norm=norm, head=head)
    norms, modules = 3 + 8 * 7 + 2 * 5, list(model.modules())
    for kind, mine, key, n in ((nn.Conv2d, Conv, "conv", norms + separable), (nn.BatchNorm2d, Norm, "norm", norms)):
        layers = [m for m in modules if isinstance(m, kind)]
        assert len(layers) == len(made[key]) == n and {type(m) for m in layers} == {mine}
    first = [(3, 24, 7, 2, 3, 3, False), (24, 64, 1, 1, 0, 1, False)] if separable else [(3, 64, 7, 2, 3, 1, False)]
    assert made["conv"][: len(first)] == first
    assert made["head"] == [(1024, 7)]


def test_there_is_no_residual_seam():
    with pytest.raises(TypeError, match="residual"):
        InceptionV2(10, residual=nn.Identity)


def test_it_builds_without_normalisation():
    model = meta(norm=lambda channels: nn.Identity())
    assert model(torch.empty(2, 3, 32, 32, device="meta")).shape == (2, 1000)
    assert not [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]


@pytest.mark.parametrize("autocast", [False, True])
def test_one_step_reaches_every_parameter(autocast):
    torch.manual_seed(0)
    model = InceptionV2(10)
    trains(model, torch.randn(4, 3, 64, 64), half=autocast)
