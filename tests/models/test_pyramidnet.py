"""The pyramidal networks: the papers' widths and counts exactly, the block's equation, and every seam in use."""

import functools
import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.models.checks import (
    a_step_moves_every_parameter,
    calls_its_residuals_in_order,
    does_without_normalisation,
    takes_another_head,
    trains,
    uses_its_seams,
)
from tricktable.models.pyramidnet import PyramidNet
from tricktable.runner.explore.networks import network

HAN, YAMADA = "han2017_pyramidnet", "yamada2018_shakedrop"
IMAGENET = {"depth": 200, "block": "bottleneck", "width": 64, "blocks": [3, 24, 36, 3], "stem": "imagenet"}


def basic(alpha, widening="add", depth=110):
    return {"depth": depth, "alpha": alpha, "widening": widening}


def bottleneck(depth, alpha):
    return {"depth": depth, "alpha": alpha, "block": "bottleneck"}


MEMBERS = {
    "pyramidnet110": basic(270),
    "pyramidnet110_a48": basic(48),
    "pyramidnet110_a84": basic(84),
    "pyramidnet110_a270": basic(270),
    "pyramidnet110_m4_75": basic(4.75, "mul"),
    "pyramidnet110_m8": basic(8, "mul"),
    "pyramidnet110_m27": basic(27, "mul"),
    "pyramidnet164_a48": bottleneck(164, 48),
    "pyramidnet164_a84": bottleneck(164, 84),
    "pyramidnet164_a270": bottleneck(164, 270),
    "pyramidnet200_a240": bottleneck(200, 240),
    "pyramidnet236_a220": bottleneck(236, 220),
    "pyramidnet272_a200": bottleneck(272, 200),
    "pyramidnet200_a300": {**IMAGENET, "alpha": 300},
    "pyramidnet200_a450": {**IMAGENET, "alpha": 450},
}
OTHERS = {
    "pyramidnet101_a360": {**IMAGENET, "depth": 101, "blocks": [3, 4, 23, 3], "alpha": 360},
    "pyramidnet20_a48": basic(48, depth=20),
    "pyramidnet38_a48": basic(48, depth=38),
}
PARAMETERS = [  # paper, network, classes, all parameters, those outside normalisations, features of the classifier
    (HAN, "pyramidnet110_a48", 10, 1772706, 1759538, 64),
    (HAN, "pyramidnet110_a84", 10, 3904446, 3885338, 100),
    (HAN, "pyramidnet110_a270", 10, 28485477, 28435679, 286),
    (HAN, "pyramidnet110_m4_75", 10, 1762206, 1749488, 76),
    (HAN, "pyramidnet110_m8", 10, 3876547, 3858663, 128),
    (HAN, "pyramidnet110_m27", 10, 28361693, 28319491, 432),
    (HAN, "pyramidnet164_a48", 10, 1715442, 1671698, 256),
    (HAN, "pyramidnet164_a84", 10, 3757494, 3693950, 400),
    (HAN, "pyramidnet164_a270", 10, 27216021, 27050177, 1144),
    (HAN, "pyramidnet200_a240", 10, 26752702, 26570718, 1024),
    (HAN, "pyramidnet236_a220", 10, 26969046, 26770222, 944),
    (HAN, "pyramidnet272_a200", 10, 26210842, 25999978, 864),
    (HAN, "pyramidnet200_a300", 1000, 62368168, 62082432, 1456),
    (HAN, "pyramidnet200_a450", 1000, 116775213, 116388977, 2056),
    # in a table's row; the count without normalisations is not in the facts
    (HAN, "pyramidnet101_a360", 1000, 42455070, None, 1696),
    (YAMADA, "pyramidnet110", 10, 28485477, None, 286),
    (YAMADA, "pyramidnet110", 100, 28511307, None, 286),
    (YAMADA, "pyramidnet272_a200", 10, 26210842, None, 864),
    (YAMADA, "pyramidnet20_a48", 10, 310845, None, 64),
    (YAMADA, "pyramidnet38_a48", 10, 603120, None, 64),
]
# As printed, in millions: with the normalisations' parameters or without, rounded or truncated, as it happens.
PRINTED = [
    ("pyramidnet110_a48", 1.7, False, "truncated"),
    ("pyramidnet110_a84", 3.8, False, "truncated"),
    ("pyramidnet110_m4_75", 1.7, False, "truncated"),
    ("pyramidnet110_m8", 3.8, False, "truncated"),
    ("pyramidnet110_m27", 28.3, False, "rounded"),
    ("pyramidnet164_a48", 1.7, True, "rounded"),
    ("pyramidnet164_a84", 3.8, True, "rounded"),
    ("pyramidnet164_a270", 27.0, False, "truncated"),
    ("pyramidnet200_a240", 26.6, False, "rounded"),
    ("pyramidnet236_a220", 26.8, False, "rounded"),
    ("pyramidnet272_a200", 26.0, False, "rounded"),
    ("pyramidnet200_a300", 62.1, False, "rounded"),
    ("pyramidnet200_a450", 116.4, False, "rounded"),
]
MISPRINTS = [("pyramidnet110_a270", 28.3)]  # 28.44 without normalisations' parameters and 28.49 with them
# fmt: off
CHANNELS = {
    48: [
        17, 18, 19, 20, 20, 21, 22, 23, 24, 25, 26, 27, 28, 28, 29, 30, 31, 32,
        33, 34, 35, 36, 36, 37, 38, 39, 40, 41, 42, 43, 44, 44, 45, 46, 47, 48,
        49, 50, 51, 52, 52, 53, 54, 55, 56, 57, 58, 59, 60, 60, 61, 62, 63, 64,
    ],
    84: [
        18, 19, 21, 22, 24, 25, 27, 28, 30, 32, 33, 35, 36, 38, 39, 41, 42, 44,
        46, 47, 49, 50, 52, 53, 55, 56, 58, 60, 61, 63, 64, 66, 67, 69, 70, 72,
        74, 75, 77, 78, 80, 81, 83, 84, 86, 88, 89, 91, 92, 94, 95, 97, 98, 100,
    ],
}
# fmt: on


def meta(classes=10, **arguments):
    with torch.device("meta"):
        return PyramidNet(classes, 3, **arguments)


@functools.cache
def member(name, classes=10):
    return meta(classes, **{**MEMBERS, **OTHERS}[name])


def classes_of(name):
    return 1000 if "stem" in MEMBERS[name] else 10


def parameters(model, norms=True):
    modules = [m for m in model.modules() if norms or not isinstance(m, nn.BatchNorm2d)]
    return sum(p.numel() for m in modules for p in m.parameters(recurse=False))


def small(**arguments):
    torch.manual_seed(0)
    return PyramidNet(10, **{"depth": 8, "alpha": 10.0, "width": 4, **arguments})


def bottlenecks(**arguments):
    return small(**{"depth": 11, "block": "bottleneck", **arguments})


def warmed(model):
    """In eval mode, with statistics that are not those of a new network."""
    model(torch.randn(16, 3, 8, 8))
    return model.eval()


@pytest.mark.parametrize(("paper", "name", "classes", "expected", "outside_norms", "features"), PARAMETERS)
def test_parameters_are_the_papers(paper, name, classes, expected, outside_norms, features):
    model = member(name, classes)
    assert parameters(model) == expected
    assert outside_norms in (None, parameters(model, norms=False))
    assert model.head.in_features == features


@pytest.mark.parametrize(("name", "millions", "norms", "how"), PRINTED)
def test_printed_counts_are_of_a_mixed_convention(name, millions, norms, how):
    tenths = parameters(member(name, classes_of(name)), norms) / 1e5
    assert math.floor(tenths + (0.5 if how == "rounded" else 0)) == round(10 * millions)


@pytest.mark.parametrize(("name", "millions"), MISPRINTS)
def test_misprints_are_within_two_percent(name, millions):
    for norms in (True, False):
        exact = parameters(member(name), norms) / 1e6
        assert exact == pytest.approx(millions, rel=0.02)
        assert int(10 * exact) != round(10 * millions) != round(10 * exact)


@pytest.mark.parametrize("alpha", CHANNELS)
def test_channels_of_110_layers_are_the_papers(alpha):
    model = meta(depth=110, alpha=float(alpha))
    assert [block.branches[0][1].out_channels for block in model.blocks] == CHANNELS[alpha]


def test_multiplicative_widths_grow_by_equal_factors():
    model = meta(depth=14, alpha=8.0, widening="mul")
    assert [block.branches[0][1].out_channels for block in model.blocks] == [23, 32, 45, 64, 91, 128]


@pytest.mark.parametrize("name", MEMBERS)
def test_members_are_what_their_files_say(name):
    row = network([f"model={name}"])
    assert row["params"] == row["paper_params"] == parameters(member(name, row["classes"]))
    assert row["input"] == ([3, 224, 224] if "stem" in MEMBERS[name] else [3, 32, 32])


@pytest.mark.parametrize("name", MEMBERS)
def test_members_give_logits_and_reach_every_parameter(name):
    imagenet = "stem" in MEMBERS[name]
    size, model = 224 if imagenet else 32, member(name, classes_of(name))
    logits = model(torch.empty(2, 3, size, size, device="meta"))
    assert logits.shape == (2, classes_of(name))
    logits.sum().backward()
    assert all(p.grad is not None for p in model.parameters())
    assert (model.stem_stride, model.stride) == ((4, 32) if imagenet else (1, 4))


@pytest.mark.parametrize("name", ["pyramidnet110", "pyramidnet164_a48", "pyramidnet200_a300"])
def test_depth_is_the_layers_with_weights(name):
    model = member(name, classes_of(name))
    assert sum(isinstance(m, nn.Conv2d | nn.Linear) for m in model.modules()) == MEMBERS[name]["depth"]


@pytest.mark.parametrize(("block", "depth"), [("basic", 2), ("basic", 21), ("basic", 165), ("bottleneck", 111)])
def test_other_depths_are_refused_by_name(block, depth):
    with pytest.raises(ValueError, match=rf"^depth must be [69]n \+ 2 .*{block} blocks, got {depth}$"):
        PyramidNet(10, depth=depth, block=block)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"alpha": -1.0}, r"^alpha must be finite and at least 0 where widening is add, got -1.0$"),
        ({"alpha": float("nan")}, r"^alpha must be .* got nan$"),
        ({"alpha": float("inf")}, r"^alpha must be .* got inf$"),
        ({"alpha": 0.5, "widening": "mul"}, r"^alpha must be finite and at least 1 where widening is mul, got 0.5$"),
        ({"width": 0}, r"^width must be at least 1, got 0$"),
        ({"blocks": []}, r"^blocks must be at least 1 in every stage, got \[\]$"),
        ({"blocks": [3, 0]}, r"^blocks must be at least 1 in every stage, got \[3, 0\]$"),
        ({"blocks": [2, 2]}, r"^blocks \[2, 2\] make depth 10 of basic blocks, but depth is 110$"),
    ],
)
def test_wrong_arguments_are_refused_by_name(arguments, message):
    with pytest.raises(ValueError, match=message):
        PyramidNet(10, **arguments)


@pytest.mark.parametrize(
    ("stem", "stem_stride"), [("cifar", 1), ("imagenet64", 2), ("imagenet", 4), ("imagenet_deep", 4)]
)
def test_stage_widths_sizes_and_strides(stem, stem_stride):
    model, seen = meta(depth=10, blocks=[1, 1, 2], alpha=16.0, stem=stem), []
    for block in model.blocks:
        block.register_forward_hook(lambda module, args, out: seen.append(tuple(out.shape[1:])))
    model(torch.empty(1, 3, 64, 64, device="meta"))
    side = 64 // stem_stride
    assert seen == [(w, side // s, side // s) for w, s in [(20, 1), (24, 2), (28, 4), (32, 4)]]
    assert (model.stem_stride, model.stride) == (stem_stride, 4 * stem_stride)


def test_normalisations_and_relus_stand_where_the_paper_has_them():
    conv, norm, relu = nn.Conv2d, nn.BatchNorm2d, nn.ReLU
    assert [type(m) for m in small().blocks[0].branches[0]] == [norm, conv, norm, relu, conv, norm]
    branch = bottlenecks().blocks[1].branches[0]
    assert [type(m) for m in branch] == [norm, conv, norm, relu, conv, norm, relu, conv, norm]
    shapes = [(c.in_channels, c.out_channels, c.kernel_size[0], c.stride[0]) for c in branch if isinstance(c, conv)]
    assert shapes == [(28, 11, 1, 1), (11, 11, 3, 2), (11, 44, 1, 1)]


def test_a_block_is_the_padded_mean_of_pixels_plus_the_branch():
    block = warmed(small()).blocks[1]
    x = torch.randn(2, 7, 8, 8)
    n1, c1, n2, _, c2, n3 = block.branches[0]
    branch = n3(F.conv2d(F.relu(n2(F.conv2d(n1(x), c1.weight, stride=2, padding=1))), c2.weight, padding=1))
    around = torch.zeros(2, 11, 4, 4)
    for i in range(4):
        for j in range(4):
            around[:, :7, i, j] = x[:, :, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2].mean((2, 3))
    torch.testing.assert_close(block.shortcut(x), around)
    torch.testing.assert_close(block(x), around + branch)
    assert (block(x) < 0).any()  # no ReLU after the addition


def test_shortcuts_have_no_parameters_and_branches_their_full_width():
    model, seen = small(alpha=1.0, depth=14), []
    for block in model.blocks:
        assert not list(block.shortcut.parameters())
        block.residual.register_forward_hook(lambda module, args, out: seen.append([a.shape[1] for a in args]))
    assert isinstance(model.blocks[0].shortcut, nn.Identity)  # 4 + 1/6 channels are 4
    model(torch.randn(2, 3, 8, 8))
    assert seen == [[4], [4], [5], [5], [5], [5]]


def test_the_stem_has_no_relu_and_the_end_norm_relu():
    model, x = warmed(small()), torch.randn(2, 3, 8, 8)
    stem = model.stem[1](F.conv2d(x, model.stem[0].weight, padding=1))
    torch.testing.assert_close(model.stem(x), stem)
    last = F.relu(model.after[0](model.blocks(stem))).mean((2, 3))
    torch.testing.assert_close(model(x), F.linear(last, model.head.weight, model.head.bias))


def test_all_convolutions_and_normalisations_go_through_their_seams():
    _, made = uses_its_seams(functools.partial(bottlenecks, in_channels=1), conv=1 + 3 * 3, norm=1 + 3 * 4 + 1)
    assert made["conv"][0] == (1, 4, 3, 1, 1, 1, False)
    assert (28, 11, 1, 1, 0, 1, False) in made["conv"] and (11, 11, 3, 2, 1, 1, False) in made["conv"]


def test_each_block_has_its_own_residual_module_in_forward_order():
    model = calls_its_residuals_in_order(functools.partial(small, depth=14), torch.randn(1, 3, 8, 8), 6)
    block, x = model.blocks[0], torch.randn(1, 4, 8, 8)
    torch.testing.assert_close(block(x), block.shortcut(x) + block.branches[0](x) / 2)


def test_the_head_is_made_from_features_and_classes():
    takes_another_head(small, 14, 10)


@pytest.mark.parametrize("make", [small, bottlenecks])
@pytest.mark.parametrize("stem", ["cifar", "imagenet"])
def test_it_trains_shapes_without_normalisation(make, stem):
    does_without_normalisation(functools.partial(make, stem=stem), torch.randn(2, 3, 32, 32), 10)


@pytest.mark.parametrize("make", [small, bottlenecks])
@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize("channels_last", [False, True])
def test_a_step_is_finite_and_reaches_every_parameter(make, autocast, channels_last):
    model = make()
    trains(model, torch.randn(8, 3, 16, 16), half=autocast, channels_last=channels_last)
    a_step_moves_every_parameter(model)


@pytest.mark.parametrize("size", [8, 7, 1])
def test_small_images_of_one_channel(size):
    assert small(in_channels=1)(torch.randn(2, 1, size, size)).shape == (2, 10)
