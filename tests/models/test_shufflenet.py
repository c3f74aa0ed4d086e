"""ShuffleNet: the papers' figures, its two units and the shuffle, and every seam in use."""

from functools import partial

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.models.checks import uses_its_seams
from tricktable.models._parts import Block
from tricktable.models.shufflenet import ShuffleNet
from tricktable.runner.training import count

SMALL = {"width": 0.25, "stem_width": 6}


def meta(classes=1000, **arguments):
    with torch.device("meta"):
        return ShuffleNet(classes, 3, **arguments)


def counted(**arguments):
    return count.count(meta(**arguments), (3, 224, 224))


@pytest.mark.parametrize(
    ("paper", "arguments", "params", "madds"),
    [
        ("sandler2018_mobilenetv2 ShuffleNet (1.5)", {"width": 1.5}, 3.4, 292),
        ("sandler2018_mobilenetv2 ShuffleNet (x2)", {"width": 2.0, "stem_width": 48}, 5.4, 524),
    ],
)
def test_millions_of_parameters_and_madds_are_those_that_papers_print(paper, arguments, params, madds):
    costs = counted(**arguments)
    assert (int(costs.params / 1e5) / 10, round(costs.madds / 1e6)) == (params, madds)  # 5.45 is printed as 5.4


@pytest.mark.parametrize(
    ("groups", "params", "madds"),
    [(1, 1531936, 143), (2, 1733848, 140), (3, 1865728, 137), (4, 1968344, 134), (8, 2434768, 138)],
)
def test_groups_have_about_the_same_cost(groups, params, madds):
    """Zhang et al. 2018, table 1, has 143, 140, 137, 133 and 137 million: the last two are a little below ours."""
    costs = counted(groups=groups)
    assert (costs.params, int(costs.madds / 1e6)) == (params, madds)


def test_the_classifiers_size_is_the_papers():
    """hoffer2018_fix_classifier, classifier_weights.

    Its total (1826555, from memory) and so its share of 52.558 percent are not met: they are another ShuffleNet's, as
    no variant with the paper's layers has an odd number of parameters.
    """
    model = meta()
    assert (model.head.in_features, model.head.weight.numel()) == (960, 960000)
    assert sum(p.numel() for p in model.parameters()) == 1865728


@pytest.mark.parametrize(
    ("groups", "width", "widths"),
    [
        (1, 1.0, [144, 288, 576]),
        (2, 1.0, [200, 400, 800]),
        (3, 1.0, [240, 480, 960]),
        (4, 1.0, [272, 544, 1088]),
        (8, 1.0, [384, 768, 1536]),
        (3, 0.25, [60, 120, 240]),
        (3, 2.0, [480, 960, 1920]),
        (4, 0.5, [128, 256, 512]),  # 136 / 4 does not split into four groups
    ],
)
def test_stages(groups, width, widths):
    model, shapes = meta(groups=groups, width=width), []
    for unit in model.units:
        unit.register_forward_hook(lambda module, args, out: shapes.append(tuple(out.shape[1:])))
    model(torch.empty(1, 3, 224, 224, device="meta"))
    sizes = [(c, s, s) for c, s in zip(widths, (28, 14, 7), strict=True)]
    assert shapes == [sizes[0]] * 4 + [sizes[1]] * 8 + [sizes[2]] * 4


@pytest.mark.parametrize("groups", [1, 2, 3, 4, 8])
@pytest.mark.parametrize("width", [0.25, 0.5, 1.0, 1.5, 2.0])
def test_every_width_goes_with_every_number_of_groups(groups, width):
    assert meta(groups=groups, width=width)(torch.empty(2, 3, 64, 64, device="meta")).shape == (2, 1000)


def shuffled(x, groups):
    n = x.shape[1] // groups
    return torch.stack([x[:, (i % groups) * n + i // groups] for i in range(x.shape[1])], 1)


def branch(unit, x, stride, first, groups):
    layers = unit.branches[0] if isinstance(unit, Block) else unit.branch
    c1, n1, _, _, c2, n2, c3, n3 = layers
    y = shuffled(F.relu(n1(F.conv2d(x, c1.weight, groups=first))), groups)
    y = n2(F.conv2d(y, c2.weight, stride=stride, padding=1, groups=y.shape[1]))
    return n3(F.conv2d(y, c3.weight, groups=groups))


def test_the_units_equations():
    torch.manual_seed(0)
    model = ShuffleNet(10, groups=3, **SMALL).eval()
    x = torch.randn(2, 6, 8, 8)
    y = torch.cat([F.avg_pool2d(x, 3, 2, 1), branch(model.units[0], x, 2, 1, 3)], 1)
    torch.testing.assert_close(model.units[0](x), F.relu(y))
    x = F.relu(y)
    y = F.relu(x + branch(model.units[1], x, 1, 3, 3))
    torch.testing.assert_close(model.units[1](x), y)
    y = torch.cat([F.avg_pool2d(x, 3, 2, 1), branch(model.units[4], x, 2, 3, 3)], 1)
    torch.testing.assert_close(model.units[4](x), F.relu(y))


def test_the_units_of_tian_and_others():
    """A ReLU after the depthwise convolution too, and a quarter of the branch's own output in between."""
    torch.manual_seed(0)
    model = ShuffleNet(10, width=0.25, stem_width=12, stem="pointwise", units="tian").double().eval()
    images = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    x = F.relu(model.stem[1](F.conv2d(images, model.stem[0].weight)))
    assert x.shape == (2, 12, 8, 8)
    c1, n1, _, _, c2, n2, _, c3, n3 = model.units[0].branch
    assert (c2.weight.shape[0], c3.weight.shape[0]) == ((60 - 12) // 4, 60 - 12)
    y = shuffled(F.relu(n1(F.conv2d(x, c1.weight))), 3)
    y = F.relu(n2(F.conv2d(y, c2.weight, stride=2, padding=1, groups=12)))
    y = F.relu(torch.cat([F.avg_pool2d(x, 3, 2, 1), n3(F.conv2d(y, c3.weight, groups=3))], 1))
    torch.testing.assert_close(model.units[0](model.stem(images)), y)
    assert sum(p.numel() for p in meta(100, stem="pointwise", units="tian").parameters()) == 949258


@pytest.mark.parametrize(("stem", "stem_stride"), [("imagenet", 4), ("imagenet64", 2), ("cifar", 1), ("pointwise", 1)])
def test_stride_is_what_stands_before_the_pooling(stem, stem_stride):
    model = ShuffleNet(10, stem=stem, **SMALL)
    assert (model.stem_stride, model.stride) == (stem_stride, 8 * stem_stride)
    assert model.units(model.stem(torch.randn(1, 3, 64, 64))).shape[2:] == (64 // model.stride, 64 // model.stride)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"groups": 5}, "groups must be one of 1, 2, 3, 4, 8, got 5"),
        ({"width": 0.0}, "width must be above 0, got 0.0"),
        ({"stem_width": 25}, r"stem_width must be a multiple of groups \(3\) below 240, got 25"),
        ({"stem_width": 240}, r"stem_width must be a multiple of groups \(3\) below 240, got 240"),
        (
            {"stem_width": 6, "units": "tian"},
            r"stem_width must be a multiple of 4 groups \(12\) with units=tian, got 6",
        ),
        ({"stem_width": 0}, r"stem_width must be a multiple of groups \(3\) below 240, got 0"),
    ],
)
def test_wrong_arguments_are_refused_by_name(arguments, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        ShuffleNet(10, **arguments)


@pytest.mark.parametrize("stem", ["imagenet", "cifar"])
def test_all_convolutions_normalisations_and_the_head_go_through_their_seams(stem):
    make = partial(ShuffleNet, 7, in_channels=1, stem=stem, **SMALL)
    _, made = uses_its_seams(make, head=(240, 7), conv=1 + 16 * 3, norm=1 + 16 * 3)
    assert made["conv"][:4] == [
        (1, 6, 3, 2 if stem == "imagenet" else 1, 1, 1, False),
        (6, 15, 1, 1, 0, 1, False),  # the first pointwise convolution has no groups
        (15, 15, 3, 2, 1, 15, False),
        (15, 54, 1, 1, 0, 3, False),
    ]


def test_each_adding_unit_has_its_own_residual_module_in_forward_order():
    made, called = [], []

    class Half(nn.Module):
        def __init__(self, index, total, branches, channels):
            super().__init__()
            made.append((index, total, branches))
            self.index = index

        def forward(self, *branches):
            called.append(self.index)
            return branches[0] / 2

    model = ShuffleNet(10, stem="cifar", **SMALL, residual=Half).eval()
    model(torch.randn(1, 3, 16, 16))
    assert made == [(i, 13, 1) for i in range(1, 14)]
    assert called == list(range(1, 14))


@pytest.mark.parametrize("norm", [None, lambda channels: nn.Identity()])
@pytest.mark.parametrize("stem", ["imagenet", "cifar"])
def test_one_step_reaches_every_parameter(norm, stem):
    torch.manual_seed(0)
    model = ShuffleNet(10, stem=stem, norm=norm, **SMALL)
    F.cross_entropy(model(torch.randn(8, 3, 64, 64)), torch.arange(8)).backward()
    for name, p in model.named_parameters():
        assert p.grad is not None and p.grad.isfinite().all() and p.grad.abs().sum() > 0, name


def test_bf16_autocast_in_channels_last_is_finite_and_near_fp32():
    torch.manual_seed(0)
    model = ShuffleNet(10, stem="cifar", **SMALL).to(memory_format=torch.channels_last)
    x = torch.randn(8, 3, 32, 32).contiguous(memory_format=torch.channels_last)
    expected = model(x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = model(x)
    F.cross_entropy(logits.float(), torch.arange(8)).backward()
    torch.testing.assert_close(logits.float(), expected, rtol=0.1, atol=0.2)
    assert all(p.grad.isfinite().all() for p in model.parameters())
