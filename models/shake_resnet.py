"""Residual networks of two branches a block, which Shake-Shake regularises.

Gastaldi 2017, Shake-Shake regularization, arXiv:1705.07485: "26 2x32d" is 26 layers deep, with two branches in each
block, of 32 channels in the first of three stages. Blocks have no ReLU after the addition; one stands before the
pooling. For CIFAR-100, "29 2x4x64d" has ResNeXt's bottlenecks (Xie et al. 2017, arXiv:1611.05431), as in the author's
code without pre-activation: ReLU stands after the stem and after each addition.

    basic:       x_{i+1} = shortcut(x_i) + a F_1(x_i) + (1 - a) F_2(x_i)
    bottleneck:  x_{i+1} = relu(shortcut(x_i) + a F_1(x_i) + (1 - a) F_2(x_i))

Shake-Shake draws a for each forward and backward pass: that is a residual trick. The network's own term has a = 1/2,
the mean of the branches: the paper's baseline ("even-even") and every network of the paper when it is tested.

Shapes: B images, C channels, H W pixels, K classes.
"""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tricktable.models._parts import Block, Factory, Seams, Site, Sum, doubling, pooled, seams, shortcut, sites
from tricktable.models._parts import stem as _stem

_BRANCHES = 2
_FIRST = 256  # channels of a bottleneck in the first stage


class _Mean(Sum):
    """The mean of the branches."""

    def forward(self, *branches: Tensor) -> Tensor:
        """Tensors of one shape -> one of that shape."""
        return super().forward(*branches) / len(branches)


class _Skip(nn.Module):
    """Where the width of basic blocks changes: two 1x1 convolutions of relu(x), concatenated and normalised.

    The second sees x shifted by one pixel to the right and down, with zeros coming in: so with stride 2 it sees pixels
    that the first steps over.
    """

    def __init__(self, channels: int, out_channels: int, stride: int, parts: Seams) -> None:
        super().__init__()
        self.stride = stride
        self.activation = parts.activation()
        self.here = parts.convolve(channels, out_channels // 2, 1)
        self.shifted = parts.convolve(channels, out_channels // 2, 1)
        self.norm = parts.norm(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """B C H W -> B C' H/stride W/stride."""
        x = self.activation(x)
        shifted = F.pad(x, (1, -1, 1, -1))
        here, there = (y[:, :, :: self.stride, :: self.stride] for y in (x, shifted))
        return self.norm(torch.cat([self.here(here), self.shifted(there)], 1))


@dataclass(frozen=True)
class _Design:
    """What all blocks have in common: a bottleneck's own channels in the first stage (0: basic), and their groups."""

    inner: int
    groups: int

    def branch(self, site: Site, parts: Seams) -> nn.Sequential:
        """Basic: relu-conv-norm twice, 3x3. Bottleneck: conv-norm 1x1, 3x3 in groups, 1x1, with ReLU between them."""
        channels, width, inner = site.channels, site.width, self.inner * site.width // _FIRST
        basic = [(width, 3, site.stride, 1), (width, 3, 1, 1)]
        bottleneck = [(inner, 1, 1, 1), (inner, 3, site.stride, self.groups), (width, 1, 1, 1)]
        layers: list[nn.Module] = []
        for out_channels, kernel_size, step, groups in bottleneck if inner else basic:
            convolution = parts.convolve(channels, out_channels, kernel_size, step, groups)
            layers += [parts.activation()] if layers or not self.inner else []
            layers += [convolution, parts.norm(out_channels)]
            channels = out_channels
        return nn.Sequential(*layers)

    def block_at(self, site: Site, parts: Seams) -> Block:
        """The whole block: two branches, the shortcut, and a bottleneck's ReLU after the addition."""
        branches = [self.branch(site, parts) for _ in range(_BRANCHES)]
        term = _Mean() if parts.residual is None else parts.term(site.index, site.total, _BRANCHES, site.width)
        if self.inner:
            around = shortcut("B", site.channels, site.width, site.stride, parts)
            return Block(branches, around, term, parts.activation())
        same = site.channels == site.width and site.stride == 1
        around = nn.Identity() if same else _Skip(site.channels, site.width, site.stride, parts)
        return Block(branches, around, term)


def _blocks_a_stage(depth: int, block: str) -> int:
    """n, of blocks with two convolutions in a row (basic), or three."""
    layers = 2 if block == "basic" else 3
    n, rest = divmod(depth - 2, 3 * layers)
    if n < 1 or rest:
        raise ValueError(f"depth must be {3 * layers}n + 2 with n >= 1 for {block} blocks, got {depth}")
    return n


class ShakeResNet(nn.Module):
    """The two-branch residual network; B C H W -> logits B K.

    depth: layers in a row, the shortcuts' not counted. width: d of "2xd", channels of a branch in the first stage;
    of bottleneck blocks: d of "2x cardinality x d", channels of each group there.
    block: basic is two 3x3 convolutions a branch, each behind a ReLU, and a shortcut of shifted samples; bottleneck is
    ResNeXt's 1x1, 3x3 in `cardinality` groups and 1x1 to 256, 512 and 1024 channels, without pre-activation, and a
    shortcut of one 1x1 convolution with norm. stem_width: channels before the first block.
    stem: cifar is a 3x3 convolution; the others as in the residual networks for ImageNet, not in the paper.
    norm_where: last keeps the network's last normalisation alone (Bjorck et al. 2018, arXiv:1806.02375). The others'
    places are empty: their convolutions get no bias instead. The last is in the last block's second branch.
    conv, norm, activation, residual, head: factories as in the places of the same names; None is the paper's own
    choice, of residual the mean of the two branches.

    `stride` is the total downsampling before the global pooling, `stem_stride` the stem's part of it.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int = 3,
        *,
        depth: int = 26,
        width: int = 32,
        block: Literal["basic", "bottleneck"] = "basic",
        cardinality: int = 1,
        stem_width: int = 16,
        stem: Literal["cifar", "imagenet", "imagenet_deep", "imagenet64"] = "cifar",
        norm_where: Literal["all", "last"] = "all",
        conv: Factory | None = None,
        norm: Factory | None = None,
        activation: Factory | None = None,
        residual: Factory | None = None,
        head: Factory | None = None,
    ) -> None:
        super().__init__()
        basic = block == "basic"
        if width < 1 or (basic and width % 2):
            raise ValueError(f"width must be at least 1, and even for basic blocks (a shortcut is halves), got {width}")
        if cardinality < 1 or (basic and cardinality != 1):
            raise ValueError(f"cardinality must be at least 1, and 1 for basic blocks, got {cardinality}")
        if stem_width < 2 or stem_width % 2:
            raise ValueError(f"stem_width must be even and at least 2, got {stem_width}")
        parts = seams(conv, norm, residual, head, norm_where, activation)
        first = width if basic else _FIRST
        stages = doubling(first, [_blocks_a_stage(depth, block)] * 3)
        self.stem, self.stem_stride = _stem(stem, in_channels, stem_width, parts, activated=not basic)
        self.stride = self.stem_stride * math.prod(stage.stride for stage in stages)
        design = _Design(0 if basic else cardinality * width, cardinality)
        self.blocks = nn.Sequential(*(design.block_at(site, parts) for site in sites(stem_width, stages)))
        self.after = parts.activation() if basic else nn.Identity()  # a bottleneck's output is activated already
        self.head = parts.head(stages[-1].width, num_classes)
        parts.finish(self)

    def forward(self, x: Tensor) -> Tensor:
        """B C H W -> B K."""
        return self.head(pooled(self.after(self.blocks(self.stem(x)))))
