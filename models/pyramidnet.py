"""Pyramidal residual networks: every block is a little wider than the one before.

Han, Kim & Kim 2017, Deep Pyramidal Residual Networks, arXiv:1610.02915. Of N blocks after a stem of width D_0, block k
has the width

    additive:        D_k = D_0 + alpha k / N           (equation 2)
    multiplicative:  D_k = D_0 alpha^(k / N)           (equation 3)

rounded to the nearest integer, halves up, as the authors' code has it (the paper's equations round down). Bottleneck
blocks have four times as many channels outside. A block is norm-conv-norm-ReLU-conv-norm without ReLU after the
addition (figure 6d), around it an identity without parameters: average pooling where there is a stride, and zeros for
the channels that x lacks. A normalisation and a ReLU stand before the global pooling.

    x_{k+1} = zero_pad(pool(x_k)) + F(x_k)

Shapes: B images, C channels, H W pixels, K classes.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Literal

from torch import Tensor, nn

from tricktable.models._parts import Block, Factory, Seams, pooled, seams, shortcut
from tricktable.models._parts import stem as _stem

_EXPANSION = {"basic": 1, "bottleneck": 4}
_LAYERS = {"basic": 2, "bottleneck": 3}


def _widths(width: int, alpha: float, widening: str, total: int) -> Iterator[int]:
    """The blocks' widths D_1 to D_N."""
    for k in range(1, total + 1):
        exact = width + alpha * k / total if widening == "add" else width * alpha ** (k / total)
        yield math.floor(exact + 0.5)


def _branch(block: str, channels: int, width: int, stride: int, parts: Seams) -> nn.Sequential:
    """The residual branch: normalisation first and last, ReLUs only between the convolutions."""
    basic = [(width, 3, stride), (width, 3, 1)]
    bottleneck = [(width, 1, 1), (width, 3, stride), (width * _EXPANSION[block], 1, 1)]
    layers: list[nn.Module] = [parts.norm(channels)]
    for i, (out_channels, kernel_size, step) in enumerate(basic if block == "basic" else bottleneck):
        layers += [parts.activation()] if i else []
        layers += [parts.convolve(channels, out_channels, kernel_size, step), parts.norm(out_channels)]
        channels = out_channels
    return nn.Sequential(*layers)


def _blocks(
    channels: int, widths: Sequence[int], strides: Sequence[int], block: str, parts: Seams
) -> tuple[nn.Sequential, int]:
    """All blocks in forward order, numbered from 1 for the residual seam, and the channels that leave the last."""
    blocks: list[nn.Module] = []
    for width, stride in zip(widths, strides, strict=True):
        out_channels = width * _EXPANSION[block]
        branches = [_branch(block, channels, width, stride, parts)]
        term = parts.term(len(blocks) + 1, len(widths), len(branches), out_channels)
        blocks.append(Block(branches, shortcut("AD", channels, out_channels, stride, parts), term))
        channels = out_channels
    return nn.Sequential(*blocks), channels


def _per_stage(depth: int, block: str, blocks: Sequence[int] | None) -> list[int]:
    """Blocks in each stage: three equal ones by depth, or as given, which must make that depth."""
    layers = _LAYERS[block]
    if blocks is None:
        n, rest = divmod(depth - 2, 3 * layers)
        if n < 1 or rest:
            raise ValueError(f"depth must be {3 * layers}n + 2 with n >= 1 for {block} blocks, got {depth}")
        return [n] * 3
    if not blocks or min(blocks) < 1:
        raise ValueError(f"blocks must be at least 1 in every stage, got {list(blocks)}")
    if depth != layers * sum(blocks) + 2:
        made = layers * sum(blocks) + 2
        raise ValueError(f"blocks {list(blocks)} make depth {made} of {block} blocks, but depth is {depth}")
    return list(blocks)


class PyramidNet(nn.Module):
    """The pyramidal residual network; B C H W -> logits B K.

    depth: layers with weights. alpha: the widening, over all blocks; width: D_0, the stem's channels.
    widening: add raises the width by alpha in equal steps, mul multiplies it by alpha in equal factors.
    block: basic is two 3x3 convolutions; bottleneck is 1x1, 3x3, 1x1. blocks: how many there are in each stage; null is
    three stages of as many as the depth makes. Every stage but the first begins with stride 2.
    stem: cifar is a 3x3 convolution; imagenet is 7x7 with stride 2, then 3x3 max-pooling with stride 2; the others are
    not in the paper.
    dropout: of the averaged features. The paper has 0.5 in one network, at alpha 450; its code does not show where.
    norm_where: last keeps the network's last normalisation alone (Bjorck et al. 2018, arXiv:1806.02375). The others'
    places are empty: their convolutions get no bias instead.
    conv, norm, activation, residual, head: factories as in the places of these names; None is the paper's own choice.

    `stride` is the total downsampling before the global pooling, `stem_stride` the stem's part of it.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int = 3,
        *,
        depth: int = 110,
        alpha: float = 48.0,
        widening: Literal["add", "mul"] = "add",
        block: Literal["basic", "bottleneck"] = "basic",
        width: int = 16,
        blocks: list[int] | None = None,
        stem: Literal["cifar", "imagenet", "imagenet_deep", "imagenet64"] = "cifar",
        dropout: float = 0.0,
        norm_where: Literal["all", "last"] = "all",
        conv: Factory | None = None,
        norm: Factory | None = None,
        activation: Factory | None = None,
        residual: Factory | None = None,
        head: Factory | None = None,
    ) -> None:
        super().__init__()
        least = 0 if widening == "add" else 1
        if not least <= alpha < math.inf:  # a shortcut can pad channels, not drop them
            raise ValueError(f"alpha must be finite and at least {least} where widening is {widening}, got {alpha}")
        if width < 1:
            raise ValueError(f"width must be at least 1, got {width}")
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout must be in [0, 1), got {dropout}")
        stages = _per_stage(depth, block, blocks)
        parts = seams(conv, norm, residual, head, norm_where, activation)
        self.stem, self.stem_stride = _stem(stem, in_channels, width, parts, activated=False)
        strides = [2 if i and not j else 1 for i, n in enumerate(stages) for j in range(n)]
        self.stride = self.stem_stride * math.prod(strides)
        widths = list(_widths(width, alpha, widening, sum(stages)))
        self.blocks, features = _blocks(width, widths, strides, block, parts)
        self.after = nn.Sequential(parts.norm(features), parts.activation())
        self.dropout = nn.Dropout(dropout)
        self.head = parts.head(features, num_classes)
        parts.finish(self)

    def forward(self, x: Tensor) -> Tensor:
        """B C H W -> B K."""
        return self.head(self.dropout(pooled(self.after(self.blocks(self.stem(x))))))
