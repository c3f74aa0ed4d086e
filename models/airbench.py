"""The networks of airbench: small plain convolutional networks for reaching an accuracy on CIFAR-10 soon.

Jordan 2024, 94% on CIFAR-10 in 3.29 Seconds on a Single GPU, arXiv:2404.00498, and its code: a 2x2 convolution with as
many filters as whitening takes, two for each number of a patch; blocks of 3x3 convolutions, the first of which halves
the image; global max pooling and a classifier without bias, whose logits are scaled:

    x_0 = gelu(conv2x2(x)),    x_i = block_i(x_{i-1}),    logits = W maxpool(x_3) / 9
    block:  y = gelu(norm(maxpool2x2(conv3x3(x)))),   F = gelu(norm(conv3x3(.))) once (94, 95) or twice (96)
            F(y), or with a shortcut y + F(y)

norm is batch normalisation whose gamma stays 1. The first convolution's weights are to be those of `init: whitening`,
which fixes them too, the others' those of `init: dirac`.

Differs from the paper: its first convolution's bias is trained for the first 3 epochs only, which saves time and leaves
the accuracy as it is; here it is trained to the end. Global pooling in place of 3x3 pooling: the same at 32 pixels.

Shapes: B images, C channels, H W pixels, K classes.
"""

from collections.abc import Callable
from functools import partial
from typing import Literal

from torch import Tensor, nn

from tricktable.models._parts import Block, Factory, Seams, Sum, seams


def _batch_norm(channels: int, momentum: float) -> nn.BatchNorm2d:
    """Batch normalisation with a trained bias and a gamma that stays 1."""
    norm = nn.BatchNorm2d(channels, eps=1e-12, momentum=momentum)
    norm.weight.requires_grad_(False)
    return norm


def _whitening(in_channels: int, kernel_size: int, parts: Seams) -> nn.Module:
    """The first convolution: a filter and its negative for each number of a patch, and a bias, at first 0."""
    filters = 2 * in_channels * kernel_size**2
    conv = parts.conv(in_channels, filters, kernel_size, stride=1, padding=0, groups=1, bias=True)
    assert isinstance(conv, nn.Conv2d) and conv.bias is not None, "the place's interface"
    nn.init.zeros_(conv.bias)
    return conv


def _later(width: int, depth: int, parts: Seams, activation: Callable[[], nn.Module]) -> list[nn.Module]:
    """A block's convolutions but the first, each with its normalisation and activation."""
    layers: list[nn.Module] = []
    for _ in range(depth - 1):
        layers += [parts.convolve(width, width, 3), parts.norm(width), activation()]
    return layers


class AirBench(nn.Module):
    """An airbench network; B C H W -> logits B K.

    widths: channels of the blocks, each of which halves the image. depth: convolutions in each.
    shortcut: around a block's convolutions but the first; none, or added after their last activation, as in the paper's
    96 % network, or before it, as in its code since June 2024.
    kernel_size: of the first convolution, which has 2 C kernel_size^2 filters. scaling_factor: of the logits.
    batchnorm_momentum: the share of a new batch in the running averages of the network's own normalisation.
    norm_where: last keeps the network's last normalisation alone (Bjorck et al. 2018, arXiv:1806.02375). The others'
    places are empty: their convolutions get no bias instead.
    conv, norm, activation, residual, head: factories as in the places of the same names; None is the paper's choice.

    `stride` is the total downsampling before the global pooling, `stem_stride` that of the first convolution, 1.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int = 3,
        *,
        widths: list[int] = [64, 256, 256],  # noqa: B006 (never changed)
        depth: int = 2,
        shortcut: Literal["none", "after", "before"] = "none",
        kernel_size: int = 2,
        scaling_factor: float = 1 / 9,
        batchnorm_momentum: float = 0.4,
        norm_where: Literal["all", "last"] = "all",
        conv: Factory | None = None,
        norm: Factory | None = None,
        activation: Factory | None = None,
        residual: Factory | None = None,
        head: Factory | None = None,
    ) -> None:
        super().__init__()
        if not widths or min(widths) < 1:
            raise ValueError(f"widths must be one number of at least 1 for each block, got {widths}")
        least = 1 if shortcut == "none" else 2  # a shortcut needs something to be around
        for name, value, bound in (("depth", depth, least), ("kernel_size", kernel_size, 1)):
            if value < bound:
                raise ValueError(f"{name} must be at least {bound}, got {value}")
        if not 0 < batchnorm_momentum <= 1:
            raise ValueError(f"batchnorm_momentum must be in (0, 1], got {batchnorm_momentum}")
        own = partial(_batch_norm, momentum=batchnorm_momentum)
        parts = seams(conv, norm or own, residual, head or partial(nn.Linear, bias=False), norm_where)
        activate = activation or nn.GELU
        self.stem_stride, self.stride, self.scaling_factor = 1, 2 ** len(widths), scaling_factor
        self.stem = nn.Sequential(_whitening(in_channels, kernel_size, parts), activate())
        blocks: list[nn.Module] = []
        channels = 2 * in_channels * kernel_size**2
        for i, width in enumerate(widths, 1):
            first = [parts.convolve(channels, width, 3), nn.MaxPool2d(2), parts.norm(width), activate()]
            later = _later(width, depth, parts, activate)
            if shortcut != "none":
                term = Sum() if residual is None else residual(i, len(widths), 1, width)
                after = later.pop() if shortcut == "before" else None
                later = [Block([nn.Sequential(*later)], nn.Identity(), term, after)]
            blocks.append(nn.Sequential(*first, *later))
            channels = width
        self.blocks = nn.Sequential(*blocks)
        self.pool = nn.Sequential(nn.AdaptiveMaxPool2d(1), nn.Flatten())
        self.head = parts.head(channels, num_classes)
        parts.finish(self)

    def forward(self, x: Tensor) -> Tensor:
        """B C H W -> B K."""
        return self.head(self.pool(self.blocks(self.stem(x)))) * self.scaling_factor
