"""MobileNetV2: the papers' counts exactly, its blocks, its ablations, and torchvision's outputs."""

import re
from functools import partial

import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional as F

from tests.models.checks import has_torchvisions_outputs, trains
from tricktable.models._parts import Block
from tricktable.models.mobilenet_v2 import MobileNetV2
from tricktable.runner.training.count import count

# sandler2018_mobilenetv2, static: params_imagenet, params_without_bn, bn_params, madds_224
WIDTHS = {
    1.4: (6108776, 6060840, 47936, 582195824),
    1.3: (5386792, 5342536, None, 509374560),
    1.0: (3504872, 3470760, 34112, 300774272),
    0.75: (2636424, 2609784, None, 209069792),
    0.5: (1968680, 1950136, None, 97131840),
    0.35: (1677128, 1663048, None, 59285808),
    0.25: (1519112, None, None, None),
}
# madds_width1_by_resolution
SIZES = {224: 300774272, 192: 221316608, 160: 154083200, 128: 99074048, 96: 56289152}
KUANGLIU = {"shortcut": "projection", "expand_first": True, "nonlinearity": "relu"}


def meta(classes=1000, **arguments):
    with torch.device("meta"):
        return MobileNetV2(classes, **arguments)


def of_norms(model):
    return sum(p.numel() for m in model.modules() if isinstance(m, nn.BatchNorm2d) for p in m.parameters())


@pytest.mark.parametrize("width", WIDTHS)
def test_sandler2018_mobilenetv2_params_and_madds(width):
    params, without, norms, madds = WIDTHS[width]
    model = meta(width=width)
    counted = count(model, (3, 224, 224))
    assert counted.params == params
    assert without is None or counted.params - of_norms(model) == without
    assert norms is None or of_norms(model) == norms
    assert madds is None or counted.madds == madds


@pytest.mark.parametrize("size", SIZES)
def test_sandler2018_mobilenetv2_madds_width1_by_resolution(size):
    assert count(meta(), (3, size, size)).madds == SIZES[size]


@pytest.mark.parametrize(
    ("classes", "arguments", "params", "madds"),
    [
        (10, {}, 2236682, 87976448),
        (100, {}, 2351972, None),
        (10, KUANGLIU, 2296922, 91154944),
    ],
)
def test_sandler2018_mobilenetv2_cifar(classes, arguments, params, madds):
    model, seen = meta(classes, stem="cifar", **arguments), []
    model.last.register_forward_hook(lambda module, args, out: seen.append(tuple(out.shape[2:])))
    counted = count(model, (3, 32, 32))
    assert counted.params == params and madds in (None, counted.madds)
    assert set(seen) == {(4, 4)} and (model.stride, model.stem_stride) == (8, 1)


@pytest.mark.parametrize(
    ("width", "size", "params", "madds"),
    [
        (1.4, 224, 6.06, 582),
        (1.3, 224, 5.34, 509),
        (1.0, 224, 3.47, 300),
        (1.0, 192, 3.47, 221),
        (1.0, 160, 3.47, 154),
        (1.0, 128, 3.47, 99),
        (1.0, 96, 3.47, 56),
        (0.75, 224, 2.61, 209),
        (0.5, 224, 1.95, 97),
        (0.35, 224, 1.66, 59),
        (0.35, 96, 1.66, 11),
    ],
)
def test_sandler2018_mobilenetv2_tf_slim_checkpoints(width, size, params, madds):
    """Printed without the parameters of normalisation, in millions; 300.77M multiply-adds are printed cut, as 300."""
    model = meta(width=width)
    counted = count(model, (3, size, size))
    assert round((counted.params - of_norms(model)) / 1e6, 2) == params
    assert madds in (round(counted.madds / 1e6), int(counted.madds / 1e6))


def test_known_misprints():
    """sandler2018_mobilenetv2: table4 prints 6.9M parameters and 585M multiply-adds for width 1.4.

    Table 2 scaled by 1.4 has 6.11M (6.06M without normalisation, as its authors' own table prints) and 582M. The text's
    19 blocks are table 2's 17. d-li14's row of width 0.1 rounds channels to multiples of 4, not of 8; its profiler finds 0.01M to 0.02M
    multiply-adds more at every width.
    """
    counted = count(meta(width=1.4), (3, 224, 224))
    assert round(counted.params / 1e6, 1) == 6.1  # not 6.9
    assert round(counted.madds / 1e6) == 582  # not 585
    assert count(meta(width=0.1), (3, 224, 224)).params != 1356000


@pytest.mark.parametrize(
    ("width", "params", "madds"),
    [
        (1.0, 3504, 300.79),
        (0.75, 2636, 209.08),
        (0.5, 1968, 97.14),
        (0.35, 1677, 59.29),
        (0.25, 1519, 37.21),
        (0.1, 1356, 12.92),
    ],
)
def test_sandler2018_mobilenetv2_d_li14_widths(width, params, madds):
    counted = count(meta(width=width, divisor=4 if width == 0.1 else 8), (3, 224, 224))
    assert counted.params // 1000 == params
    assert 0 <= madds - counted.madds / 1e6 < 0.02


def bottlenecks(model):
    return [m for m in model.modules() if isinstance(m, nn.Conv2d) and m.groups > 1]


def test_sandler2018_mobilenetv2_bottleneck_count_identity_skips_and_table2():
    model = meta()
    depthwise = bottlenecks(model)
    assert len(depthwise) == len(model.blocks) == 17
    assert sum(isinstance(b, Block) for b in model.blocks) == 10
    convolutions = [m for m in model.blocks.modules() if isinstance(m, nn.Conv2d)]
    projected = [convolutions[i + 1].out_channels for i, m in enumerate(convolutions) if m.groups > 1]
    assert projected == [16, *[24] * 2, *[32] * 3, *[64] * 4, *[96] * 3, *[160] * 3, 320]
    assert [m.in_channels for m in depthwise] == [32, 96, *[144] * 2, *[192] * 3, *[384] * 4, *[576] * 3, *[960] * 3]
    assert [m.stride[0] for m in depthwise] == [1, 2, 1, 2, 1, 1, 2, 1, 1, 1, 1, 1, 1, 2, 1, 1, 1]


def test_sandler2018_mobilenetv2_input_sizes_and_table3_channels():
    """table3's channels at a resolution: the most that a block reading it gives; 112's 16 leave out the strided 24."""
    model, seen = meta(), {}
    for block in model.blocks:
        block.register_forward_hook(
            lambda m, args, out: seen.setdefault(args[0].shape[2], []).append((out.shape[1], out.shape[2]))
        )
    model(torch.empty(1, 3, 224, 224, device="meta"))
    assert {size: max(c for c, _ in out) for size, out in seen.items()} == {112: 24, 56: 32, 28: 64, 14: 160, 7: 320}
    assert max(c for c, size in seen[112] if size == 112) == 16


@pytest.mark.parametrize("width", [0.35, 0.5, 0.75, 1.0, 1.3, 1.4])
def test_channels_are_multiples_of_8_and_never_below_90_percent(width):
    wanted = [16, *[24] * 2, *[32] * 3, *[64] * 4, *[96] * 3, *[160] * 3, 320]
    convolutions = [m for m in meta(width=width).blocks.modules() if isinstance(m, nn.Conv2d)]
    projected = [convolutions[i + 1].out_channels for i, m in enumerate(convolutions) if m.groups > 1]
    assert all(c % 8 == 0 and c >= 0.9 * w * width for c, w in zip(projected, wanted, strict=True))


def test_the_network_of_half_width_of_tian_and_others():
    """Tian et al. 2020, arXiv:1910.10699: stride 2 in the stem, then 1, 2, 2, 1, 2, 1, and channels of exactly half."""
    model = meta(100, width=0.5, divisor=1, stem="stride2", expand_first=True, nonlinearity="relu", dropout=0.0)
    given = [m.out_channels for m in model.blocks.modules() if isinstance(m, nn.Conv2d) and m.groups > 1]
    assert len(given) == 17
    stages = [(1, 8, 1), (6, 12, 2), (6, 16, 3), (6, 32, 4), (6, 48, 3), (6, 80, 3), (6, 160, 1)]
    params, channels = 3 * 16 * 9 + 2 * 16, 16
    for t, c, n in stages:
        for _ in range(n):
            hidden = t * channels
            params += channels * hidden + 9 * hidden + hidden * c + 2 * (2 * hidden + c)
            channels = c
    params += channels * 1280 + 2 * 1280 + 1280 * 100 + 100
    assert sum(p.numel() for p in model.parameters()) == params == 812836
    seen = []
    model.last.register_forward_hook(lambda module, args, out: seen.append(tuple(out.shape[2:])))
    model(torch.empty(1, 3, 32, 32, device="meta"))
    assert seen == [(2, 2)] and (model.stride, model.stem_stride) == (16, 2)


def test_the_block_is_the_papers():
    torch.manual_seed(0)
    model = MobileNetV2(10, stem="cifar").eval()
    x = torch.randn(2, 24, 8, 8)
    for nonlinear in (False, True):
        block = MobileNetV2(10, stem="cifar", nonlinear_bottleneck=nonlinear).eval().blocks[2]
        expand, depthwise, project, norm = list(block.branches[0])[:4]
        y = F.relu6(expand[1](F.conv2d(x, expand[0].weight)))
        y = F.relu6(depthwise[1](F.conv2d(y, depthwise[0].weight, padding=1, groups=144)))
        y = norm(F.conv2d(y, project.weight))
        torch.testing.assert_close(block(x), x + (F.relu6(y) if nonlinear else y))
    assert not isinstance(model.blocks[1], Block)


@pytest.mark.parametrize(
    ("shortcut", "blocks"), [("bottleneck", 10), ("expansion", 10), ("none", 0), ("projection", 13)]
)
def test_where_the_shortcut_stands(shortcut, blocks):
    model = meta(shortcut=shortcut)
    counted = count(model, (3, 224, 224))
    found = [m for m in model.blocks if isinstance(m, Block)]
    assert len(found) == blocks
    if shortcut != "projection":
        assert (counted.params, counted.madds) == WIDTHS[1.0][0::3]
    if shortcut == "expansion":
        assert [m.branches[0][0][0].in_channels for m in found] == [144, 192, 192, *[384] * 3, *[576] * 2, *[960] * 2]


def test_the_expansions_shortcut_is_wide_narrow_wide():
    torch.manual_seed(0)
    block = next(b for b in MobileNetV2(10, shortcut="expansion").eval().blocks if isinstance(b, Block))
    x = torch.rand(2, 144, 4, 4)
    torch.testing.assert_close(block(x), F.relu6(x + block.branches[0](x)))
    assert [m.out_channels for m in block.branches[0].modules() if isinstance(m, nn.Conv2d)] == [144, 24, 144]


@pytest.mark.parametrize("shortcut", ["bottleneck", "expansion", "none", "projection"])
@pytest.mark.parametrize("half", [False, True])
def test_one_step_reaches_every_parameter(shortcut, half):
    torch.manual_seed(0)
    model = MobileNetV2(10, width=0.35, stem="cifar", shortcut=shortcut, nonlinear_bottleneck=half)
    trains(model, torch.randn(8, 3, 16, 16), half=half)


@pytest.mark.parametrize("shortcut", ["bottleneck", "expansion", "none", "projection"])
def test_seams(shortcut):
    class Conv(nn.Conv2d):
        pass

    class Norm(nn.BatchNorm2d):
        pass

    terms, called, heads = [], [], []

    class Half(nn.Module):
        def __init__(self, index, total, branches, channels):
            super().__init__()
            terms.append((index, total, branches))
            self.index = index

        def forward(self, *branches):
            called.append(self.index)
            return branches[0] / 2

    def head(in_features, num_classes):
        heads.append((in_features, num_classes))
        return nn.Linear(in_features, num_classes)

    with torch.device("meta"):
        model = MobileNetV2(7, 1, shortcut=shortcut, conv=Conv, norm=Norm, residual=Half, head=head)
        model(torch.empty(2, 1, 64, 64))
    total = {"bottleneck": 10, "expansion": 10, "none": 0, "projection": 13}[shortcut]
    assert terms == [(i, total, 1) for i in range(1, total + 1)]
    assert called == list(range(1, total + 1))
    assert heads == [(1280, 7)]
    assert {type(m) for m in model.modules() if isinstance(m, nn.Conv2d)} == {Conv}
    assert {type(m) for m in model.modules() if isinstance(m, nn.BatchNorm2d)} == {Norm}
    bare = meta(7, shortcut=shortcut, norm=lambda channels: nn.Identity())
    assert bare(torch.empty(2, 3, 64, 64, device="meta")).shape == (2, 7)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"width": 0}, "width must be above 0, got 0"),
        ({"width": float("nan")}, "width must be above 0, got nan"),
        ({"divisor": 0}, "divisor must be at least 1, got 0"),
        ({"dropout": 1.0}, "dropout must be in [0, 1), got 1.0"),
        ({"dropout": -0.1}, "dropout must be in [0, 1), got -0.1"),
    ],
)
def test_wrong_arguments_are_one_line(arguments, line):
    with pytest.raises(ValueError, match=f"^{re.escape(line)}$"):
        MobileNetV2(10, **arguments)


def renamed(theirs):
    """torchvision's names, by position within a block, as ours."""
    ours = {}
    for key, value in theirs.items():
        place, rest = key.split(".", 2)[:2], key.split(".", 2)[2]
        index = int(place[1])
        if place[0] == "classifier":
            ours[f"head.{rest}"] = value
        elif index in (0, 18):
            ours[f"{'stem' if index == 0 else 'last'}.{rest}"] = value
        else:
            identity = index - 1 in {2, 4, 5, 7, 8, 9, 11, 12, 14, 15}
            ours[f"blocks.{index - 1}.{rest.replace('conv.', 'branches.0.' if identity else '', 1)}"] = value
    return ours


def test_torchvisions_outputs():
    has_torchvisions_outputs(partial(MobileNetV2, 1000), torchvision.models.mobilenet_v2, renamed, 64)
