"""SqueezeNet: the paper's layers and counts exactly, torchvision's outputs, the bypasses, and every seam in use."""

from functools import partial

import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional as F

from tests.models.checks import has_torchvisions_outputs
from tricktable.models._parts import Block
from tricktable.models.squeezenet import SqueezeNet
from tricktable.runner.training import count


def meta(classes=1000, **arguments):
    with torch.device("meta"):
        return SqueezeNet(classes, 3, **arguments)


def parameters(module):
    return sum(p.numel() for p in module.parameters())


def fires(model):
    """Fire modules 2 to 9, without what stands around them."""
    modules = [m for m in model.fires if not isinstance(m, nn.MaxPool2d)]
    return [m.branches[0] if isinstance(m, Block) else m for m in modules]


@pytest.mark.parametrize(
    ("paper", "version", "size", "classes", "params", "madds"),
    [
        ("iandola2016_squeezenet v1_0", "v1.0", 224, 1000, 1248424, 818924576),
        ("iandola2016_squeezenet v1_1", "v1.1", 224, 1000, 1235496, 349151936),
        ("iandola2016_squeezenet madds v1.1 @227 caffe", "v1.1", 227, 1000, 1235496, 387747520),
        ("iandola2016_squeezenet params_10_classes", "v1.0", 224, 10, 740554, None),
        ("iandola2016_squeezenet params_10_classes", "v1.1", 224, 10, 727626, None),
    ],
)
def test_parameters_and_madds_are_the_papers(paper, version, size, classes, params, madds):
    counted = count.count(meta(classes, version=version), (3, size, size))
    assert (counted.params, counted.madds) == (params, counted.madds if madds is None else madds)


def test_the_released_files_padding_of_conv10_is_the_difference_to_its_count():
    """v1.0 @227 with conv10 padded by 1, as in the released file but not here: its map is 15 x 15, not 13 x 13."""
    counted = count.count(meta(version="v1.0"), (3, 227, 227))
    assert counted.madds + (15 * 15 - 13 * 13) * 512 * 1000 == 861339936


KNOWN = {  # iandola2016_squeezenet, static figures that are not met, and why
    "v1.1 @227 floor pooling": (352540352, "pooling here rounds up, as Caffe's does"),
    "printed_by_repo v1.1_gflops": (
        0.72e9,
        "twice the multiply-adds are 0.775e9 at 227: the file's notes call it wrong",
    ),
}


def test_the_figures_that_are_not_met_are_still_others():
    madds = count.count(meta(version="v1.1"), (3, 227, 227)).madds
    assert madds != KNOWN["v1.1 @227 floor pooling"][0]
    assert round(2 * madds / 1e9, 2) != KNOWN["printed_by_repo v1.1_gflops"][0] / 1e9


def test_v1_0_layer_by_layer():
    """iandola2016_squeezenet v1_0, and its formula c_in*s + s + s*e + e + 9*s*e + e."""
    model = meta()
    assert parameters(model.stem) == 14208 and parameters(model.classifier) == 513000
    assert [parameters(fire) for fire in fires(model)] == [11920, 12432, 45344, 49440, 104880, 111024, 188992, 197184]
    channels = [[m.out_channels for m in fire.modules() if isinstance(m, nn.Conv2d)] for fire in fires(model)]
    assert channels == [[s, 4 * s, 4 * s] for s in (16, 16, 32, 32, 48, 48, 64, 64)]
    assert [i for i, m in enumerate(model.fires) if isinstance(m, nn.MaxPool2d)] == [3, 8]  # after fire4 and fire8
    c_in = 96
    for fire, (s, e, _) in zip(fires(model), channels, strict=True):
        assert parameters(fire) == c_in * s + s + s * e + e + 9 * s * e + e
        assert s / (2 * e) == 0.125
        c_in = 2 * e


def test_v1_1_layer_by_layer():
    model = meta(version="v1.1")
    assert parameters(model.stem) == 1792 and parameters(fires(model)[0]) == 11408
    assert [i for i, m in enumerate(model.fires) if isinstance(m, nn.MaxPool2d)] == [2, 5]  # after fire3 and fire5


def test_it_is_a_49th_of_alexnet():
    assert round(61100840 / parameters(meta()), 2) == 48.94
    assert round(62416616 / parameters(meta()), 3) == 49.996


@pytest.mark.parametrize(
    ("bypass", "around", "params"), [("simple", [3, 5, 7, 9], 0), ("complex", list(range(2, 10)), 341248)]
)
def test_bypasses(bypass, around, params):
    model = meta(bypass=bypass)
    modules = [m for m in model.fires if not isinstance(m, nn.MaxPool2d)]
    assert [i for i, m in enumerate(modules, 2) if isinstance(m, Block)] == around
    assert parameters(model) == 1248424 + params
    projections = [i for i, m in enumerate(modules, 2) if isinstance(m, Block) and parameters(m.shortcut)]
    assert projections == ([] if bypass == "simple" else [2, 4, 6, 8])


@pytest.mark.parametrize("at", [0, 1])
def test_a_bypass_is_added_to_the_fire_modules_output(at):
    torch.manual_seed(0)
    block = SqueezeNet(10, bypass="complex").eval().fires[at]
    x = torch.randn(2, 96 if at == 0 else 128, 5, 5)
    squeeze, expand = block.branches[0]
    y = F.relu(F.conv2d(x, squeeze[0].weight, squeeze[0].bias))
    one = F.relu(F.conv2d(y, expand[0][0].weight, expand[0][0].bias))
    three = F.relu(F.conv2d(y, expand[1][0].weight, expand[1][0].bias, padding=1))
    around = x if at == 1 else F.conv2d(x, block.shortcut.weight, block.shortcut.bias)
    torch.testing.assert_close(block(x), around + torch.cat([one, three], 1))


@pytest.mark.parametrize("version", ["v1.0", "v1.1"])
@pytest.mark.parametrize(("stem", "strides"), [("imagenet", (4, 16)), ("imagenet64", (2, 8)), ("cifar", (1, 4))])
def test_stems(version, stem, strides):
    model = SqueezeNet(10, version=version, stem=stem)
    assert (model.stem_stride, model.stride) == strides
    assert parameters(model) == {"v1.0": 740554, "v1.1": 727626}[version]
    size = model.fires(model.stem(torch.randn(1, 3, 64, 64))).shape[2]
    assert size == 64 // model.stride or (stem == "imagenet" and size == 3)  # unpadded: 64 -> 29 or 31 -> 15 -> 7 -> 3


def test_all_convolutions_go_through_their_seam():
    made = []

    class Conv(nn.Conv2d):
        pass

    def conv(channels, out_channels, kernel_size, *, stride, padding, groups, bias):
        made.append((channels, out_channels, kernel_size, stride, padding, groups, bias))
        return Conv(channels, out_channels, kernel_size, stride=stride, padding=padding, groups=groups, bias=bias)

    model = SqueezeNet(7, in_channels=1, bypass="complex", conv=conv)
    convolutions = [m for m in model.modules() if isinstance(m, nn.Conv2d)]
    assert len(convolutions) == len(made) == 2 + 8 * 3 + 4 and {type(m) for m in convolutions} == {Conv}
    assert made[0] == (1, 96, 7, 2, 0, 1, True) and made[-1] == (512, 7, 1, 1, 0, 1, True)
    assert all(bias for *_, bias in made)


@pytest.mark.parametrize(("bypass", "total"), [("simple", 4), ("complex", 8)])
def test_each_bypassed_module_has_its_own_residual_in_forward_order(bypass, total):
    made, called = [], []

    class Half(nn.Module):
        def __init__(self, index, total, branches, channels):
            super().__init__()
            made.append((index, total, branches))
            self.index = index

        def forward(self, *branches):
            called.append(self.index)
            return branches[0] / 2

    model = SqueezeNet(10, stem="cifar", bypass=bypass, residual=Half)
    model(torch.randn(1, 3, 16, 16))
    assert made == [(i, total, 1) for i in range(1, total + 1)]
    assert called == list(range(1, total + 1))


@pytest.mark.parametrize("seam", ["norm", "head"])
def test_there_is_no_norm_and_no_head_seam(seam):
    with pytest.raises(TypeError, match=seam):
        SqueezeNet(10, **{seam: nn.Identity})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"dropout": 1.0}, "dropout must be at least 0 and below 1, got 1.0"),
        ({"residual": nn.Identity}, "bypass must be simple or complex for a residual, got none"),
    ],
)
def test_wrong_arguments_are_refused_by_name(arguments, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        SqueezeNet(10, **arguments)


@pytest.mark.parametrize("bypass", ["none", "simple", "complex"])
def test_one_step_reaches_every_parameter(bypass):
    torch.manual_seed(0)
    model = SqueezeNet(10, version="v1.1", stem="cifar", bypass=bypass)
    F.cross_entropy(model(torch.randn(4, 3, 32, 32)), torch.arange(4)).backward()
    for name, p in model.named_parameters():
        assert p.grad is not None and p.grad.isfinite().all() and p.grad.abs().sum() > 0, name


def test_bf16_autocast_in_channels_last_is_finite_and_near_fp32():
    torch.manual_seed(0)
    model = SqueezeNet(10, stem="cifar", version="v1.1", dropout=0.0).to(memory_format=torch.channels_last)
    x = torch.randn(4, 3, 16, 16).contiguous(memory_format=torch.channels_last)
    expected = model(x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = model(x)
    F.cross_entropy(logits.float(), torch.arange(4)).backward()
    torch.testing.assert_close(logits.float(), expected, rtol=0.1, atol=0.1)
    assert all(p.grad.isfinite().all() for p in model.parameters())


def renamed(state):
    """torchvision's names as ours."""
    inner = {"squeeze": "0.0", "expand1x1": "1.0.0", "expand3x3": "1.1.0"}

    def name(theirs):
        where, at, *rest = theirs.split(".")
        if where == "classifier":
            return f"classifier.1.{rest[0]}"
        return f"stem.0.{rest[0]}" if at == "0" else f"fires.{int(at) - 3}.{inner[rest[0]]}.{rest[1]}"

    return {name(key): value for key, value in state.items()}


@pytest.mark.parametrize("version", ["v1.0", "v1.1"])
def test_outputs_are_torchvisions(version):
    theirs = getattr(torchvision.models, f"squeezenet{version[1:].replace('.', '_')}")
    pixels = 50  # a size at which rounding up and down differ
    has_torchvisions_outputs(partial(SqueezeNet, 1000, version=version), theirs, renamed, pixels)
