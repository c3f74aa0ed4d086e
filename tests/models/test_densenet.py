"""DenseNet: the papers' counts exactly, its concatenation, torchvision's outputs, and every seam in use."""

from functools import partial

import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional as F

from tests.models.checks import has_torchvisions_outputs, uses_its_seams
from tricktable.models.densenet import DenseNet
from tricktable.runner.training import count

SMALL = {"depth": 10, "growth_rate": 4, "width": 8}  # three blocks of two layers, or of one with the bottleneck


def bc(depth, k):
    return {"depth": depth, "growth_rate": k, "width": 2 * k, "bottleneck": True, "compression": 0.5}


IMAGENET = {121: [6, 12, 24, 16], 169: [6, 12, 32, 32], 201: [6, 12, 48, 32]}


def imagenet(depth):
    return bc(depth, 32) | {"blocks": IMAGENET[depth], "stem": "imagenet"}


def meta(classes=10, **arguments):
    with torch.device("meta"):
        return DenseNet(classes, 3, **arguments)


# the paper's file, its key, arguments, classes, parameters, multiply-adds (None: the file has no figure)
PAPER = [
    ("huang2017_densenet", "40_12", {}, 10, 1019722, 264812928),
    ("huang2017_densenet", "100_12", {"depth": 100}, 10, 6979642, None),
    ("huang2017_densenet", "100_24", {"depth": 100, "growth_rate": 24}, 10, 27249082, None),
    ("huang2017_densenet", "bc40_12", bc(40, 12), 10, 176122, None),
    ("huang2017_densenet", "bc100_12", bc(100, 12), 10, 769162, 287929692),
    ("huang2017_densenet", "bc250_24", bc(250, 24), 10, 15324406, None),
    ("huang2017_densenet", "bc190_40", bc(190, 40), 10, 25624430, None),
    ("huang2017_densenet", "params_cifar100_bc100_12", bc(100, 12), 100, 800032, None),
    ("hoffer2018_fix_classifier", "totals", bc(100, 12), 100, 800032, None),
    ("hoffer2018_fix_classifier", "densenet169_total", imagenet(169), 1000, 14149480, None),
]


@pytest.mark.parametrize(("paper", "key", "arguments", "classes", "params", "madds"), PAPER)
def test_parameters_and_madds_are_the_papers(paper, key, arguments, classes, params, madds):
    counted = count.count(meta(classes, **arguments), (3, 224, 224) if "stem" in arguments else (3, 32, 32))
    assert (counted.params, counted.madds) == (params, counted.madds if madds is None else madds)


def test_densenet201_has_the_madds_that_he2019_bag_of_tricks_prints():
    assert round(count.count(meta(1000, **imagenet(201)), (3, 224, 224)).madds / 1e9, 1) == 4.3


@pytest.mark.parametrize(
    ("paper", "arguments", "classes", "features", "weights", "percent"),
    [
        ("huang2017_densenet feature_dim 40_12", {}, 10, 448, 4480, None),
        ("huang2017_densenet feature_dim bc100_12", bc(100, 12), 10, 342, 3420, None),
        ("hoffer2018_fix_classifier densenet_bc100_12_c100", bc(100, 12), 100, 342, 34200, 4.275),
        ("hoffer2018_fix_classifier densenet169", imagenet(169), 1000, 1664, 1664000, 11.76),
    ],
)
def test_the_classifiers_size_is_the_papers(paper, arguments, classes, features, weights, percent):
    model = meta(classes, **arguments)
    assert (model.head.in_features, model.head.weight.numel()) == (features, weights)
    if percent is not None:
        share = 100 * weights / sum(p.numel() for p in model.parameters())
        assert share == pytest.approx(percent, abs=0.0005)


@pytest.mark.parametrize(
    ("arguments", "blocks"),
    [
        ({}, [12] * 3),
        (bc(100, 12), [16] * 3),
        (bc(190, 40), [31] * 3),
        (bc(250, 24), [41] * 3),
        (imagenet(201), [6, 12, 48, 32]),
    ],
)
def test_depth_is_the_layers_with_weights_in_blocks_as_the_paper_says(arguments, blocks):
    model = meta(**arguments)
    assert sum(isinstance(m, nn.Conv2d | nn.Linear) for m in model.modules()) == arguments.get("depth", 40)
    assert [len(block) for block in model.blocks[::2]] == blocks
    assert all(isinstance(transition[-1], nn.AvgPool2d) for transition in model.blocks[1::2])


def test_a_layer_keeps_its_input_and_adds_k_channels():
    torch.manual_seed(0)
    model, x = DenseNet(10, **SMALL).eval(), torch.randn(2, 8, 5, 5)
    layer = model.blocks[0][0]
    norm, _, conv = layer.new
    y = layer(x)
    torch.testing.assert_close(y[:, :8], x, rtol=0, atol=0)
    torch.testing.assert_close(y[:, 8:], F.conv2d(F.relu(norm(x)), conv.weight, padding=1))
    assert y.shape == (2, 12, 5, 5)


def test_compression_rounds_down():
    model = meta(**bc(10, 5) | {"width": 10})
    assert [m.out_channels for m in model.modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (1, 1)] == [
        20, 7, 20, 6, 20,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("stem", "stem_stride"), [("cifar", 1), ("imagenet", 4), ("imagenet_deep", 4), ("imagenet64", 2)]
)
def test_stride_is_what_stands_before_the_pooling(stem, stem_stride):
    model = DenseNet(10, stem=stem, **SMALL)
    assert (model.stem_stride, model.stride) == (stem_stride, 4 * stem_stride)
    assert model.blocks(model.stem(torch.randn(1, 3, 64, 64))).shape[2:] == (64 // model.stride, 64 // model.stride)


def test_dropout_stands_after_each_convolution_but_the_first():
    layers = [m for m in meta(**SMALL, dropout=0.2).modules() if isinstance(m, nn.Conv2d | nn.Dropout)]
    assert [type(m) for m in layers] == [nn.Conv2d] + [nn.Conv2d, nn.Dropout] * 8
    bottlenecks = [m for m in meta(**bc(10, 4), dropout=0.2).modules() if isinstance(m, nn.Conv2d | nn.Dropout)]
    assert [type(m) for m in bottlenecks] == [nn.Conv2d] + [nn.Conv2d, nn.Dropout] * 8
    assert {m.p for m in bottlenecks if isinstance(m, nn.Dropout)} == {0.2}
    assert not [m for m in meta(**SMALL).modules() if isinstance(m, nn.Dropout)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"depth": 41}, r"depth must be 3n \+ 4 with n >= 1 where blocks is null, got 41"),
        ({"depth": 4}, r"depth must be 3n \+ 4 with n >= 1 where blocks is null, got 4"),
        ({"depth": 43, "bottleneck": True}, r"depth must be 6n \+ 4 with n >= 1 where blocks is null, got 43"),
        ({"depth": 120, "bottleneck": True, "blocks": [6, 12, 24, 16]}, r"depth must be 121, .*, got 120"),
        ({"blocks": []}, r"blocks must be one or more numbers of layers, each at least 1, got \[\]"),
        ({"blocks": [12, 0]}, r"blocks must be one or more numbers of layers, each at least 1, got \[12, 0\]"),
        ({"growth_rate": 0}, "growth_rate must be at least 1, got 0"),
        ({"width": 0}, "width must be at least 1, got 0"),
        ({"compression": 0.0}, "compression must be above 0 and at most 1, got 0.0"),
        ({"compression": 1.5}, "compression must be above 0 and at most 1, got 1.5"),
        ({"dropout": 1.0}, "dropout must be at least 0 and below 1, got 1.0"),
    ],
)
def test_wrong_arguments_are_refused_by_name(arguments, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        DenseNet(10, **arguments)


@pytest.mark.parametrize("stem", ["cifar", "imagenet"])
def test_all_convolutions_normalisations_and_the_head_go_through_their_seams(stem):
    make = partial(DenseNet, 7, in_channels=1, stem=stem, **bc(16, 4))
    _, made = uses_its_seams(make, head=(16, 7), conv=1 + 3 * 4 + 2, norm=3 * 4 + 2 + 1 + (stem == "imagenet"))
    assert made["conv"][0] == ((1, 8, 3, 1, 1, 1, False) if stem == "cifar" else (1, 8, 7, 2, 3, 1, False))
    assert made["conv"][1:3] == [(8, 16, 1, 1, 0, 1, False), (16, 4, 3, 1, 1, 1, False)]


def test_there_is_no_residual_seam():
    with pytest.raises(TypeError, match="residual"):
        DenseNet(10, residual=nn.Identity)


@pytest.mark.parametrize("norm", [None, lambda channels: nn.Identity()])
@pytest.mark.parametrize("stem", ["cifar", "imagenet"])
def test_one_step_reaches_every_parameter(norm, stem):
    torch.manual_seed(0)
    model = DenseNet(10, stem=stem, norm=norm, dropout=0.1, **bc(16, 4))
    F.cross_entropy(model(torch.randn(4, 3, 32, 32)), torch.arange(4)).backward()
    for name, p in model.named_parameters():
        assert p.grad is not None and p.grad.isfinite().all() and p.grad.abs().sum() > 0, name


def test_bf16_autocast_in_channels_last_is_finite_and_near_fp32():
    torch.manual_seed(0)
    model = DenseNet(10, **bc(16, 4)).to(memory_format=torch.channels_last)
    x = torch.randn(8, 3, 16, 16).contiguous(memory_format=torch.channels_last)
    expected = model(x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = model(x)
    F.cross_entropy(logits.float(), torch.arange(8)).backward()
    torch.testing.assert_close(logits.float(), expected, rtol=0.1, atol=0.1)
    assert all(p.grad.isfinite().all() for p in model.parameters())


def torchvisions(name):
    """Our name of a tensor of torchvision's densenet."""
    part, *rest = name.split(".")
    if part == "classifier":
        return ".".join(["head", *rest])
    layer, *rest = rest
    at = {"conv0": "stem.0", "norm0": "stem.1", "norm5": "last.0"}
    if layer in at:
        return ".".join([at[layer], *rest])
    inner = {"norm": 0, "conv": 2, "norm1": 0, "conv1": 2, "norm2": 3, "conv2": 5}
    if layer.startswith("transition"):
        return f"blocks.{2 * int(layer[-1]) - 1}.{inner[rest[0]]}.{rest[1]}"
    block, dense = 2 * int(layer[-1]) - 2, int(rest[0].removeprefix("denselayer")) - 1
    return f"blocks.{block}.{dense}.new.{inner[rest[1]]}.{rest[2]}"


def renamed(state):
    return {torchvisions(name): value for name, value in state.items()}


@pytest.mark.parametrize("depth", [121, 169])
def test_outputs_are_torchvisions(depth):
    theirs = getattr(torchvision.models, f"densenet{depth}")
    has_torchvisions_outputs(partial(DenseNet, 1000, **imagenet(depth)), theirs, renamed, 32)  # one pixel is left of it
