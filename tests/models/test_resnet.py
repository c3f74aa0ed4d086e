"""The residual networks: the papers' counts exactly, the block equation, torchvision's outputs, and every seam in use."""

from functools import partial

import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional as F

from tests.models.checks import (
    calls_its_residuals_in_order,
    has_torchvisions_outputs,
    residual_blocks_use_their_seams,
    takes_another_head,
    trains,
)
from tricktable.models.resnet import ResNet
from tricktable.runner.explore.networks import network
from tricktable.runner.training.count import count

BOTTLENECKS = {"block": "bottleneck", "shortcut": "B"}
RESNET50 = {"depth": 50, "width": 64, "blocks": [3, 4, 6, 3], "stem": "imagenet", **BOTTLENECKS}
RESNET18_CIFAR = {"depth": 18, "width": 64, "blocks": [2, 2, 2, 2], "shortcut": "B"}

MEMBERS = {  # of configs/model: parameters, multiply-adds; None where the papers' facts have no figure
    "resnet20": ("he2016_resnet", 269722, 40551040),
    "resnet32": ("he2016_resnet", 464154, 68862592),
    "resnet44": ("he2016_resnet", 658586, 97174144),
    "resnet56": ("he2016_resnet", 853018, 125485696),
    "resnet110": ("he2016_resnet", 1727962, 252887680),
    "resnet1202": ("he2016_resnet", 19421274, None),
    "resnet18_cifar": ("devries2017_cutout", 11173962, None),
    "resnet50": ("he2019_bag_of_tricks: ResNet-50-B", 25557032, 4089184256),
    "resnet50a": ("he2019_bag_of_tricks: ResNet-50", 25557032, 3857973248),
    "resnet50c": ("he2019_bag_of_tricks: ResNet-50-C", 25576264, 4328824832),
    "resnet50d": ("he2019_bag_of_tricks: ResNet-50-D", 25576264, 4328824832),
}
UNPRINTED = {  # parameters of torchvision's (the SE network: its paper's "25.6M + 2.5M", arXiv:1709.01507, section 4)
    "resnet18": 11689512,
    "resnet34": 21797672,
    "resnet101": 44549160,
    "resnet152": 60192808,
    "wide_resnet50_2": 68883240,
    "se_resnet50": 25557032 + 2530992,
}
ARGUMENTS = [  # facts of networks that are no member: paper and its name, arguments, classes, parameters
    ("he2016_resnet: 56 option B", {"depth": 56, "shortcut": "B"}, 10, 855770),
    ("hoffer2018_fix_classifier: resnet56_optionB", {"depth": 56, "shortcut": "B"}, 10, 855770),
    ("devries2017_cutout: resnet18_cifar100", RESNET18_CIFAR, 100, 11220132),
    ("zhao2022_dkd: resnet8x4", {"depth": 8, "width": 64, "stem_width": 32, "shortcut": "B"}, 100, 1233540),
    ("zhao2022_dkd: resnet32x4", {"depth": 32, "width": 64, "stem_width": 32, "shortcut": "B"}, 100, 7433860),
    # Zhong et al. call a network of bottlenecks by the depth that its blocks would have as basic ones.
    ("zhong2017_random_erasing: ResNet-20", {"depth": 20, "shortcut": "B"}, 10, 272474),
    ("zhong2017_random_erasing: ResNet-32", {"depth": 32, "shortcut": "B"}, 10, 466906),
    ("zhong2017_random_erasing: ResNet-44", {"depth": 65, **BOTTLENECKS}, 10, 684058),
    ("zhong2017_random_erasing: ResNet-56", {"depth": 83, **BOTTLENECKS}, 10, 869530),
    ("zhong2017_random_erasing: ResNet-110", {"depth": 164, **BOTTLENECKS}, 10, 1704154),
]
FIXUP = {20: 268393, 32: 461959, 44: 655525, 56: 849091, 110: 1720138, 1202: 19334644}


def meta(classes=10, **arguments):
    with torch.device("meta"):
        return ResNet(classes, 3, **arguments)


def parameters(model):
    return sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize(("member", "paper", "params", "madds"), [(m, *figures) for m, figures in MEMBERS.items()])
def test_members_have_the_papers_counts(member, paper, params, madds):
    row = network([f"model={member}"])
    assert (row["params"], row["paper_params"], row["paper_madds"]) == (params, params, madds)
    assert madds is None or row["madds"] == madds


@pytest.mark.parametrize(("member", "params"), UNPRINTED.items())
def test_members_without_a_figure_in_the_facts(member, params):
    row = network([f"model={member}"])
    assert (row["params"], row["paper_params"], row["paper_madds"]) == (params, None, None)


@pytest.mark.parametrize(("paper", "arguments", "classes", "params"), ARGUMENTS, ids=[row[0] for row in ARGUMENTS])
def test_the_papers_other_networks_are_arguments(paper, arguments, classes, params):
    assert parameters(meta(classes, **arguments)) == params


def test_the_biased_convolutions_of_stochastic_depth():
    """huang2016_stochastic_depth: its code's convolutions have a bias each, which the norm takes away: the conv seam."""

    def biased(*arguments, bias, **others):
        return nn.Conv2d(*arguments, bias=True, **others)

    model = meta(depth=110, shortcut="AD", conv=biased)
    assert parameters(model) == 1732010 and count(model, (3, 32, 32)).madds == 252887680


@pytest.mark.parametrize("depth", FIXUP)
def test_without_normalisation_it_is_fixups_network_less_its_scalars(depth):
    """zhang2019_fixup: 5 scalars a block and 2 outside, which are its initialisation's affair."""
    model = meta(depth=depth, norm=nn.Identity)
    assert parameters(model) + 5 * (depth - 2) // 2 + 2 == FIXUP[depth]


@pytest.mark.parametrize("depth", [8, 14, 20, 110, 1202])
def test_depth_is_the_layers_with_weights(depth):
    model = meta(depth=depth)
    assert sum(isinstance(m, nn.Conv2d | nn.Linear) for m in model.modules()) == depth


@pytest.mark.parametrize("depth", [-4, 0, 2, 7, 9, 21, 112])
def test_other_depths_are_refused_by_name(depth):
    with pytest.raises(ValueError, match=rf"^depth must be 6n \+ 2 .*got {depth}$"):
        ResNet(10, depth=depth)


def test_a_width_below_one_is_refused():
    with pytest.raises(ValueError, match=r"^width must be at least 1, got 0$"):
        ResNet(10, width=0)


def test_a_stem_narrower_than_the_first_stage():
    """Tian et al. 2020, arXiv:1910.10699: 32 channels, then 64, by a projection in the first block."""
    torch.manual_seed(0)
    model = ResNet(10, depth=8, width=8, stem_width=4, shortcut="B").eval()
    x = model.stem(torch.randn(2, 3, 8, 8))
    assert x.shape == (2, 4, 8, 8) and [s.stem[0].out_channels for s in (model, ResNet(10))] == [4, 16]
    block = model.blocks[0]
    c1, n1, _, c2, n2 = block.branches[0]
    project, norm = block.shortcut
    branch = n2(F.conv2d(F.relu(n1(F.conv2d(x, c1.weight, padding=1))), c2.weight, padding=1))
    torch.testing.assert_close(block(x), F.relu(norm(F.conv2d(x, project.weight)) + branch))
    with pytest.raises(ValueError, match=r"^stem_width must be at least 1, got 0$"):
        ResNet(10, stem_width=0)
    with pytest.raises(ValueError, match=r"^stem_width must be at most 16 with shortcut=A, which only adds .* got 17$"):
        ResNet(10, stem_width=17)


def test_stage_widths_and_sizes():
    model, seen = ResNet(10, depth=14), []
    for block in model.blocks:
        block.register_forward_hook(lambda module, args, out: seen.append(tuple(out.shape[1:])))
    model(torch.randn(1, 3, 32, 32))
    assert seen == [(16, 32, 32)] * 2 + [(32, 16, 16)] * 2 + [(64, 8, 8)] * 2


@pytest.mark.parametrize(("stem", "stride"), [("cifar", 4), ("imagenet", 16)])
def test_stride_is_what_stands_before_the_pooling(stem, stride):
    model, seen = ResNet(10, depth=8, stem=stem), []
    model.blocks.register_forward_hook(lambda module, args, out: seen.append(out.shape[2:]))
    model(torch.randn(1, 3, 64, 64))
    assert model.stride == stride
    assert seen == [(64 // stride, 64 // stride)]


@pytest.mark.parametrize("shortcut", ["A", "B"])
@pytest.mark.parametrize("stem", ["cifar", "imagenet"])
def test_every_parameter_gets_a_gradient(shortcut, stem):
    torch.manual_seed(0)
    model = ResNet(10, depth=8, shortcut=shortcut, stem=stem)
    F.cross_entropy(model(torch.randn(4, 3, 32, 32)), torch.arange(4)).backward()
    for name, p in model.named_parameters():
        assert p.grad is not None and p.grad.isfinite().all() and p.grad.abs().sum() > 0, name


def test_a_block_is_relu_of_shortcut_plus_branch():
    torch.manual_seed(0)
    block = ResNet(10, depth=8).eval().blocks[1]  # 16 -> 32 channels with stride 2
    x = torch.randn(2, 16, 8, 8)
    c1, n1, _, c2, n2 = block.branches[0]
    branch = n2(F.conv2d(F.relu(n1(F.conv2d(x, c1.weight, stride=2, padding=1))), c2.weight, padding=1))
    shortcut = torch.zeros(2, 32, 4, 4)
    for i in range(4):
        for j in range(4):
            shortcut[:, :16, i, j] = x[:, :, 2 * i, 2 * j]
    torch.testing.assert_close(block.shortcut(x), shortcut, rtol=0, atol=0)
    torch.testing.assert_close(block(x), F.relu(shortcut + branch))


def plain_shortcut(x, channels, size):
    """Stochastic depth's: the mean of each square of 2 x 2 pixels, and zeros for the channels that x lacks.

    At the border of an odd size a square has the pixels that are there.
    """
    out = torch.zeros(len(x), channels, size, size, dtype=x.dtype)
    for i in range(size):
        for j in range(size):
            pixels = [x[:, :, u, v] for u in (2 * i, 2 * i + 1) for v in (2 * j, 2 * j + 1) if max(u, v) < x.shape[2]]
            out[:, : x.shape[1], i, j] = sum(pixels) / len(pixels)
    return out


@pytest.mark.parametrize("pixels", [8, 7])
def test_option_ad_is_a_behind_average_pooling(pixels):
    torch.manual_seed(0)
    model = ResNet(10, depth=8, shortcut="AD").double().eval()
    x = torch.randn(2, 16, pixels, pixels, dtype=torch.float64)
    block = model.blocks[1]  # 16 -> 32 channels with stride 2
    expected = plain_shortcut(x, 32, 4)
    torch.testing.assert_close(block.shortcut(x), expected)
    torch.testing.assert_close(block(x), F.relu(expected + block.branches[0](x)))
    assert list(model.state_dict()) == list(ResNet(10, depth=8).state_dict()), "it has no parameters"
    assert isinstance(model.blocks[0].shortcut, nn.Identity)
    wider = ResNet(10, depth=11, block="bottleneck", shortcut="AD").blocks[0].shortcut  # 16 -> 64, no stride
    torch.testing.assert_close(wider(x), torch.cat([x, torch.zeros(2, 48, pixels, pixels, dtype=x.dtype)], 1))


def test_option_a_has_no_parameters_and_option_b_projects():
    a, b = ResNet(10, depth=8), ResNet(10, depth=8, shortcut="B")
    assert all(not list(block.shortcut.parameters()) for block in a.blocks)
    convolutions = [[m for m in block.shortcut.modules() if isinstance(m, nn.Conv2d)] for block in b.blocks]
    assert [[(c.kernel_size, c.stride) for c in cs] for cs in convolutions] == [
        [],
        [((1, 1), (2, 2))],
        [((1, 1), (2, 2))],
    ]


def test_all_convolutions_and_normalisations_go_through_their_seams():
    made: list[tuple] = []

    class Conv(nn.Conv2d):
        pass

    class Norm(nn.BatchNorm2d):
        pass

    def conv(in_channels, out_channels, kernel_size, *, stride, padding, groups, bias):
        made.append((in_channels, out_channels, kernel_size, stride, padding, groups, bias))
        return Conv(in_channels, out_channels, kernel_size, stride=stride, padding=padding, groups=groups, bias=bias)

    model = ResNet(10, in_channels=1, depth=8, shortcut="B", conv=conv, norm=Norm)
    convolutions = [m for m in model.modules() if isinstance(m, nn.Conv2d)]
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    assert len(convolutions) == len(norms) == 7 + 2
    assert {type(m) for m in convolutions} == {Conv} and {type(m) for m in norms} == {Norm}
    assert made[0] == (1, 16, 3, 1, 1, 1, False)
    assert (16, 32, 1, 2, 0, 1, False) in made and (32, 32, 3, 1, 1, 1, False) in made


def test_each_block_has_its_own_residual_module_in_forward_order():
    torch.manual_seed(0)
    model = calls_its_residuals_in_order(partial(ResNet, 10, depth=14), torch.randn(1, 3, 8, 8), 6)
    block, x = model.blocks[0], torch.randn(1, 16, 8, 8)
    torch.testing.assert_close(block(x), F.relu(x + block.branches[0](x) / 2))


def test_the_head_is_made_from_features_and_classes():
    takes_another_head(partial(ResNet, 7, depth=8, width=4), 16, 7)


def test_bf16_autocast_in_channels_last_is_finite_and_near_fp32():
    torch.manual_seed(0)
    model = ResNet(10, depth=8).to(memory_format=torch.channels_last)
    x = torch.randn(8, 3, 16, 16).contiguous(memory_format=torch.channels_last)
    expected = model(x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = model(x)
    loss = F.cross_entropy(logits.float(), torch.arange(8))
    loss.backward()
    assert logits.dtype == torch.bfloat16
    torch.testing.assert_close(logits.float(), expected, rtol=0.1, atol=0.1)
    assert all(p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize("size", [8, 7, 1])
def test_small_images_of_one_channel(size):
    model = ResNet(10, in_channels=1, depth=8)
    assert model(torch.randn(2, 1, size, size)).shape == (2, 10)


@pytest.mark.parametrize(
    ("message", "arguments"),
    [
        (r"^depth must be 9n \+ 2 with n >= 1 \(11, 20, 29, 38, ...\), got 26$", {"depth": 26, "block": "bottleneck"}),
        (r"^depth must be 50, the layers of blocks=\[3, 4, 6, 3\], got 101$", RESNET50 | {"depth": 101}),
        (r"^blocks must be one number of at least 1 for each stage, got \[2, 0\]$", {"blocks": [2, 0]}),
        (r"^blocks must be one number of at least 1 for each stage, got \[\]$", {"blocks": []}),
        (r"^bottleneck_width must be at least 1, got 0$", RESNET50 | {"bottleneck_width": 0}),
        (r"^bottleneck_width must be 1 with block=basic, got 2$", {"bottleneck_width": 2}),
        (r"^stride_in must be 3x3 with block=basic, .*got 1x1$", {"stride_in": "1x1"}),
        (r"^reduction must lie in \[1, 16\], .*got 0$", {"reduction": 0}),
        (r"^reduction must lie in \[1, 256\], .*got 257$", RESNET50 | {"reduction": 257}),
    ],
)
def test_wrong_arguments_are_refused_by_name(message, arguments):
    with pytest.raises(ValueError, match=message):
        ResNet(10, **arguments)


@pytest.mark.parametrize(("stride_in", "strides"), [("1x1", [2, 1, 1]), ("3x3", [1, 2, 1])])
def test_where_the_bottlenecks_stride_stands(stride_in, strides):
    block = meta(**RESNET50, stride_in=stride_in).blocks[3]
    convolutions = [m for m in block.branches[0] if isinstance(m, nn.Conv2d)]
    assert [c.stride[0] for c in convolutions] == strides
    assert [(c.kernel_size[0], c.out_channels) for c in convolutions] == [(1, 128), (3, 128), (1, 512)]


def test_the_tweaks_c_and_d():
    model = meta(**RESNET50 | {"stem": "imagenet_deep", "shortcut": "D"})
    stem = [(c.out_channels, c.kernel_size[0], c.stride[0]) for c in model.stem if isinstance(c, nn.Conv2d)]
    assert stem == [(32, 3, 2), (32, 3, 1), (64, 3, 1)]
    kinds = [[type(m).__name__ for m in model.blocks[i].shortcut] for i in (0, 3)]
    assert kinds == [["Conv2d", "BatchNorm2d"], ["AvgPool2d", "Conv2d", "BatchNorm2d"]]
    assert model.blocks[3].shortcut[1].stride == (1, 1)
    for size in (64, 65, 97):  # the pooling of an odd size agrees with the branch's stride
        assert model(torch.empty(1, 3, size, size, device="meta")).shape == (1, 10)


def test_stages_of_the_four_stage_network_and_its_stride():
    model, seen = meta(**RESNET50), []
    for i in (2, 6, 12, 15):
        model.blocks[i].register_forward_hook(lambda module, args, out: seen.append(tuple(out.shape[1:])))
    model(torch.empty(1, 3, 224, 224, device="meta"))
    assert seen == [(256, 56, 56), (512, 28, 28), (1024, 14, 14), (2048, 7, 7)]
    assert (model.stem_stride, model.stride) == (4, 32)
    model = meta(**RESNET50 | {"stem": "imagenet64"})
    assert (model.stem_stride, model.stride) == (2, 16)


def test_erase_relu_ends_each_block_in_the_addition():
    torch.manual_seed(0)
    block = ResNet(10, depth=8, erase_relu=True).blocks[1]
    x = torch.randn(2, 16, 8, 8)
    y = block(x)
    torch.testing.assert_close(y, block.shortcut(x) + block.branches[0](x), rtol=1e-4, atol=1e-4)
    assert (y < 0).any() and isinstance(block.branches[0][-1], nn.BatchNorm2d)


def test_squeeze_and_excitation_gates_the_branch():
    torch.manual_seed(0)
    branch = ResNet(10, depth=8, reduction=4).eval().blocks[0].branches[0]
    gate = branch[-1]
    u = torch.randn(2, 16, 5, 5)
    (w1, b1), (w2, b2) = [(m.weight, m.bias) for m in gate.modules() if isinstance(m, nn.Linear)]
    assert w1.shape == (4, 16) and w2.shape == (16, 4)
    s = torch.sigmoid(torch.relu(u.mean((2, 3)) @ w1.T + b1) @ w2.T + b2)
    torch.testing.assert_close(gate(u), u * s.view(2, 16, 1, 1))


SMALL = {
    "basic": {"depth": 8},
    "bottleneck": {"depth": 11, "width": 8, **BOTTLENECKS, "stride_in": "1x1"},
    "se": {"depth": 11, "width": 8, **BOTTLENECKS, "reduction": 4},
    "d": {"depth": 10, "blocks": [1, 1, 1, 1], "width": 8, "shortcut": "D", "stem": "imagenet_deep"},
    "erased": {"depth": 8, "erase_relu": True, "stem": "imagenet64"},
}


@pytest.mark.parametrize("norm", [None, nn.Identity], ids=["batch", "none"])
@pytest.mark.parametrize("arguments", SMALL.values(), ids=SMALL)
@pytest.mark.parametrize("half", [False, True], ids=["fp32", "bf16"])
def test_every_design_trains_in_channels_last(arguments, norm, half):
    torch.manual_seed(0)
    trains(ResNet(10, **arguments, norm=norm), torch.randn(4, 3, 32, 32), half=half)


@pytest.mark.parametrize("arguments", SMALL.values(), ids=SMALL)
def test_every_design_uses_its_seams_for_everything(arguments):
    residual_blocks_use_their_seams(partial(ResNet, 10, **arguments), 10)


def ours(blocks, state):
    """torchvision's names of a (wide) ResNet or a ResNeXt as ours: its parts of a block by number, blocks in a row."""
    first = [sum(blocks[:stage]) for stage in range(len(blocks))]
    inside = {"conv1": 0, "bn1": 1, "conv2": 3, "bn2": 4, "conv3": 6, "bn3": 7}
    renamed = {}
    for name, value in state.items():
        part, *rest = name.split(".")
        if part.startswith("layer"):
            block, part, *rest = rest
            place = ["shortcut"] if part == "downsample" else ["branches", "0", str(inside[part])]
            rest = ["blocks", str(first[int(name[5]) - 1] + int(block)), *place, *rest]
        else:
            rest = [{"conv1": "stem.0", "bn1": "stem.1", "fc": "head"}[part], *rest]
        renamed[".".join(rest)] = value
    return renamed


TORCHVISION = {
    "resnet18": {"depth": 18, "blocks": [2, 2, 2, 2], "block": "basic"},
    "resnet34": {"depth": 34, "blocks": [3, 4, 6, 3], "block": "basic"},
    "resnet50": {},
    "resnet101": {"depth": 101, "blocks": [3, 4, 23, 3]},
    "resnet152": {"depth": 152, "blocks": [3, 8, 36, 3]},
    "wide_resnet50_2": {"bottleneck_width": 2},
}


@pytest.mark.parametrize(("name", "arguments"), TORCHVISION.items())
def test_torchvisions_weights_give_its_outputs(name, arguments):
    arguments = RESNET50 | arguments
    theirs = getattr(torchvision.models, name)
    has_torchvisions_outputs(partial(ResNet, 1000, **arguments), theirs, partial(ours, arguments["blocks"]), 32)
