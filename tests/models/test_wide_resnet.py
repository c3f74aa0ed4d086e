"""The wide residual networks: the papers' counts exactly, the block's equation, and every seam in use."""

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
from tricktable.models.wide_resnet import WideResNet
from tricktable.runner.explore.networks import network
from tricktable.runner.training.count import count

MEMBERS = ["wrn_10_4", "wrn_16_4", "wrn_16_8", "wrn_22_8", "wrn_28_10", "wrn_40_4"]

PARAMETERS = [  # paper, depth, k, classes, parameters
    ("zagoruyko2016_wrn", 10, 4, 10, 1198810),
    ("zagoruyko2016_wrn", 16, 4, 10, 2748890),
    ("zagoruyko2016_wrn", 16, 8, 10, 10961370),
    ("zagoruyko2016_wrn", 16, 10, 10, 17116634),
    ("zagoruyko2016_wrn", 22, 8, 10, 17158106),
    ("zagoruyko2016_wrn", 28, 10, 10, 36479194),
    ("zagoruyko2016_wrn", 40, 1, 10, 563930),
    ("zagoruyko2016_wrn", 40, 2, 10, 2243546),
    ("zagoruyko2016_wrn", 40, 4, 10, 8949210),
    ("zagoruyko2016_wrn", 40, 10, 10, 55841754),
    # in the tables' rows
    ("zagoruyko2016_wrn", 22, 10, 10, 26797914),
    ("zagoruyko2016_wrn", 28, 12, 10, 52517850),
    ("zagoruyko2016_wrn", 40, 8, 10, 35748314),
    ("zagoruyko2016_wrn", 16, 8, 100, 11007540),
    ("zagoruyko2016_wrn", 28, 10, 100, 36536884),
    ("zagoruyko2016_wrn", 40, 4, 100, 8972340),
    ("smith2018_batch_size", 16, 4, 10, 2748890),
    ("devries2017_cutout", 16, 8, 10, 10961370),
    ("devries2017_cutout", 28, 10, 10, 36479194),
    ("zhang2018_mixup", 28, 10, 10, 36479194),
    ("zhang2018_mixup", 28, 10, 100, 36536884),
    ("zhong2017_random_erasing", 28, 10, 10, 36479194),
]
MILLIONS = [  # printed in millions, one decimal
    ("loshchilov2017_sgdr", 28, 10, 36.5),
    ("loshchilov2017_sgdr", 28, 20, 145.8),
    ("loshchilov2017_sgdr", 16, 8, 11.0),
]
MADDS = [
    ("zagoruyko2016_wrn", 16, 4, 392612352),
    ("zagoruyko2016_wrn", 28, 10, 5243328768),
    ("zagoruyko2016_wrn", 40, 4, 1298582016),
    ("smith2018_batch_size", 16, 4, 392612352),
]
CONVENTIONS = [  # without the classifier's 640 x 10, which zagoruyko2016_wrn and smith2018_batch_size count
    ("zhang2018_mixup", 28, 10, 5243322368, 640 * 10),
]


def meta(classes=10, **arguments):
    with torch.device("meta"):
        return WideResNet(classes, 3, **arguments)


def parameters(model):
    return sum(p.numel() for p in model.parameters())


def small(**arguments):
    torch.manual_seed(0)
    return WideResNet(10, **{"depth": 10, "widen": 2, **arguments})


@pytest.mark.parametrize(("paper", "depth", "widen", "classes", "expected"), PARAMETERS)
def test_parameters_are_the_papers(paper, depth, widen, classes, expected):
    assert parameters(meta(classes, depth=depth, widen=widen)) == expected
    assert parameters(meta(classes, depth=depth, widen=widen, dropout=0.3)) == expected


@pytest.mark.parametrize(("paper", "depth", "widen", "millions"), MILLIONS)
def test_parameters_are_the_papers_as_printed(paper, depth, widen, millions):
    assert round(parameters(meta(depth=depth, widen=widen)) / 1e6, 1) == millions


@pytest.mark.parametrize(("paper", "depth", "widen", "expected"), MADDS)
def test_madds_are_the_papers(paper, depth, widen, expected):
    assert count(meta(depth=depth, widen=widen), (3, 32, 32)).madds == expected


@pytest.mark.parametrize(("paper", "depth", "widen", "expected", "classifier"), CONVENTIONS)
def test_madds_by_another_convention(paper, depth, widen, expected, classifier):
    assert count(meta(depth=depth, widen=widen), (3, 32, 32)).madds - classifier == expected


@pytest.mark.parametrize("member", MEMBERS)
def test_members_are_what_their_files_say(member):
    row = network([f"model={member}"])
    assert row["params"] == row["paper_params"]
    assert row["paper_madds"] in (None, row["madds"])


@pytest.mark.parametrize(("depth", "widen"), [(10, 4), (16, 4), (16, 8), (22, 8), (28, 10), (40, 4)])
def test_members_give_logits_and_reach_every_parameter(depth, widen):
    model = meta(depth=depth, widen=widen)
    logits = model(torch.empty(2, 3, 32, 32, device="meta"))
    assert logits.shape == (2, 10)
    logits.sum().backward()
    assert all(p.grad is not None for p in model.parameters())


@pytest.mark.parametrize("depth", [10, 16, 28, 40])
def test_depth_is_the_convolutions_with_the_shortcuts(depth):
    assert sum(isinstance(m, nn.Conv2d) for m in meta(depth=depth, widen=2).modules()) == depth


@pytest.mark.parametrize("depth", [-2, 4, 9, 11, 20, 26])
def test_other_depths_are_refused_by_name(depth):
    with pytest.raises(ValueError, match=rf"^depth must be 6n \+ 4 .*got {depth}$"):
        WideResNet(10, depth=depth)


@pytest.mark.parametrize(("argument", "value"), [("widen", 0), ("dropout", 1.0), ("dropout", -0.1)])
def test_wrong_arguments_are_refused_by_name(argument, value):
    with pytest.raises(ValueError, match=rf"^{argument} must be .*got {value}$"):
        WideResNet(10, **{argument: value})


@pytest.mark.parametrize(
    ("stem", "stem_stride"), [("cifar", 1), ("imagenet64", 2), ("imagenet", 4), ("imagenet_deep", 4)]
)
def test_stage_widths_sizes_and_strides(stem, stem_stride):
    model, seen = meta(depth=16, widen=2, stem=stem), []
    for block in model.blocks:
        block.register_forward_hook(lambda module, args, out: seen.append(tuple(out.shape[1:])))
    model(torch.empty(1, 3, 64, 64, device="meta"))
    side = 64 // stem_stride
    assert seen == [(32, side, side)] * 2 + [(64, side // 2, side // 2)] * 2 + [(128, side // 4, side // 4)] * 2
    assert (model.stem_stride, model.stride) == (stem_stride, 4 * stem_stride)


def warmed(model):
    """In eval mode, with statistics that are not those of a new network."""
    model(torch.randn(16, 3, 8, 8))
    return model.eval()


def test_a_block_is_x_plus_the_branch_and_where_the_width_changes_both_see_relu_of_norm():
    model, x = warmed(small(depth=16)), torch.randn(2, 32, 8, 8)
    for block, stride, changes in [(model.blocks[1], 1, False), (model.blocks[2], 2, True)]:
        y = F.relu(block.before[0](x))
        c1, n1, _, _, c2 = block.branches[0]
        branch = F.conv2d(F.relu(n1(F.conv2d(y, c1.weight, stride=stride, padding=1))), c2.weight, padding=1)
        around = F.conv2d(y, block.shortcut.weight, stride=stride) if changes else x
        torch.testing.assert_close(block(x), around + branch)


def test_the_stem_is_a_bare_convolution_and_the_end_norm_relu_mean_linear():
    model, x = warmed(small()), torch.randn(2, 3, 8, 8)
    stem = F.conv2d(x, model.stem.weight, padding=1)
    torch.testing.assert_close(model.stem(x), stem)
    last = F.relu(model.after[0](model.blocks(stem))).mean((2, 3))
    torch.testing.assert_close(model(x), F.linear(last, model.head.weight, model.head.bias))


def test_without_widening_the_first_block_keeps_its_width_and_its_x():
    shortcuts = [block.shortcut for block in small(widen=1).blocks]
    assert shortcuts[0] is None and all(isinstance(s, nn.Conv2d) for s in shortcuts[1:])


def test_dropout_is_between_the_convolutions_after_the_relu():
    kinds = [type(m) for m in small(dropout=0.3).blocks[0].branches[0]]
    assert kinds == [nn.Conv2d, nn.BatchNorm2d, nn.ReLU, nn.Dropout, nn.Conv2d]
    assert {m.p for m in small(dropout=0.3).modules() if isinstance(m, nn.Dropout)} == {0.3}
    assert not any(isinstance(m, nn.Dropout) for m in small().modules())
    assert small(dropout=0.3).state_dict().keys() == small().state_dict().keys()


def test_last_norm_ends_every_branch_in_a_normalisation():
    plain, normed = small(), small(last_norm=True)
    for block in normed.blocks:
        assert isinstance(block.branches[0][-1], nn.BatchNorm2d)
    assert parameters(normed) - parameters(plain) == 2 * (32 + 64 + 128)
    assert normed(torch.randn(2, 3, 8, 8)).shape == (2, 10)


def test_all_convolutions_and_normalisations_go_through_their_seams():
    _, made = uses_its_seams(partial(small, in_channels=1, last_norm=True), conv=10, norm=3 * 3 + 1)
    assert made["conv"][0] == (1, 16, 3, 1, 1, 1, False)
    assert (32, 64, 1, 2, 0, 1, False) in made["conv"] and (32, 64, 3, 2, 1, 1, False) in made["conv"]


def test_each_block_has_its_own_residual_module_in_forward_order():
    model = calls_its_residuals_in_order(partial(small, depth=16), torch.randn(1, 3, 8, 8), 6)
    block, x = model.blocks[1], torch.randn(1, 32, 8, 8)
    torch.testing.assert_close(block(x), x + block.branches[0](block.before(x)) / 2)


def test_the_head_is_made_from_features_and_classes():
    takes_another_head(small, 128, 10)


@pytest.mark.parametrize("stem", ["cifar", "imagenet"])
def test_it_trains_shapes_without_normalisation(stem):
    does_without_normalisation(partial(small, stem=stem, last_norm=True), torch.randn(2, 3, 32, 32), 10)


@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize("channels_last", [False, True])
def test_a_step_is_finite_and_reaches_every_parameter(autocast, channels_last):
    model = small(dropout=0.1)
    trains(model, torch.randn(8, 3, 16, 16), half=autocast, channels_last=channels_last)
    a_step_moves_every_parameter(model)


@pytest.mark.parametrize("size", [8, 7, 1])
def test_small_images_of_one_channel(size):
    assert small(in_channels=1)(torch.randn(2, 1, size, size)).shape == (2, 10)
