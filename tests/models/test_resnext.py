"""ResNeXt: the paper's counts exactly, the aggregated transformations, torchvision's outputs, and every seam in use."""

from functools import partial

import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional as F

from tests.models.checks import has_torchvisions_outputs, residual_blocks_use_their_seams, trains
from tests.models.test_resnet import ours
from tricktable.models.resnext import ResNeXt
from tricktable.runner.explore.networks import network

MEMBERS = {  # of configs/model, xie2017_resnext: parameters, multiply-adds; None where the facts have no figure
    "resnext29_1x64d": (4914250, None),
    "resnext29_2x64d": (9130314, None),
    "resnext29_4x64d": (17562442, 2736465920),
    "resnext29_8x64d": (34426698, 5387266048),
    "resnext29_16x64d": (68155210, 10688866304),
}
UNPRINTED = {  # parameters of torchvision's; of squeeze-and-excitation, 2 C^2/16 + C/16 + C a block
    "resnext50_32x4d": 25028904,
    "resnext101_32x4d": 44177704,
    "resnext101_64x4d": 83455272,
    "se_resnext50_32x4d": 25028904 + 2530992,
}
RESNEXT50 = {"depth": 50, "blocks": [3, 4, 6, 3], "stem": "imagenet", "cardinality": 32, "base_width": 4}
SMALL = {
    "plain": {"depth": 11, "width": 8, "cardinality": 2},
    "a": {"depth": 11, "width": 8, "cardinality": 4, "base_width": 16, "shortcut": "A", "stem": "imagenet64"},
    "d": {"depth": 14, "blocks": [1, 1, 1, 1], "width": 8, "cardinality": 2, "shortcut": "D", "stem": "imagenet_deep"},
    "se": {"depth": 11, "width": 8, "cardinality": 2, "reduction": 4, "stem": "imagenet"},
    "erased": {"depth": 11, "width": 8, "cardinality": 2, "erase_relu": True},
}


def meta(classes=10, **arguments):
    with torch.device("meta"):
        return ResNeXt(classes, 3, **arguments)


@pytest.mark.parametrize(("member", "params", "madds"), [(m, *figures) for m, figures in MEMBERS.items()])
def test_members_have_the_papers_counts(member, params, madds):
    row = network([f"model={member}"])
    assert (row["params"], row["paper_params"], row["paper_madds"]) == (params, params, madds)
    assert madds is None or row["madds"] == madds


@pytest.mark.parametrize(("cardinality", "params"), [(8, 34518948), (16, 68247460)])
def test_the_networks_of_100_classes(cardinality, params):
    """xie2017_resnext: the CIFAR-100 rows of its CIFAR table."""
    assert sum(p.numel() for p in meta(100, cardinality=cardinality).parameters()) == params


@pytest.mark.parametrize(("member", "params"), UNPRINTED.items())
def test_members_without_a_figure_in_the_facts(member, params):
    row = network([f"model={member}"])
    assert (row["params"], row["paper_params"], row["paper_madds"]) == (params, None, None)


@pytest.mark.parametrize(("cardinality", "base_width"), [(1, 64), (2, 40), (4, 24), (8, 14), (32, 4)])
def test_the_configurations_of_equal_complexity(cardinality, base_width):
    """xie2017_resnext: complexity_1x_configs, all of about the 25.6M parameters of ResNet-50 (the paper's table 2)."""
    model = meta(1000, **RESNEXT50 | {"cardinality": cardinality, "base_width": base_width})
    assert 24.9e6 < sum(p.numel() for p in model.parameters()) < 25.7e6
    widths = [model.blocks[i].branches[0][3].out_channels for i in (0, 3, 7, 13)]
    assert widths == [cardinality * (n * base_width // 64) for n in (64, 128, 256, 512)]


def test_the_structure_for_cifar():
    """xie2017_resnext: structure."""
    model, seen = meta(), []
    for block in model.blocks:
        block.register_forward_hook(lambda module, args, out: seen.append(tuple(out.shape[1:])))
    model(torch.empty(1, 3, 32, 32, device="meta"))
    assert seen == [(256, 32, 32)] * 3 + [(512, 16, 16)] * 3 + [(1024, 8, 8)] * 3
    assert [bool(list(block.shortcut.parameters())) for block in model.blocks] == [True, False, False] * 3
    convolutions = [m for m in model.blocks[3].branches[0] if isinstance(m, nn.Conv2d)]
    assert [(c.kernel_size[0], c.out_channels, c.groups, c.stride[0]) for c in convolutions] == [
        (1, 1024, 1, 1),
        (3, 1024, 8, 2),
        (1, 512, 1, 1),
    ]
    assert (model.stem_stride, model.stride) == (1, 4)
    assert (meta(**RESNEXT50).stem_stride, meta(**RESNEXT50).stride) == (4, 32)


@pytest.mark.parametrize("erase_relu", [False, True])
def test_the_branch_is_the_sum_of_its_transformations(erase_relu):
    torch.manual_seed(0)
    block = ResNeXt(10, depth=11, width=8, cardinality=4, erase_relu=erase_relu).eval().blocks[1]
    c1, n1, _, c2, n2, _, c3, n3 = block.branches[0]
    x, d = torch.randn(2, 32, 6, 6), c2.out_channels // 4
    total = 0
    for i in range(4):
        own = slice(i * d, (i + 1) * d)  # a transformation's own channels
        y = F.relu(n1(F.conv2d(x, c1.weight))[:, own])
        z = torch.zeros(2, 4 * d, 3, 3)
        z[:, own] = F.conv2d(y, c2.weight[own], stride=2, padding=1)
        total = total + F.conv2d(F.relu(n2(z)[:, own]), c3.weight[:, own])
    term = block.shortcut(x) + n3(total)
    torch.testing.assert_close(block(x), term if erase_relu else F.relu(term), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("message", "arguments"),
    [
        (r"^depth must be 9n \+ 2 with n >= 1 \(11, 20, 29, 38, ...\), got 28$", {"depth": 28}),
        (r"^depth must be 50, the layers of blocks=\[3, 4, 6, 3\], got 29$", RESNEXT50 | {"depth": 29}),
        (r"^blocks must be one number of at least 1 for each stage, got \[0\]$", {"blocks": [0]}),
        (r"^width must be at least 1, got 0$", {"width": 0}),
        (r"^cardinality must be at least 1, got 0$", {"cardinality": 0}),
        (r"^base_width must be at least 1, one channel a group with width=64, got 0$", {"base_width": 0}),
        (r"^base_width must be at least 4, one channel a group with width=16, got 3$", {"base_width": 3, "width": 16}),
        (r"^reduction must lie in \[1, 256\], .*got 0$", {"reduction": 0}),
    ],
)
def test_wrong_arguments_are_refused_by_name(message, arguments):
    with pytest.raises(ValueError, match=message):
        ResNeXt(10, **arguments)


@pytest.mark.parametrize("norm", [None, nn.Identity], ids=["batch", "none"])
@pytest.mark.parametrize("arguments", SMALL.values(), ids=SMALL)
@pytest.mark.parametrize("half", [False, True], ids=["fp32", "bf16"])
def test_every_design_trains_in_channels_last(arguments, norm, half):
    torch.manual_seed(0)
    trains(ResNeXt(10, **arguments, norm=norm), torch.randn(4, 3, 32, 32), half=half)


@pytest.mark.parametrize("arguments", SMALL.values(), ids=SMALL)
def test_every_design_uses_its_seams_for_everything(arguments):
    residual_blocks_use_their_seams(partial(ResNeXt, 10, **arguments), 10)


def test_torchvisions_weights_give_its_outputs():
    make = partial(ResNeXt, 1000, **RESNEXT50)
    has_torchvisions_outputs(make, torchvision.models.resnext50_32x4d, partial(ours, RESNEXT50["blocks"]), 32)
