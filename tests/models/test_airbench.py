"""The airbench networks: the paper's sizes, a plain transcription with the same weights, and every seam in use."""

from functools import partial

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.models.checks import Conv, Head, Norm, trains
from tricktable.models.airbench import AirBench
from tricktable.runner.training.count import count

SIZES = {  # widths, depth, shortcut
    "94": ([64, 256, 256], 2, "none"),
    "95": ([128, 384, 384], 2, "none"),
    "96": ([128, 512, 512], 3, "after"),
    "96 since June 2024": ([128, 384, 512], 3, "before"),
}


def arguments(name):
    return dict(zip(("widths", "depth", "shortcut"), SIZES[name], strict=True))


def small(shortcut="none", depth=2, **others):
    torch.manual_seed(0)
    return AirBench(10, widths=[5, 6, 7], depth=depth, shortcut=shortcut, **others)


def plain(model, x, depth, shortcut):
    """The network of the paper's code in functions, with a model's weights, in training."""
    weights = {name: p.detach() for name, p in model.named_parameters()}
    convolutions = [p for name, p in weights.items() if p.ndim == 4][1:]
    biases = [p for name, p in weights.items() if p.ndim == 1][1:][1::2]  # after the stem's: gamma and beta in turn

    def normed(y, bias):
        mean, variance = y.mean((0, 2, 3), keepdim=True), y.var((0, 2, 3), correction=0, keepdim=True)
        return (y - mean) / (variance + 1e-12).sqrt() + bias[:, None, None]

    x = F.gelu(F.conv2d(x, weights["stem.0.weight"], weights["stem.0.bias"]))
    for i in range(len(convolutions) // depth):
        first, *later = zip(convolutions[depth * i :][:depth], biases[depth * i :][:depth], strict=True)
        x = F.gelu(normed(F.max_pool2d(F.conv2d(x, first[0], padding=1), 2), first[1]))
        around = x
        for j, (weight, bias) in enumerate(later):
            x = normed(F.conv2d(x, weight, padding=1), bias)
            if j == len(later) - 1 and shortcut == "before":
                x = x + around
            x = F.gelu(x)
        if shortcut == "after":
            x = x + around
    return F.max_pool2d(x, 3).flatten(1) @ weights["head.weight"].T / 9


@pytest.mark.parametrize(("shortcut", "depth"), [("none", 2), ("after", 3), ("before", 3), ("none", 1), ("after", 2)])
def test_it_is_the_papers_network(shortcut, depth):
    model = small(shortcut, depth).double()
    for name, p in model.named_parameters():
        if name.endswith("bias"):
            nn.init.normal_(p, std=0.1)
    x = torch.randn(4, 3, 32, 32, dtype=torch.float64)
    torch.testing.assert_close(model(x), plain(model, x, depth, shortcut))


@pytest.mark.parametrize(
    ("name", "parameters", "petaflops", "epochs"),
    [
        ("94", 1.97e6, 0.36, 9.9),
        ("95", None, 1.4, 15),
        ("96", 12.7e6, 7.46, 40),
        ("96 since June 2024", None, 4.91, 37),
    ],
)
def test_sizes_are_as_printed(name, parameters, petaflops, epochs):
    """The code prints what a run of all epochs costs; six FLOPs a multiply-add, forward and backward."""
    with torch.device("meta"):
        model = AirBench(10, **arguments(name))
    counted = count(model, (3, 32, 32))
    if parameters:
        assert counted.params == pytest.approx(parameters, rel=0.004)
    assert counted.madds * 6 * 50000 * epochs / 1e15 == pytest.approx(petaflops, rel=0.04)


def test_only_normalisations_gammas_are_not_trained_and_they_are_one():
    model = small("after", 3)
    frozen = {name: p for name, p in model.named_parameters() if not p.requires_grad}
    norms = [name for name, m in model.named_modules() if isinstance(m, nn.BatchNorm2d)]
    assert set(frozen) == {f"{name}.weight" for name in norms} and len(norms) == 9
    assert all((p == 1).all() for p in frozen.values())
    assert {(m.eps, m.momentum) for m in model.modules() if isinstance(m, nn.BatchNorm2d)} == {(1e-12, 0.4)}


def test_the_first_convolution_is_for_whitening():
    for channels, size in ((3, 2), (1, 2), (3, 3)):
        conv = AirBench(10, channels, widths=[4], kernel_size=size).stem[0]
        assert conv.weight.shape == (2 * channels * size**2, channels, size, size)
        assert conv.padding == (0, 0) and not conv.bias.any()


@pytest.mark.parametrize("shortcut", ["none", "after", "before"])
def test_strides_and_sizes(shortcut):
    model, seen = small(shortcut, 3), []
    for block in model.blocks:
        block.register_forward_hook(lambda module, args, out: seen.append(tuple(out.shape[1:])))
    model(torch.zeros(2, 3, 32, 32))
    assert seen == [(5, 15, 15), (6, 7, 7), (7, 3, 3)]
    assert (model.stem_stride, model.stride) == (1, 8)
    assert model(torch.zeros(2, 3, 64, 64)).shape == (2, 10)


def test_every_part_goes_through_its_seam():
    made = []

    def residual(index, total, branches, channels):
        made.append((index, total, branches, channels))
        return Halved()

    class Halved(nn.Module):
        def forward(self, branch):
            return branch / 2

    model = small("after", 3, conv=Conv, norm=Norm, head=Head, activation=nn.Tanh, residual=residual)
    assert made == [(1, 3, 1, 5), (2, 3, 1, 6), (3, 3, 1, 7)]
    kinds = [type(m) for m in model.modules()]
    assert [kinds.count(kind) for kind in (Conv, Norm, Head, nn.Tanh, Halved)] == [10, 9, 1, 10, 3]
    assert not {nn.Conv2d, nn.BatchNorm2d, nn.Linear, nn.GELU} & set(kinds)
    block, x = model.blocks[0][-1], torch.randn(2, 5, 4, 4)
    torch.testing.assert_close(block.eval()(x), x + block.branches[0](x) / 2)


def test_logits_are_scaled_whatever_the_head():
    x = torch.randn(2, 3, 32, 32)
    model = small(scaling_factor=0.5).eval()
    torch.testing.assert_close(model(x), model.head(model.pool(model.blocks(model.stem(x)))) / 2)


@pytest.mark.parametrize("half", [False, True])
def test_it_trains(half):
    model = small("after", 3)
    model.requires_grad_(True)  # gammas too: `trains` asks for every parameter
    trains(model, torch.randn(8, 3, 24, 24), half=half)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"widths": []}, r"widths must be one number of at least 1 for each block, got \[\]"),
        ({"depth": 0}, "depth must be at least 1, got 0"),
        ({"depth": 1, "shortcut": "after"}, "depth must be at least 2, got 1"),
        ({"kernel_size": 0}, "kernel_size must be at least 1, got 0"),
        ({"batchnorm_momentum": 0.0}, r"batchnorm_momentum must be in \(0, 1\], got 0.0"),
    ],
    ids=str,
)
def test_wrong_arguments_are_refused_by_name(wrong, said):
    with pytest.raises(ValueError, match=f"^{said}$"):
        partial(AirBench, 10)(**wrong)
