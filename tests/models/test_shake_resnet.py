"""The two-branch networks: the paper's counts exactly, the block's equation, and every seam in use."""

from functools import partial

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
from tricktable.models.shake_resnet import ShakeResNet
from tricktable.runner.explore.networks import network
from tricktable.runner.training.count import count

PAPER = "gastaldi2017_shake_shake"
RESNEXT = {"depth": 29, "width": 64, "block": "bottleneck", "cardinality": 4, "stem_width": 64}
MEMBERS = {  # name: classes, arguments
    "shake_resnet26_2x32d": (10, {"width": 32}),
    "shake_resnet26_2x64d": (10, {"width": 64}),
    "shake_resnet26_2x96d": (10, {"width": 96}),
    "shake_resnet26_2x112d": (10, {"width": 112}),
    "shake_resnext29_2x4x64d": (100, RESNEXT),
}
PARAMETERS = [
    (PAPER, "shake_resnet26_2x32d", 2923162),
    (PAPER, "shake_resnet26_2x64d", 11653978),
    (PAPER, "shake_resnet26_2x96d", 26192922),
    (PAPER, "shake_resnet26_2x112d", 35640442),
    (PAPER, "shake_resnext29_2x4x64d", 34529700),
]
MADDS = [
    (PAPER, "shake_resnet26_2x32d", 426689792),
    (PAPER, "shake_resnet26_2x64d", 1685506560),
    (PAPER, "shake_resnet26_2x96d", 3776892672),
]


def meta(classes=10, **arguments):
    with torch.device("meta"):
        return ShakeResNet(classes, 3, **arguments)


def member(name):
    classes, arguments = MEMBERS[name]
    return meta(classes, **arguments)


def parameters(model):
    return sum(p.numel() for p in model.parameters())


def small(**arguments):
    torch.manual_seed(0)
    return ShakeResNet(10, **{"depth": 8, "width": 8, "stem_width": 4, **arguments})


def bottlenecks(**arguments):
    return small(**{"depth": 11, "block": "bottleneck", "cardinality": 2, **arguments})


def warmed(model):
    """In eval mode, with statistics that are not those of a new network."""
    model(torch.randn(16, 3, 8, 8))
    return model.eval()


@pytest.mark.parametrize(("paper", "name", "expected"), PARAMETERS)
def test_parameters_are_the_papers(paper, name, expected):
    assert parameters(member(name)) == expected


@pytest.mark.parametrize(("paper", "name", "expected"), MADDS)
def test_madds_are_the_papers(paper, name, expected):
    assert count(member(name), (3, 32, 32)).madds == expected


@pytest.mark.parametrize("name", MEMBERS)
def test_members_are_what_their_files_say(name):
    row = network([f"model={name}"])
    assert row["params"] == row["paper_params"] == parameters(member(name))
    assert row["paper_madds"] in (None, row["madds"])


@pytest.mark.parametrize("name", MEMBERS)
def test_members_give_logits_and_reach_every_parameter(name):
    model = member(name)
    logits = model(torch.empty(2, 3, 32, 32, device="meta"))
    assert logits.shape == (2, MEMBERS[name][0])
    logits.sum().backward()
    assert all(p.grad is not None for p in model.parameters())


@pytest.mark.parametrize("name", MEMBERS)
def test_depth_is_the_layers_in_a_row(name):
    model = member(name)
    branch = sum(isinstance(m, nn.Conv2d) for block in model.blocks for m in block.branches[0].modules())
    assert 1 + branch + 1 == MEMBERS[name][1].get("depth", 26)


@pytest.mark.parametrize(("block", "depth"), [("basic", 2), ("basic", 25), ("basic", 29), ("bottleneck", 26)])
def test_other_depths_are_refused_by_name(block, depth):
    with pytest.raises(ValueError, match=rf"^depth must be [69]n \+ 2 .*{block} blocks, got {depth}$"):
        ShakeResNet(10, depth=depth, block=block)


@pytest.mark.parametrize(
    ("argument", "value"),
    [("width", 0), ("width", 7), ("cardinality", 0), ("cardinality", 2), ("stem_width", 1)],
)
def test_wrong_arguments_are_refused_by_name(argument, value):
    with pytest.raises(ValueError, match=rf"^{argument} must be .*got {value}$"):
        ShakeResNet(10, **{argument: value})


@pytest.mark.parametrize(
    ("stem", "stem_stride"), [("cifar", 1), ("imagenet64", 2), ("imagenet", 4), ("imagenet_deep", 4)]
)
def test_stage_widths_sizes_and_strides(stem, stem_stride):
    model, seen = meta(depth=14, stem=stem), []
    for block in model.blocks:
        block.register_forward_hook(lambda module, args, out: seen.append(tuple(out.shape[1:])))
    model(torch.empty(1, 3, 64, 64, device="meta"))
    side = 64 // stem_stride
    assert seen == [(32, side, side)] * 2 + [(64, side // 2, side // 2)] * 2 + [(128, side // 4, side // 4)] * 2
    assert (model.stem_stride, model.stride) == (stem_stride, 4 * stem_stride)


def test_26_2x32d_is_four_blocks_a_stage_with_two_branches_each():
    blocks = member("shake_resnet26_2x32d").blocks
    assert [len(block.branches) for block in blocks] == [2] * 12
    assert [block.branches[1][-1].num_features for block in blocks] == [32] * 4 + [64] * 4 + [128] * 4
    kinds = [nn.ReLU, nn.Conv2d, nn.BatchNorm2d] * 2
    assert all([type(m) for m in branch] == kinds for block in blocks for branch in block.branches)
    strides = [[branch[1].stride[0] for branch in block.branches] for block in blocks]
    assert strides == [[1, 1]] * 4 + [[2, 2]] + [[1, 1]] * 3 + [[2, 2]] + [[1, 1]] * 3
    assert [i for i, block in enumerate(blocks) if not isinstance(block.shortcut, nn.Identity)] == [0, 4, 8]


def test_29_2x4x64d_has_the_bottlenecks_of_resnext():
    made = [
        [
            (c.in_channels, c.out_channels, c.kernel_size[0], c.stride[0], c.groups)
            for c in branch
            if hasattr(c, "groups")
        ]
        for block in member("shake_resnext29_2x4x64d").blocks
        for branch in block.branches
    ]
    assert made[0] == made[1] == [(64, 256, 1, 1, 1), (256, 256, 3, 1, 4), (256, 256, 1, 1, 1)]
    assert made[6] == made[7] == [(256, 512, 1, 1, 1), (512, 512, 3, 2, 4), (512, 512, 1, 1, 1)]
    assert len(made) == 2 * 9


def the_authors_resnext(weights, groups, training, x):
    """Gastaldi's network for CIFAR-100 in plain terms, of named weights: no pre-activation, ReLU after each addition."""

    def norm(x, name):
        mean, variance = (weights[f"{name}.running_{which}"] for which in ("mean", "var"))
        if training:
            mean, variance = x.mean((0, 2, 3)), x.var((0, 2, 3), unbiased=False)
        normalised = (x - mean.view(-1, 1, 1)) / (variance.view(-1, 1, 1) + 1e-5).sqrt()
        return normalised * weights[f"{name}.weight"].view(-1, 1, 1) + weights[f"{name}.bias"].view(-1, 1, 1)

    def conv_norm(x, conv, after, **geometry):
        return norm(F.conv2d(x, weights[f"{conv}.weight"], **geometry), after)

    def branch(x, name, stride):
        x = conv_norm(x, f"{name}.0", f"{name}.1").relu()
        x = conv_norm(x, f"{name}.3", f"{name}.4", stride=stride, padding=1, groups=groups).relu()
        return conv_norm(x, f"{name}.6", f"{name}.7")

    x = conv_norm(x, "stem.0", "stem.1", padding=1).relu()
    for i in range(1 + max(int(name.split(".")[1]) for name in weights if name.startswith("blocks."))):
        stride = 2 if i in (2, 4) else 1  # two blocks a stage
        first, second = (branch(x, f"blocks.{i}.branches.{k}", stride) for k in range(2))
        if i in (0, 2, 4):
            x = conv_norm(x, f"blocks.{i}.shortcut.0", f"blocks.{i}.shortcut.1", stride=stride)
        x = (x + first / 2 + second / 2).relu()
    return x.mean((2, 3)) @ weights["head.weight"].T + weights["head.bias"]


@pytest.mark.parametrize("training", [True, False])
def test_bottlenecks_are_the_authors_network_for_cifar100(training):
    model = bottlenecks(depth=20).double()
    with torch.no_grad():
        for name, value in model.state_dict().items():
            if name.endswith("running_var"):
                value.uniform_(0.05, 0.15)  # about what a new network's convolutions make
            elif value.is_floating_point() and value.ndim == 1:  # norms and biases that are not a new network's
                value.uniform_(0.5, 1.5) if name.endswith("weight") else value.normal_()
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    x = torch.randn(4, 3, 9, 9, dtype=torch.float64)
    logits = model.train(training)(x)
    torch.testing.assert_close(logits, the_authors_resnext(weights, 2, training, x))
    assert logits.std(0).min() > 0.01, "else a comparison would show nothing"


def by_hand(layers, x):
    """relu-conv-norm, repeated."""
    for i in range(0, len(layers), 3):
        conv, norm = layers[i + 1], layers[i + 2]
        x = norm(F.conv2d(F.relu(x), conv.weight, stride=conv.stride, padding=conv.padding, groups=conv.groups))
    return x


def test_a_basic_block_is_shortcut_plus_the_mean_of_its_branches():
    block = warmed(small()).blocks[1]
    x = torch.randn(2, 8, 8, 8)
    first, second = (by_hand(branch, x) for branch in block.branches)
    y = block(x)
    assert y.shape == (2, 16, 4, 4)
    torch.testing.assert_close(y, block.shortcut(x) + first / 2 + second / 2)
    assert (y < 0).any()  # no ReLU after the addition


def test_the_skip_sees_every_second_pixel_and_those_one_up_and_left():
    skip = warmed(small()).blocks[1].shortcut
    x = torch.randn(2, 8, 6, 6)
    here, there = torch.zeros(2, 8, 3, 3), torch.zeros(2, 8, 3, 3)
    for i in range(3):
        for j in range(3):
            here[:, :, i, j] = x[:, :, 2 * i, 2 * j].relu()
            if i and j:
                there[:, :, i, j] = x[:, :, 2 * i - 1, 2 * j - 1].relu()
    expected = torch.cat([F.conv2d(here, skip.here.weight), F.conv2d(there, skip.shifted.weight)], 1)
    torch.testing.assert_close(skip(x), skip.norm(expected))
    assert skip.here.weight.shape == skip.shifted.weight.shape == (8, 8, 1, 1)


def test_the_stem_of_basic_blocks_has_no_relu_and_the_end_has():
    model, x = warmed(small()), torch.randn(2, 3, 8, 8)
    stem = model.stem[1](F.conv2d(x, model.stem[0].weight, padding=1))
    torch.testing.assert_close(model.stem(x), stem)
    last = F.relu(model.blocks(stem)).mean((2, 3))
    torch.testing.assert_close(model(x), F.linear(last, model.head.weight, model.head.bias))


def test_all_convolutions_and_normalisations_go_through_their_seams():
    _, made = uses_its_seams(partial(small, in_channels=1), conv=1 + 3 * (2 * 2 + 2), norm=1 + 3 * (2 * 2 + 1))
    assert made["conv"][0] == (1, 4, 3, 1, 1, 1, False) and made["conv"].count((4, 4, 1, 1, 0, 1, False)) == 2
    _, made = uses_its_seams(partial(bottlenecks, in_channels=1), conv=1 + 3 * (2 * 3 + 1), norm=1 + 3 * (2 * 3 + 1))
    assert made["conv"][0] == (1, 4, 3, 1, 1, 1, False)
    assert (256, 512, 1, 2, 0, 1, False) in made["conv"] and (32, 32, 3, 2, 1, 2, False) in made["conv"]


def test_each_block_has_its_own_residual_module_of_two_branches():
    model = calls_its_residuals_in_order(partial(small, depth=14), torch.randn(1, 3, 8, 8), 6, branches=2)
    block, x = model.blocks[1], torch.randn(1, 8, 8, 8)
    torch.testing.assert_close(block(x), x + 0.25 * block.branches[0](x) + 0.75 * block.branches[1](x))


def test_the_head_is_made_from_features_and_classes():
    takes_another_head(small, 32, 10)


@pytest.mark.parametrize("make", [small, bottlenecks])
@pytest.mark.parametrize("stem", ["cifar", "imagenet"])
def test_it_trains_shapes_without_normalisation(make, stem):
    does_without_normalisation(partial(make, stem=stem), torch.randn(2, 3, 32, 32), 10)


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
