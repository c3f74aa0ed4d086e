"""The CIFAR residual networks: the paper's counts exactly, its block equation, and every seam in use."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from models.resnet import ResNet

PAPER = {  # depth: parameters, multiply-adds; 10 classes, 3 x 32 x 32 (option A)
    20: (269722, 40551040),
    32: (464154, 68862592),
    44: (658586, 97174144),
    56: (853018, 125485696),
    110: (1727962, 252887680),
}


def meta(**arguments):
    with torch.device("meta"):
        return ResNet(10, 3, **arguments)


def parameters(model):
    return sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize("depth", PAPER)
def test_parameters_and_madds_are_the_papers(depth):
    model = meta(depth=depth)
    counter = FlopCounterMode(display=False)
    with counter:
        assert model(torch.empty(1, 3, 32, 32, device="meta")).shape == (1, 10)
    assert (parameters(model), counter.get_total_flops() / 2) == PAPER[depth]


def test_option_b_has_the_projections_parameters():
    assert parameters(meta(depth=56, shortcut="B")) == 855770


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
    made, called = [], []

    class Half(nn.Module):
        def __init__(self, index, total, branches):
            super().__init__()
            made.append((index, total, branches))
            self.index = index

        def forward(self, *branches):
            called.append((self.index, len(branches)))
            return branches[0] / 2

    torch.manual_seed(0)
    model = ResNet(10, depth=14, residual=Half).eval()
    model(torch.randn(1, 3, 8, 8))
    assert made == [(i, 6, 1) for i in range(1, 7)]
    assert called == [(i, 1) for i in range(1, 7)]
    block, x = model.blocks[0], torch.randn(1, 16, 8, 8)
    torch.testing.assert_close(block(x), F.relu(x + block.branches[0](x) / 2))


def test_the_head_is_made_from_features_and_classes():
    made = []

    def head(in_features, num_classes):
        made.append((in_features, num_classes))
        return nn.Linear(in_features, num_classes, bias=False)

    model = ResNet(7, depth=8, width=4, head=head)
    assert made == [(16, 7)]
    assert model.head.bias is None
    assert model(torch.randn(2, 3, 8, 8)).shape == (2, 7)


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
