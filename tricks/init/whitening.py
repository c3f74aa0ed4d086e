"""Whitening: the first convolution makes patches of the images white, and stays so. Jordan 2024, arXiv:2404.00498.

    S = E[p p^T] = V diag(lambda) V^T     over all patches p of n training images, of the kernel's size
    w_i = v_i / sqrt(lambda_i + eps),    w_{d + i} = -w_i    for i = 1 .. d numbers of a patch, lambda descending
    bias = 0

S is about zero, as the images are normalised. The negatives keep what the activation cuts off.

Differs from the paper: its images are the first 5,000 of CIFAR-10, whose order is random; the runner spreads them over
the training set, which may be stored class by class. It trains the bias for the first 3 epochs only, to save time;
here it is trained throughout.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_AT_ONCE = 500  # images whose patches are in memory


@torch.no_grad()
def whitening(model: nn.Module, images: Callable[[int], Tensor] | None, n: int = 5000, eps: float = 5e-4) -> None:
    """Set the first convolution's weight, of 2 d filters for patches of d numbers, and take it out of training.

    images: n -> n training images, float32 n C H W, normalised; None leaves the weight's values. n: images that the
    patches are of. eps: added to the variance of each direction. ValueError where the first convolution has
    another number of filters, or groups.
    """
    if n < 1:
        raise ValueError(f"n must be at least 1, got {n}")
    if eps <= 0:
        raise ValueError(f"eps must be above 0, got {eps:g}")
    layer = next((m for m in model.modules() if isinstance(m, nn.Conv2d)), None)
    if layer is None:
        raise ValueError("whitening finds no convolution")
    numbers = layer.weight[0].numel()
    if layer.groups != 1 or layer.out_channels != 2 * numbers:
        filters = f"{2 * numbers} filters, two for each of a patch's {numbers} numbers"
        found = f"{layer.out_channels} in {layer.groups} groups" if layer.groups > 1 else layer.out_channels
        raise ValueError(f"whitening needs a first convolution of {filters}, and finds {found}")
    layer.weight.requires_grad_(False)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    if images is not None:
        variances, directions = torch.linalg.eigh(_second_moment(images(n), layer.weight.shape[2:]))
        white = (directions / (variances + eps).sqrt()).flip(1).T
        layer.weight.copy_(torch.cat([white, -white]).reshape(layer.weight.shape))


def _second_moment(images: Tensor, size: torch.Size) -> Tensor:
    """The mean of p p^T over the patches of images, d x d, in double precision."""
    total = torch.zeros((), dtype=torch.float64)
    patches = 0
    for some in images.split(_AT_ONCE):
        columns = F.unfold(some.double(), tuple(size)).transpose(0, 1).flatten(1)  # d x patches
        total = total + columns @ columns.T
        patches += columns.shape[1]
    return total / patches
