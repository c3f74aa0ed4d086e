"""What the families share: seams, stems, shortcuts, residual blocks. A model imports this file and torch only.

Shapes: B images, C channels, H W pixels, K classes. Sources: He et al. 2016a (arXiv:1512.03385), 2016b
(arXiv:1603.05027), 2019 (arXiv:1812.01187); Bjorck et al. 2018 (arXiv:1806.02375).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Factory = Callable[..., nn.Module]


@dataclass(frozen=True)
class Seams:
    """The parts that can be exchanged.

    What makes a convolution, a normalisation, a nonlinearity, a residual term, a classifier.
    """

    conv: Factory = nn.Conv2d
    norm: Factory = nn.BatchNorm2d
    activation: Factory = nn.ReLU
    residual: Factory | None = None
    head: Factory = nn.Linear
    last_norm: Factory | None = None  # what makes the network's last normalisation, where `norm` makes none

    def convolve(
        self, channels: int, out_channels: int, kernel_size: int, stride: int = 1, groups: int = 1, bias: bool = False
    ) -> nn.Module:
        """A convolution that keeps the size, up to its stride. A bias would be the normalisation's shift again."""
        padding = kernel_size // 2
        return self.conv(channels, out_channels, kernel_size, stride=stride, padding=padding, groups=groups, bias=bias)

    def term(self, index: int, total: int, branches: int, channels: int) -> nn.Module:
        """What turns the branches of block `index` of `total` into one term; by itself, their sum.

        `channels` are those of the block's output, and so of each branch's.
        """
        return Sum() if self.residual is None else self.residual(index, total, branches, channels)

    def finish(self, network: nn.Module) -> None:
        """Where only the last normalisation is wanted, put it into the finished network.

        Modules stand in forward order, but for a block's shortcut: its branches run after it. ValueError where the
        network has no normalisation.
        """
        if self.last_norm is None:
            return
        places = {name: m.channels for name, m in network.named_modules() if isinstance(m, Unnormalised)}
        names = [name for name in places if "shortcut" not in name.split(".")]
        norm = self.last_norm(places[names[-1]]) if names else nn.Identity()
        if isinstance(norm, nn.Identity):
            raise ValueError("norm_where must be all in a network without normalisation, got last")
        network.set_submodule(names[-1], norm)


class Unnormalised(nn.Identity):
    """Where a normalisation of so many channels could stand."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels


def seams(
    conv: Factory | None = None,
    norm: Factory | None = None,
    residual: Factory | None = None,
    head: Factory | None = None,
    norm_where: str = "all",
    activation: Factory | None = None,
) -> Seams:
    """The seams that a config fills; None is the paper's own choice, of a nonlinearity ReLU.

    norm_where: all, or last (Bjorck et al. 2018), for which the network must call `finish` when it stands.
    """
    made = norm or nn.BatchNorm2d
    first, last = (Unnormalised, made) if norm_where == "last" else (made, None)
    return Seams(conv or nn.Conv2d, first, activation or nn.ReLU, residual, head or nn.Linear, last)


class Sum(nn.Module):
    """The sum of the branches; of one branch, the branch itself."""

    def forward(self, *branches: Tensor) -> Tensor:
        """Tensors of one shape -> one of that shape."""
        total = branches[0]
        for branch in branches[1:]:
            total = total + branch
        return total


def stem(kind: str, in_channels: int, width: int, parts: Seams, activated: bool = True) -> tuple[nn.Sequential, int]:
    """What stands before the blocks, and its stride.

    cifar: 3x3; `activated` says whether with its ReLU, or without as where the blocks begin with one.
    imagenet: 7x7 with stride 2, then 3x3 max-pooling with stride 2. imagenet_deep: the same with three 3x3
    convolutions of width/2, width/2 and width (He et al. 2019, ResNet-C). imagenet64, for ImageNet at 64 pixels: 3x3,
    then the pooling.
    """
    convolutions = {
        "cifar": [(3, 1, width)],
        "imagenet": [(7, 2, width)],
        "imagenet_deep": [(3, 2, width // 2), (3, 1, width // 2), (3, 1, width)],
        "imagenet64": [(3, 1, width)],
    }[kind]
    layers: list[nn.Module] = []
    channels, total = in_channels, 1
    for kernel_size, stride, out_channels in convolutions:
        layers.append(parts.convolve(channels, out_channels, kernel_size, stride))
        layers += [parts.norm(out_channels), *([parts.activation()] if activated or kind != "cifar" else [])]
        channels, total = out_channels, total * stride
    if kind == "cifar":
        return nn.Sequential(*layers), total
    return nn.Sequential(*layers, nn.MaxPool2d(3, stride=2, padding=1)), 2 * total


class Concat(nn.ModuleList):
    """The channels of all branches of one input, one after another."""

    def forward(self, x: Tensor) -> Tensor:
        """B C H W -> B C' H' W'."""
        return torch.cat([branch(x) for branch in self], 1)


class ZeroPad(nn.Module):
    """A shortcut without parameters (option A): every stride-th pixel, and zeros for the channels that x lacks.

    With a `channel_multiple` as many more zeros as make such a number of channels; x may have zeros at its end, too.
    """

    def __init__(self, channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__()
        self.out_channels, self.stride, self.channel_multiple = out_channels, stride, 1

    def forward(self, x: Tensor) -> Tensor:
        """B C H W -> B C' H/stride W/stride."""
        wanted = self.out_channels + -self.out_channels % self.channel_multiple
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, wanted - x.shape[1]))


def shortcut(option: str, channels: int, out_channels: int, stride: int, parts: Seams) -> nn.Module:
    """Around a block: the identity where nothing changes, else by option.

    A: every stride-th pixel, and zero-padded channels. B: 1x1 convolution and normalisation. AD, D: average pooling
    carries the stride, then as A (Huang et al. 2016, stochastic depth, arXiv:1603.09382) or B (He et al. 2019,
    ResNet-D). Images of odd size are halved upwards, as the convolutions do.
    """
    if channels == out_channels and stride == 1:
        return nn.Identity()
    if option == "A":
        return ZeroPad(channels, out_channels, stride)
    pool = [nn.AvgPool2d(stride, stride, ceil_mode=True, count_include_pad=False)] if stride > 1 else []
    if option == "AD":
        return nn.Sequential(*pool, ZeroPad(channels, out_channels))
    if option == "D":
        return nn.Sequential(*pool, parts.convolve(channels, out_channels, 1), parts.norm(out_channels))
    return nn.Sequential(parts.convolve(channels, out_channels, 1, stride), parts.norm(out_channels))


class Stage(NamedTuple):
    """Blocks of one width; the first of them takes the stride."""

    width: int
    blocks: int
    stride: int


@dataclass(frozen=True)
class Site:
    """Where a block stands: number `index` of `total` in forward order, `channels` into it, its stage's `width`."""

    index: int
    total: int
    channels: int
    width: int
    stride: int


def sites(channels: int, stages: Sequence[Stage], expansion: int = 1) -> Iterator[Site]:
    """The blocks of all stages in forward order; a block puts out expansion * width channels."""
    total = sum(stage.blocks for stage in stages)
    index = 0
    for stage in stages:
        for i in range(stage.blocks):
            index += 1
            yield Site(index, total, channels, stage.width, 1 if i else stage.stride)
            channels = expansion * stage.width


def doubling(width: int, blocks: Sequence[int]) -> list[Stage]:
    """Stages of width, 2 width, 4 width ..., all but the first with stride 2."""
    return [Stage(width * 2**i, n, 2 if i else 1) for i, n in enumerate(blocks)]


LAYERS = {"basic": 2, "bottleneck": 3}  # with weights, in a block
EXPANSION = {"basic": 1, "bottleneck": 4}  # a block's output channels by its stage's width


def block_convolutions(
    block: str, width: int, stride: int, stride_in: str, bottleneck_width: int = 1
) -> list[tuple[int, int, int]]:
    """(kernel size, stride, output channels) of a block's convolutions: two 3x3, or 1x1, 3x3 and 1x1.

    stride_in: which of a bottleneck's takes the stride, 1x1 or 3x3. bottleneck_width: of its inner two, by the stage's.
    """
    if block == "basic":
        return [(3, stride, width), (3, 1, width)]
    first, second = (stride, 1) if stride_in == "1x1" else (1, stride)
    inner = width * bottleneck_width
    return [(1, first, inner), (3, second, inner), (1, 1, width * EXPANSION[block])]


def stage_blocks(depth: int, blocks: list[int] | None, layers: int) -> list[int]:
    """The blocks of each stage: those given, else in three stages as many as the depth says.

    `layers` are a block's layers with weights; two more stand before and behind. ValueError names what does not fit.
    """
    if blocks is None:
        step = 3 * layers
        if depth < step + 2 or (depth - 2) % step:
            some = ", ".join(str(step * n + 2) for n in range(1, 5))
            raise ValueError(f"depth must be {step}n + 2 with n >= 1 ({some}, ...), got {depth}")
        return [(depth - 2) // step] * 3
    if not blocks or min(blocks) < 1:
        raise ValueError(f"blocks must be one number of at least 1 for each stage, got {blocks}")
    if depth != layers * sum(blocks) + 2:
        raise ValueError(f"depth must be {layers * sum(blocks) + 2}, the layers of blocks={blocks}, got {depth}")
    return blocks


class SqueezeExcite(nn.Module):
    """x_c * s_c, s = sigmoid(W2 relu(W1 z)), z the mean over pixels (Hu et al. 2018, arXiv:1709.01507, eq. 2 to 4).

    The gate's ReLU and sigmoid are its own: the activation seam leaves them.
    """

    def __init__(self, channels: int, reduction: int) -> None:
        super().__init__()
        hidden = channels // reduction
        self.gate = nn.Sequential(nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, channels), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        """B C H W -> B C H W."""
        return x * self.gate(pooled(x))[:, :, None, None]


class Block(nn.Module):
    """after(shortcut(x) + residual(branches of x)), where `after` is ReLU, or nothing (erase_relu, PyramidNet)."""

    def __init__(
        self, branches: Sequence[nn.Sequential], around: nn.Module, residual: nn.Module, after: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)
        self.shortcut = around
        self.residual = residual
        self.after = nn.Identity() if after is None else after

    def forward(self, x: Tensor) -> Tensor:
        """B C H W -> B C' H' W'."""
        return self.after(self.shortcut(x) + self.residual(*[branch(x) for branch in self.branches]))


class PreActivationBlock(nn.Module):
    """shortcut + residual(branches of relu(norm(x))); where the shape changes, the shortcut sees relu(norm(x)) too."""

    def __init__(
        self, before: nn.Module, branches: Sequence[nn.Sequential], around: nn.Module | None, residual: nn.Module
    ) -> None:
        super().__init__()
        self.before = before
        self.branches = nn.ModuleList(branches)
        self.shortcut = around  # None: the identity of x itself
        self.residual = residual

    def forward(self, x: Tensor) -> Tensor:
        """B C H W -> B C' H' W'."""
        y = self.before(x)
        around = x if self.shortcut is None else self.shortcut(y)
        return around + self.residual(*[branch(y) for branch in self.branches])


def pooled(x: Tensor) -> Tensor:
    """The mean over pixels: B C H W -> B C."""
    return torch.mean(x, (2, 3))
