"""The pre-activation networks: the papers' counts exactly, the block equation, and every seam in use."""

from functools import partial

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.models.checks import residual_blocks_use_their_seams, trains
from tricktable.models.preact_resnet import PreActResNet
from tricktable.runner.explore.networks import network

MEMBERS = {  # of configs/model: parameters; None where the papers' facts have no figure
    "preact_resnet20": ("he2016_resnet", None),
    "preact_resnet56": ("he2016_resnet", None),
    "preact_resnet110": ("he2016_resnet", None),
    "preact_resnet164": ("he2016_resnet", 1703258),
    "preact_resnet1001": ("he2016_resnet", 10327706),
    "preact_resnet18": ("zhang2018_mixup: author repo", 11171146),
    "preact_resnet18_facebook": ("zhang2018_mixup: facebook repo", 11171274),
}
RESNET18 = {"depth": 18, "width": 64, "blocks": [2, 2, 2, 2], "shortcut": "B", "final_norm": False}
SMALL = {
    "basic": {"depth": 8},
    "bottleneck": {"depth": 11, "width": 8, "block": "bottleneck", "stride_in": "1x1", "shortcut": "B"},
    "author": RESNET18 | {"width": 8, "activated": "none"},
    "facebook": RESNET18 | {"width": 8, "activated": "all", "stem_norm": True},
    "han": {"depth": 14, "shortcut": "B", "shortcut_of": "input", "first_relu": False, "last_norm": True},
    "imagenet": {"depth": 14, "stem": "imagenet", "stem_norm": True},
}


def meta(classes=10, **arguments):
    with torch.device("meta"):
        return PreActResNet(classes, 3, **arguments)


@pytest.mark.parametrize(("member", "paper", "params"), [(m, *figures) for m, figures in MEMBERS.items()])
def test_members_have_the_papers_counts(member, paper, params):
    row = network([f"model={member}"])
    assert row["paper_params"] == params
    assert params is None or row["params"] == params


def test_the_network_of_100_classes():
    """zhang2018_mixup: cifar100."""
    assert sum(p.numel() for p in meta(100, **RESNET18).parameters()) == 11217316


def test_the_madds_in_the_facts_leave_out_the_classifier():
    """zhang2018_mixup: preact18_madds is of the convolutions alone; elsewhere in the facts the classifier counts."""
    row = network(["model=preact_resnet18"])
    assert row["paper_madds"] == 555417600 == row["madds"] - 512 * 10


@pytest.mark.parametrize(("depth", "block"), [(20, "basic"), (110, "basic"), (164, "bottleneck"), (1001, "bottleneck")])
def test_depth_is_the_layers_with_weights(depth, block):
    model = meta(depth=depth, block=block)  # shortcut A: no convolution there
    assert sum(isinstance(m, nn.Conv2d | nn.Linear) for m in model.modules()) == depth


@pytest.mark.parametrize(
    ("message", "arguments"),
    [
        (r"^depth must be 6n \+ 2 with n >= 1 \(8, 14, 20, 26, ...\), got 18$", {"depth": 18}),
        (r"^depth must be 9n \+ 2 with n >= 1 \(11, .*\), got 32$", {"depth": 32, "block": "bottleneck"}),
        (r"^depth must be 18, the layers of blocks=\[2, 2, 2, 2\], got 20$", RESNET18 | {"depth": 20}),
        (r"^blocks must be one number of at least 1 for each stage, got \[\]$", {"blocks": []}),
        (r"^width must be at least 1, got 0$", {"width": 0}),
        (r"^stride_in must be 3x3 with block=basic, .*got 1x1$", {"stride_in": "1x1"}),
        (r"^first_relu must be true where each block.*got false$", {"first_relu": False, "activated": "all"}),
        (r"^stem_norm must be true with stem=imagenet", {"stem": "imagenet"}),
    ],
)
def test_wrong_arguments_are_refused_by_name(message, arguments):
    with pytest.raises(ValueError, match=message):
        PreActResNet(10, **arguments)


def test_a_block_adds_the_branch_of_relu_of_norm():
    torch.manual_seed(0)
    model = PreActResNet(10, depth=14, shortcut="B").eval()
    same, x = model.blocks[1], torch.randn(2, 16, 8, 8)
    c1, n2, _, c2 = same.branches[0]

    def branch(y):
        return F.conv2d(F.relu(n2(F.conv2d(y, c1.weight, padding=1))), c2.weight, padding=1)

    torch.testing.assert_close(same(x), x + branch(F.relu(same.before[0](x))))
    wider = model.blocks[2]  # 16 -> 32 channels with stride 2: norm and ReLU are common to both ways
    y = F.relu(wider.before[0](x))
    c1, n2, _, c2 = wider.branches[0]
    z = F.conv2d(F.relu(n2(F.conv2d(y, c1.weight, stride=2, padding=1))), c2.weight, padding=1)
    torch.testing.assert_close(wider(x), F.conv2d(y, wider.shortcut.weight, stride=2) + z)
    assert not isinstance(model.blocks[4].branches[0][-1], nn.BatchNorm2d)


@pytest.mark.parametrize("last_norm", [False, True])
@pytest.mark.parametrize("first_relu", [False, True])
@pytest.mark.parametrize("shortcut", ["A", "B"])
def test_a_block_without_its_first_relu_and_with_a_last_norm(shortcut, first_relu, last_norm):
    """Han et al. 2017: x + norm(conv(relu(norm(conv(norm(x)))))), and where the shape changes the shortcut of x."""
    torch.manual_seed(0)
    arguments = {"shortcut": shortcut, "shortcut_of": "input", "first_relu": first_relu, "last_norm": last_norm}
    model, x = PreActResNet(10, depth=14, **arguments), torch.randn(2, 16, 8, 8)
    for m in model.modules():
        if isinstance(m, nn.BatchNorm2d):
            for tensor in (m.weight, m.bias, m.running_mean, m.running_var):
                nn.init.uniform_(tensor, 0.5, 1.5)
    model.eval()

    def branch(block, stride, begin):
        norms = [m for m in block.modules() if isinstance(m, nn.BatchNorm2d)]
        first, second = (m for m in block.modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (3, 3))
        assert len(norms) == 2 + last_norm
        y = begin(norms[0](x))
        y = F.conv2d(F.relu(norms[1](F.conv2d(y, first.weight, stride=stride, padding=1))), second.weight, padding=1)
        return norms[2](y) if last_norm else y

    begin = F.relu if first_relu else (lambda y: y)
    torch.testing.assert_close(model.blocks[1](x), x + branch(model.blocks[1], 1, begin))
    wider = model.blocks[2]
    around = (
        F.conv2d(x, wider.shortcut.weight, stride=2) if shortcut == "B" else F.pad(x[..., ::2, ::2], (0,) * 5 + (16,))
    )
    torch.testing.assert_close(wider(x), around + branch(wider, 2, begin))
    carrying = model.blocks[0]  # the first block's shortcut carries relu(norm(x)), and so does its branch
    y = F.relu(carrying.before[0](x))
    torch.testing.assert_close(carrying(x), y + branch(carrying, 1, F.relu))


@pytest.mark.parametrize(("depth", "norms"), [(56, 27), (20, 9)])
def test_a_last_norm_is_one_more_of_each_block(depth, norms):
    plain, han = meta(depth=depth), meta(depth=depth, first_relu=False, last_norm=True)
    count = [sum(isinstance(m, nn.BatchNorm2d) for m in model.modules()) for model in (plain, han)]
    assert count == [2 * norms + 1, 3 * norms + 1]
    relus = [sum(isinstance(m, nn.ReLU) for m in model.modules()) for model in (plain, han)]
    assert relus == [2 * norms + 1, 2 * norms + 1 - (norms - 3)], "the first block and the two of a stride keep theirs"


@pytest.mark.parametrize(("activated", "carrying"), [("none", []), ("first", [0]), ("all", [0, 1, 3, 5])])
def test_which_identity_shortcuts_carry_the_activation(activated, carrying):
    torch.manual_seed(0)
    model = PreActResNet(10, depth=14, activated=activated).eval()
    seen = []
    for i in (0, 1, 3, 5):
        block = model.blocks[i]
        x = torch.randn(2, block.before[0].num_features, 8, 8)
        y = block.before(x)
        term = block(x) - block.branches[0](y)
        seen += [i] if torch.allclose(term, y, atol=1e-5) else []
        torch.testing.assert_close(term, y if i in carrying else x, atol=1e-5, rtol=0)
    assert seen == carrying


@pytest.mark.parametrize(("stride_in", "strides"), [("1x1", [2, 1, 1]), ("3x3", [1, 2, 1])])
def test_where_the_bottlenecks_stride_stands(stride_in, strides):
    block = meta(depth=164, block="bottleneck", stride_in=stride_in).blocks[18]
    convolutions = [m for m in block.branches[0] if isinstance(m, nn.Conv2d)]
    assert [c.stride[0] for c in convolutions] == strides
    assert [(c.kernel_size[0], c.out_channels) for c in convolutions] == [(1, 32), (3, 32), (1, 128)]


@pytest.mark.parametrize(
    ("arguments", "strides", "sizes"),
    [
        ({"depth": 164, "block": "bottleneck"}, (1, 4), [(64, 32), (128, 16), (256, 8)]),
        (RESNET18, (1, 8), [(64, 32), (128, 16), (256, 8), (512, 4)]),
        (RESNET18 | {"stem": "imagenet", "stem_norm": True}, (4, 32), [(64, 8), (128, 4), (256, 2), (512, 1)]),
    ],
)
def test_stages_and_strides(arguments, strides, sizes):
    model, seen = meta(**arguments).eval(), []
    for block in model.blocks:
        block.register_forward_hook(lambda module, args, out: seen.append(tuple(out.shape[1:3])))
    assert model(torch.empty(1, 3, 32, 32, device="meta")).shape == (1, 10)
    assert list(dict.fromkeys(seen)) == sizes
    assert (model.stem_stride, model.stride) == strides


@pytest.mark.parametrize("norm", [None, nn.Identity], ids=["batch", "none"])
@pytest.mark.parametrize("arguments", SMALL.values(), ids=SMALL)
@pytest.mark.parametrize("half", [False, True], ids=["fp32", "bf16"])
def test_every_design_trains_in_channels_last(arguments, norm, half):
    torch.manual_seed(0)
    trains(PreActResNet(10, **arguments, norm=norm), torch.randn(4, 3, 32, 32), half=half)


@pytest.mark.parametrize("arguments", SMALL.values(), ids=SMALL)
def test_every_design_uses_its_seams_for_everything(arguments):
    model = residual_blocks_use_their_seams(partial(PreActResNet, 10, **arguments), 10)
    block = model.eval().blocks[1]
    if block.shortcut is None:
        x = torch.randn(1, block.before[0].num_features, 4, 4)
        torch.testing.assert_close(block(x), x + block.branches[0](block.before(x)) / 2)
