"""Residual networks of many equal transformations.

Xie et al. 2017, Aggregated Residual Transformations for Deep Neural Networks, arXiv:1611.05431: the branch is the sum
of C (cardinality) bottlenecks of one shape, written as one bottleneck whose 3x3 convolution has C groups (figure 3c).

    x_{l+1} = relu(shortcut(x_l) + sum_{i=1..C} T_i(x_l))

A stage of width n has 4n output channels, and floor(n d / 64) channels in each of the C groups, d the base width. For
CIFAR (section 5.3): three stages of widths 64, 128 and 256, 9n + 2 layers. For ImageNet (table 1): four, 64 to 512.
Squeeze-and-excitation: Hu et al. 2018, arXiv:1709.01507. No ReLU after the addition: Dong et al. 2017 (EraseReLU),
arXiv:1709.07634.

Shapes: B images, C channels, H W pixels, K classes.
"""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from tricktable.models._parts import (
    Block,
    Factory,
    Seams,
    Site,
    SqueezeExcite,
    doubling,
    pooled,
    seams,
    shortcut,
    sites,
    stage_blocks,
)
from tricktable.models._parts import stem as _stem

_EXPANSION = 4  # output channels by the stage's width
_LAYERS = 3  # with weights, in a block


@dataclass(frozen=True)
class _Design:
    """What all blocks of a network have in common."""

    cardinality: int
    base_width: int
    shortcut: str
    erase_relu: bool
    reduction: int | None

    def branch(self, channels: int, width: int, stride: int, parts: Seams) -> nn.Sequential:
        """The C bottlenecks as one: 1x1, grouped 3x3 with the stride, 1x1, each normalised, with ReLU between them."""
        inner, out_channels = width * self.base_width // 64 * self.cardinality, _EXPANSION * width
        layers = [
            *[parts.convolve(channels, inner, 1), parts.norm(inner), parts.activation()],
            *[parts.convolve(inner, inner, 3, stride, self.cardinality), parts.norm(inner), parts.activation()],
            *[parts.convolve(inner, out_channels, 1), parts.norm(out_channels)],
        ]
        return nn.Sequential(*layers, *([SqueezeExcite(out_channels, self.reduction)] if self.reduction else []))

    def block_at(self, site: Site, parts: Seams) -> Block:
        """The whole block: branch, shortcut, and ReLU after the addition."""
        branch = self.branch(site.channels, site.width, site.stride, parts)
        out_channels = _EXPANSION * site.width
        around = shortcut(self.shortcut, site.channels, out_channels, site.stride, parts)
        term = parts.term(site.index, site.total, 1, out_channels)
        return Block([branch], around, term, None if self.erase_relu else parts.activation())


def _check(width: int, cardinality: int, base_width: int, reduction: int | None) -> None:
    if width < 1:
        raise ValueError(f"width must be at least 1, got {width}")
    if cardinality < 1:
        raise ValueError(f"cardinality must be at least 1, got {cardinality}")
    if width * base_width < 64:
        least = -(-64 // width)
        raise ValueError(
            f"base_width must be at least {least}, one channel a group with width={width}, got {base_width}"
        )
    most = _EXPANSION * width
    if reduction is not None and not 1 <= reduction <= most:
        raise ValueError(f"reduction must lie in [1, {most}], a block's smallest number of channels, got {reduction}")


class ResNeXt(nn.Module):
    """The residual network of aggregated transformations; B C H W -> logits B K.

    depth: layers with weights, the shortcuts' not counted: 9n + 2 if `blocks` is None.
    cardinality: C, the number of groups.
    base_width: d, the channels of a group where the stage's width is 64.
    width: of the first stage; each further stage has twice the one before.
    blocks: of each stage; None is n in each of three.
    shortcut: where the shape changes, A subsamples and pads with zero channels, B is a 1x1 convolution with norm; AD
        and D are A and B behind average pooling, which has the stride (arXiv:1603.09382, arXiv:1812.01187).
    stem: cifar is 3x3; imagenet is 7x7 with stride 2, then 3x3 max-pooling with stride 2; imagenet_deep has three 3x3
        for the 7x7; imagenet64 is 3x3, then the pooling.
    erase_relu: no ReLU after the addition, so that a branch ends in normalisation.
    reduction: of squeeze-and-excitation at the end of each branch; None is without.
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
        depth: int = 29,
        cardinality: int = 8,
        base_width: int = 64,
        width: int = 64,
        blocks: list[int] | None = None,
        shortcut: Literal["A", "AD", "B", "D"] = "B",
        stem: Literal["cifar", "imagenet", "imagenet_deep", "imagenet64"] = "cifar",
        erase_relu: bool = False,
        reduction: int | None = None,
        norm_where: Literal["all", "last"] = "all",
        conv: Factory | None = None,
        norm: Factory | None = None,
        activation: Factory | None = None,
        residual: Factory | None = None,
        head: Factory | None = None,
    ) -> None:
        super().__init__()
        _check(width, cardinality, base_width, reduction)
        counts = stage_blocks(depth, blocks, _LAYERS)
        parts = seams(conv, norm, residual, head, norm_where, activation)
        self.stem, self.stem_stride = _stem(stem, in_channels, width, parts)
        stages = doubling(width, counts)
        self.stride = self.stem_stride * 2 ** (len(stages) - 1)
        design = _Design(cardinality, base_width, shortcut, erase_relu, reduction)
        self.blocks = nn.Sequential(*(design.block_at(site, parts) for site in sites(width, stages, _EXPANSION)))
        self.head = parts.head(_EXPANSION * stages[-1].width, num_classes)
        parts.finish(self)

    def forward(self, x: Tensor) -> Tensor:
        """B C H W -> B K."""
        return self.head(pooled(self.blocks(self.stem(x))))
