"""Fixup: residual networks without normalisation start as the identity. Zhang et al. 2019, arXiv:1901.09321, section 3.

    classifier, last weight layer of each branch    w = 0
    other weight layers of a branch                 w ~ N(0, 2 / (k^2 c_out)) * L^(-1 / (2m - 2))
    all other layers (stem, shortcuts)              w ~ N(0, 2 / (k^2 c_out))
    F(x) <- scale * F(x), scale = 1                 one scalar for each branch F
    f(x) <- f(x + bias),  bias = 0                  one scalar for each convolution, linear layer and activation f

L is the number of residual branches, m that of a branch's weight layers, k the kernel size, c_out the output channels
of one group. The layer that sees the images has no scalar bias, as in the authors' code.

Differs from the paper: the authors leave the stem as the framework draws it; their 1x1 convolution of a shortcut
shares the scalar bias of the branch's first convolution, and has its own here.
"""

import math
from collections.abc import Iterator
from itertools import chain

import torch
from torch import Tensor, nn

_LAYERS = (nn.Conv2d, nn.Linear)
_ACTIVATIONS = (nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Mish, nn.Sigmoid, nn.Tanh)
_NORMS = (nn.modules.batchnorm._NormBase, nn.GroupNorm, nn.LayerNorm, nn.LocalResponseNorm)


class _Bias(nn.Module):
    """x + bias, one number."""

    def __init__(self) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.bias.to(x.dtype)  # a float32 parameter would turn autocast's halves into floats


class _Scale(nn.Module):
    """x * scale, one number."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale.to(x.dtype)


@torch.no_grad()
def fixup(model: nn.Module, exponent: float | None = None, scalars: bool = True) -> None:
    """Draw the weights from torch's default generator, and add the scalars to the model in place.

    exponent: of L; None is the paper's -1 / (2m - 2). scalars: whether biases and multipliers are added. Give them a
    tenth of the learning rate, as the paper does: groups scalar_lr. ValueError where the model has normalisation left,
    no residual branches or no linear classifier.
    """
    if exponent is not None and exponent > 0:
        raise ValueError(f"exponent must be at most 0, got {exponent:g}")
    head = _check(model)
    blocks = [m for m in model.modules() if isinstance(getattr(m, "branches", None), nn.ModuleList)]
    branches: list[nn.Sequential] = [b for m in blocks for b in m.branches]  # type: ignore[union-attr]  # ModuleLists
    if not branches:
        raise ValueError("fixup finds no residual branch: no block of the network has `branches`")
    layers = [m for m in model.modules() if isinstance(m, _LAYERS)]
    for layer in layers:
        fan_out = layer.weight[0, 0].numel() * layer.weight.shape[0] // getattr(layer, "groups", 1)
        nn.init.normal_(layer.weight, 0.0, math.sqrt(2 / fan_out))
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
    for branch in branches:
        *inner, last = _weight_layers(branch)
        for layer in inner:
            layer.weight *= len(branches) ** (-1 / (2 * len(inner)) if exponent is None else exponent)
        nn.init.zeros_(last.weight)
    nn.init.zeros_(head.weight)
    if scalars:
        _add_biases(model, layers[0])
        for branch in branches:
            branch.append(_Scale())


def _check(model: nn.Module) -> nn.Linear:
    """The classifier of a network whose parameters are all those of plain convolutions and linear layers."""
    for m in model.modules():
        owns = any(True for _ in chain(m.parameters(recurse=False), m.buffers(recurse=False)))
        if isinstance(m, _NORMS) or (owns and type(m) not in _LAYERS):
            what = "plain convolutions and linear layers, without normalisation (norm=none)"
            raise ValueError(f"fixup is for networks of {what}; this one has {type(m).__name__}")
    head = getattr(model, "head", None)
    if not isinstance(head, nn.Linear):
        raise ValueError("fixup finds no linear classifier (`head`) to set to zero")
    return head


def _weight_layers(branch: nn.Sequential) -> list[nn.Conv2d | nn.Linear]:
    """Its convolutions and linear layers in a row; what stands in parallel or in a gate does not count."""
    row = list(_row(branch))
    places = [i for i, m in enumerate(row) if isinstance(m, _LAYERS)]
    if len(places) < 2:
        raise ValueError(f"fixup needs branches of at least 2 weight layers in a row, and finds one of {len(places)}")
    if any(isinstance(m, _ACTIVATIONS) for m in row[places[-1] :]):
        raise ValueError("fixup finds a branch that ends in an activation: of a zeroed layer it passes no gradient")
    return [m for m in row if isinstance(m, _LAYERS)]


def _row(module: nn.Sequential) -> Iterator[nn.Module]:
    for child in module:
        yield from _row(child) if isinstance(child, nn.Sequential) else (child,)


def _add_biases(module: nn.Module, first: nn.Module) -> None:
    """A scalar bias before each layer and activation but the first layer, which sees the images."""
    for name, child in list(module.named_children()):
        if isinstance(child, _LAYERS + _ACTIVATIONS):
            setattr(module, name, child if child is first else nn.Sequential(_Bias(), child))
        else:
            _add_biases(child, first)
