"""Residual networks for small images.

He et al. 2016, Deep Residual Learning for Image Recognition, arXiv:1512.03385, section 4.2: a 3x3 convolution, three
stages of n blocks with widths 16, 32 and 64, global average pooling and a linear classifier: 6n + 2 layers.

    x_{l+1} = relu(shortcut(x_l) + F(x_l))

Shapes: B images, C channels, H W pixels, K classes.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_Factory = Callable[..., nn.Module]


@dataclass(frozen=True)
class _Seams:
    """The parts that can be exchanged: what makes a convolution, a normalisation, and a block's residual term."""

    conv: _Factory
    norm: _Factory
    residual: _Factory

    def convolve(self, channels: int, out_channels: int, kernel_size: int, stride: int = 1) -> nn.Module:
        """A convolution that keeps the size, up to its stride. Its bias would be the normalisation's shift again."""
        padding = kernel_size // 2
        return self.conv(channels, out_channels, kernel_size, stride=stride, padding=padding, groups=1, bias=False)


class _OptionA(nn.Module):
    """Shortcut without parameters: every stride-th pixel, and zeros for the channels that x lacks."""

    def __init__(self, channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.missing, self.stride = out_channels - channels, stride

    def forward(self, x: Tensor) -> Tensor:
        """B C H W -> B C' H/stride W/stride."""
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.missing))


def _shortcut(option: str, channels: int, out_channels: int, stride: int, seams: _Seams) -> nn.Module:
    if channels == out_channels and stride == 1:
        return nn.Identity()
    if option == "A":
        return _OptionA(channels, out_channels, stride)
    return nn.Sequential(seams.convolve(channels, out_channels, 1, stride), seams.norm(out_channels))


def _basic(channels: int, out_channels: int, stride: int, seams: _Seams) -> nn.Sequential:
    """The branch of two 3x3 convolutions, the first of which takes the stride."""
    return nn.Sequential(
        seams.convolve(channels, out_channels, 3, stride),
        seams.norm(out_channels),
        nn.ReLU(),
        seams.convolve(out_channels, out_channels, 3),
        seams.norm(out_channels),
    )


class _Block(nn.Module):
    """relu(shortcut(x) + residual(branches of x))."""

    def __init__(self, branches: list[nn.Sequential], shortcut: nn.Module, residual: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)
        self.shortcut = shortcut
        self.residual = residual

    def forward(self, x: Tensor) -> Tensor:
        """B C H W -> B C' H' W'."""
        return F.relu(self.shortcut(x) + self.residual(*[branch(x) for branch in self.branches]))


def _stem(kind: str, in_channels: int, width: int, seams: _Seams) -> tuple[nn.Sequential, int]:
    """What stands before the blocks, and its stride."""
    if kind == "cifar":
        return nn.Sequential(seams.convolve(in_channels, width, 3), seams.norm(width), nn.ReLU()), 1
    pool = nn.MaxPool2d(3, stride=2, padding=1)
    return nn.Sequential(seams.convolve(in_channels, width, 7, 2), seams.norm(width), nn.ReLU(), pool), 4


def _own_residual(index: int, total: int, branches: int) -> nn.Module:
    """The sum of the branches, of which there is one."""
    assert branches == 1
    return nn.Identity()


@dataclass(frozen=True)
class _Stage:
    """Blocks of one width; the first of them takes the stride."""

    channels: int
    blocks: int
    stride: int


def _blocks(channels: int, stages: list[_Stage], shortcut: str, seams: _Seams) -> nn.Sequential:
    """All blocks in forward order, numbered from 1 for the residual seam; `channels` go into the first."""
    total = sum(stage.blocks for stage in stages)
    blocks: list[nn.Module] = []
    for stage in stages:
        for stride in (stage.stride, *[1] * (stage.blocks - 1)):
            branches = [_basic(channels, stage.channels, stride, seams)]
            around = _shortcut(shortcut, channels, stage.channels, stride, seams)
            blocks.append(_Block(branches, around, seams.residual(len(blocks) + 1, total, len(branches))))
            channels = stage.channels
    return nn.Sequential(*blocks)


def _depth_to_blocks(depth: int) -> int:
    if depth < 8 or (depth - 2) % 6:
        raise ValueError(f"depth must be 6n + 2 with n >= 1 (8, 14, 20, 26, ...), got {depth}")
    return (depth - 2) // 6


class ResNet(nn.Module):
    """The residual network of 6n + 2 layers; B C H W -> logits B K.

    depth: layers with weights, the shortcuts' not counted. width: channels of the first stage; they double twice.
    shortcut: where the shape changes, A subsamples and pads with zero channels, B is a 1x1 convolution with norm.
    stem: cifar is a 3x3 convolution; imagenet is 7x7 with stride 2, then 3x3 max-pooling with stride 2.
    conv, norm, residual, head: factories as in the places of the same names; None is the paper's own choice.

    `stride` is the total downsampling before the global pooling, `stem_stride` the stem's part of it.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int = 3,
        *,
        depth: int = 20,
        width: int = 16,
        shortcut: Literal["A", "B"] = "A",
        stem: Literal["cifar", "imagenet"] = "cifar",
        conv: _Factory | None = None,
        norm: _Factory | None = None,
        residual: _Factory | None = None,
        head: _Factory | None = None,
    ) -> None:
        super().__init__()
        if width < 1:
            raise ValueError(f"width must be at least 1, got {width}")
        seams = _Seams(conv or nn.Conv2d, norm or nn.BatchNorm2d, residual or _own_residual)
        n = _depth_to_blocks(depth)
        self.stem, self.stem_stride = _stem(stem, in_channels, width, seams)
        stages = [_Stage(width, n, 1), _Stage(2 * width, n, 2), _Stage(4 * width, n, 2)]
        self.stride = self.stem_stride * math.prod(stage.stride for stage in stages)
        self.blocks = _blocks(width, stages, shortcut, seams)
        self.head = (head or nn.Linear)(stages[-1].channels, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """B C H W -> B K."""
        features = torch.mean(self.blocks(self.stem(x)), (2, 3))
        return self.head(features)
