"""LSUV: each layer's output gets variance 1, one layer after another. Mishkin & Matas 2016, arXiv:1511.06422.

    W_l orthonormal for all l;    then for l = 1, 2, ... in forward order:
    while |Var(B_l) - 1| >= tol:  W_l <- W_l / sqrt(Var(B_l))        B_l: output of layer l for a batch of images

Orthonormal is a convolution's matrix d x (c k k), one for each group. Biases are 0. A layer is measured, divided and
computed again before the next one sees its output, so that the network is passed through only once.

Differs from the paper: the images are standard normal noise of `resolution` pixels each way, which is like normalised
images in its mean and variance alone; a network without convolutions gets images that fill its first linear layer.
"""

import functools
import math
from typing import Any, Literal

import torch
from torch import Tensor, nn


@torch.no_grad()
def lsuv(
    model: nn.Module,
    tol: float = 0.1,
    max_iterations: int = 10,
    level: Literal["layer", "block"] = "layer",
    batch_size: int = 64,
    resolution: int = 32,
) -> None:
    """Set the trainable weights of all convolutions and linear layers; draws come from torch's default generator.

    level: layer scales each of them, block only the last convolutions of residual branches. Buffers and training mode
    stay as they are. ValueError where there is nothing to scale, where the network cannot take such images, and where
    a layer's variance is 0 or does not follow its weight's scale (weight standardisation, weight norm).
    """
    counts = (("max_iterations", max_iterations, 1), ("batch_size", batch_size, 2), ("resolution", resolution, 1))
    for name, value, least in counts:
        if value < least:
            raise ValueError(f"{name} must be at least {least}, got {value}")
    if tol <= 0:
        raise ValueError(f"tol must be above 0, got {tol:g}")
    names = {m: n for n, m in model.named_modules() if isinstance(m, nn.Conv2d | nn.Linear) and m.weight.requires_grad}
    scaled = {m: names[m] for m in (names if level == "layer" else _last_layers(model)) if m in names}
    if not scaled:
        what = "convolution or linear layer" if level == "layer" else "last convolution of a residual branch"
        raise ValueError(f"lsuv finds no trainable {what} to scale")
    for layer in names:
        layer.weight.copy_(_matrices(layer.weight, getattr(layer, "groups", 1)))
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
    images = _noise(model, batch_size, resolution)
    if not images.is_meta:  # a network that is only counted has no values
        _pass(model, images, scaled, functools.partial(_scale, scaled, tol, max_iterations))


def _scale(names: dict[Any, str], tol: float, most: int, layer: Any, inputs: Any, output: Tensor) -> Tensor:
    """A forward hook: divide the layer's weight until its output, which is returned, has variance 1."""
    name = names.pop(layer, None)
    if name is None:  # seen before: a layer that the network uses twice
        return output
    variance = float(output.var(correction=0))
    for _ in range(most):
        if abs(variance - 1) < tol or not 0 < variance < math.inf:
            break
        layer.weight.div_(math.sqrt(variance))
        output = layer.forward(*inputs)
        variance = float(output.var(correction=0))
    if not abs(variance - 1) < tol:
        cause = f"by its weight's scale: it stays {variance:g}"
        raise ValueError(f"lsuv cannot give the output of {name} variance 1 {cause}")
    return output


def _pass(model: nn.Module, images: Tensor, layers: dict[Any, str], hook: Any) -> None:
    """One forward pass as in training, with the hook on the layers; buffers and modes are then as before."""
    handles = [layer.register_forward_hook(hook) for layer in layers]
    modes = {module: module.training for module in model.modules()}
    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
    try:
        model.train()(images)
    except RuntimeError as error:
        size, reason = "x".join(map(str, images.shape[1:])), str(error).partition("\n")[0]
        raise ValueError(f"resolution must suit the network, which cannot take {size} images: {reason}") from None
    finally:
        for handle in handles:
            handle.remove()
        for module, mode in modes.items():
            module.training = mode
        for name, buffer in model.named_buffers():
            buffer.copy_(buffers[name])


def _noise(model: nn.Module, n: int, resolution: int) -> Tensor:
    """Images of the channels that the network's first layer takes."""
    layers = [m for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    first = next((m for m in layers if isinstance(m, nn.Conv2d)), layers[0])
    if isinstance(first, nn.Conv2d):
        channels = first.in_channels
    else:
        units = first.in_features
        channels = next(c for c in range(1, units + 1) if units == c * math.isqrt(units // c) ** 2)
        resolution = math.isqrt(units // channels)
    return torch.randn(n, channels, resolution, resolution, device=first.weight.device)


def _last_layers(model: nn.Module) -> list[nn.Conv2d]:
    """The last convolutions of all residual branches; two where a branch ends in two that are concatenated."""
    blocks = [bs for m in model.modules() if isinstance(bs := getattr(m, "branches", None), nn.ModuleList)]
    branches: list[nn.Sequential] = [b for bs in blocks for b in bs]  # type: ignore[misc]  # a block's are Sequentials
    convolutions = [[[m for m in child.modules() if isinstance(m, nn.Conv2d)] for child in b] for b in branches]
    return [layer for each in convolutions for layer in next(filter(None, reversed(each)), [])]


def _matrices(weight: Tensor, groups: int) -> Tensor:
    """A random matrix with orthonormal rows or columns for each group, in the weight's shape."""
    normal = torch.randn_like(weight.view(groups, len(weight) // groups, -1))
    wide = normal.shape[1] < normal.shape[2]
    q, r = torch.linalg.qr(normal.mT if wide else normal)
    q = q * r.diagonal(dim1=1, dim2=2).sgn().unsqueeze(1)  # without these signs q would not be uniform
    return (q.mT if wide else q).reshape(weight.shape)
