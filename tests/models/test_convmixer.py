"""ConvMixer: the authors' network in a plain transcription, the paper's sizes, and every seam in use."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.models.checks import Conv, Head, Norm, a_step_moves_every_parameter, trains
from tricktable.models.convmixer import ConvMixer


def small(**arguments):
    torch.manual_seed(0)
    return ConvMixer(10, **{"dim": 6, "depth": 2, "kernel_size": 3, **arguments})


def plain(model, x, patch_size, kernel_size, activation):
    """Equations 1 to 3 with a model's parameters in forward order, batch statistics included."""
    parameters = iter([p.detach() for p in model.parameters()])

    def layer(y, **options):
        y = activation(F.conv2d(y, next(parameters), next(parameters), **options))
        mean, variance = y.mean((0, 2, 3), keepdim=True), y.var((0, 2, 3), correction=0, keepdim=True)
        gamma, beta = next(parameters)[:, None, None], next(parameters)[:, None, None]
        return (y - mean) / (variance + 1e-5).sqrt() * gamma + beta

    z = layer(x, stride=patch_size)
    for _ in model.blocks:
        z = layer(z, padding=kernel_size // 2, groups=z.shape[1]) + z
        z = layer(z)
    return F.linear(z.mean((2, 3)), next(parameters), next(parameters))


@pytest.mark.parametrize(
    ("arguments", "activation"),
    [
        ({"patch_size": 2, "kernel_size": 5}, F.gelu),
        ({"patch_size": 1, "kernel_size": 3}, F.gelu),
        ({"patch_size": 7, "kernel_size": 3, "nonlinearity": "relu"}, F.relu),
    ],
    ids=["gelu", "gelu without patches", "relu"],
)
def test_it_is_the_papers_network(arguments, activation):
    model = small(**arguments).double()
    for p in model.parameters():
        nn.init.normal_(p, std=0.3)
    x = torch.randn(3, 3, 14, 14, dtype=torch.float64)
    torch.testing.assert_close(model(x), plain(model, x, arguments["patch_size"], arguments["kernel_size"], activation))


@pytest.mark.parametrize(
    ("dim", "depth", "kernel_size", "patch_size", "classes", "millions"),
    [(1536, 20, 9, 7, 1000, 51.6), (768, 32, 7, 7, 1000, 21.1), (1024, 20, 9, 14, 1000, 24.4), (256, 8, 9, 1, 10, 0.7)],
)
def test_parameters_are_as_printed(dim, depth, kernel_size, patch_size, classes, millions):
    with torch.device("meta"):
        model = ConvMixer(classes, dim=dim, depth=depth, kernel_size=kernel_size, patch_size=patch_size)
    assert round(sum(p.numel() for p in model.parameters()) / 1e6, 1) == millions
    assert model.stride == model.stem_stride == patch_size


def test_every_part_goes_through_its_seam():
    made = []

    class Halved(nn.Module):
        def forward(self, branch):
            return branch / 2

    def residual(index, total, branches, channels):
        made.append((index, total, branches, channels))
        return Halved()

    model = small(conv=Conv, norm=Norm, head=Head, activation=nn.Tanh, residual=residual, nonlinearity="relu")
    assert made == [(1, 2, 1, 6), (2, 2, 1, 6)]
    kinds = [type(m) for m in model.modules()]
    assert [kinds.count(kind) for kind in (Conv, Norm, Head, nn.Tanh, Halved)] == [5, 5, 1, 5, 2]
    assert not {nn.Conv2d, nn.BatchNorm2d, nn.Linear, nn.GELU, nn.ReLU} & set(kinds)
    block, z = model.eval().blocks[0], torch.randn(2, 6, 4, 4)
    torch.testing.assert_close(block(z), block.after(z + block.branches[0](z) / 2))


@pytest.mark.parametrize("half", [False, True])
def test_it_trains(half):
    model = small()
    trains(model, torch.randn(4, 3, 8, 8), half=half)
    a_step_moves_every_parameter(model)


def test_pixels_that_fill_no_patch_are_left_out():
    model, x = small(patch_size=3, in_channels=1).eval(), torch.randn(2, 1, 8, 8)
    torch.testing.assert_close(model(x), model(x[:, :, :6, :6]))


@pytest.mark.parametrize(
    ("argument", "value"), [("dim", 0), ("depth", 0), ("patch_size", 0), ("kernel_size", 4), ("kernel_size", -1)]
)
def test_wrong_arguments_are_refused_by_name(argument, value):
    with pytest.raises(ValueError, match=rf"^{argument} must be .*at least 1, got {value}$"):
        small(**{argument: value})
