"""Residual networks.

He et al. 2016, Deep Residual Learning for Image Recognition, arXiv:1512.03385: a stem, stages of blocks whose width
doubles where the size halves, global average pooling and a linear classifier.

    x_{l+1} = relu(shortcut(x_l) + F(x_l))

For CIFAR (section 4.2): three stages of n blocks of widths 16, 32 and 64, 6n + 2 layers. For ImageNet (table 1): four
stages of widths 64 to 512. The tweaks B, C and D: He et al. 2019, arXiv:1812.01187, section 4. Squeeze-and-excitation:
Hu et al. 2018, arXiv:1709.01507. No ReLU after the addition: Dong et al. 2017 (EraseReLU), arXiv:1709.07634.

Shapes: B images, C channels, H W pixels, K classes.
"""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from tricktable.models._parts import (
    EXPANSION,
    LAYERS,
    Block,
    Factory,
    Seams,
    Site,
    SqueezeExcite,
    block_convolutions,
    doubling,
    pooled,
    seams,
    shortcut,
    sites,
    stage_blocks,
)
from tricktable.models._parts import stem as _stem


@dataclass(frozen=True)
class _Design:
    """What all blocks of a network have in common."""

    block: str
    stride_in: str
    bottleneck_width: int
    shortcut: str
    erase_relu: bool
    reduction: int | None

    def branch(self, channels: int, width: int, stride: int, parts: Seams) -> nn.Sequential:
        """The residual branch of a stage of `width`: convolutions, each normalised, with ReLU between them."""
        convolutions = block_convolutions(self.block, width, stride, self.stride_in, self.bottleneck_width)
        layers: list[nn.Module] = []
        for kernel_size, step, made in convolutions:
            layers += [parts.activation()] if layers else []
            layers += [parts.convolve(channels, made, kernel_size, step), parts.norm(made)]
            channels = made
        return nn.Sequential(*layers, *([SqueezeExcite(channels, self.reduction)] if self.reduction else []))

    def block_at(self, site: Site, parts: Seams) -> Block:
        """The whole block: branch, shortcut, and ReLU after the addition."""
        branch = self.branch(site.channels, site.width, site.stride, parts)
        out_channels = site.width * EXPANSION[self.block]
        around = shortcut(self.shortcut, site.channels, out_channels, site.stride, parts)
        term = parts.term(site.index, site.total, 1, out_channels)
        return Block([branch], around, term, None if self.erase_relu else parts.activation())


def _check(
    width: int, stem_width: int, block: str, stride_in: str, bottleneck_width: int, reduction: int | None
) -> None:
    if width < 1:
        raise ValueError(f"width must be at least 1, got {width}")
    if stem_width < 1:
        raise ValueError(f"stem_width must be at least 1, got {stem_width}")
    if bottleneck_width < 1:
        raise ValueError(f"bottleneck_width must be at least 1, got {bottleneck_width}")
    if block == "basic" and bottleneck_width != 1:
        raise ValueError(f"bottleneck_width must be 1 with block=basic, got {bottleneck_width}")
    if block == "basic" and stride_in != "3x3":
        raise ValueError(f"stride_in must be 3x3 with block=basic, which has no other convolutions, got {stride_in}")
    most = width * EXPANSION[block]
    if reduction is not None and not 1 <= reduction <= most:
        raise ValueError(f"reduction must lie in [1, {most}], a block's smallest number of channels, got {reduction}")


class ResNet(nn.Module):
    """The residual network; B C H W -> logits B K.

    depth: layers with weights, the shortcuts' not counted: 6n + 2, or 9n + 2 with bottlenecks, if `blocks` is None.
    width: of the first stage; each further stage has twice the one before.
    block: basic is two 3x3 convolutions; bottleneck is 1x1, 3x3 and 1x1, with 4 times the stage's width as its output.
    blocks: of each stage; None is n in each of three.
    stride_in: the bottleneck's convolution that has the stride: 1x1 is the paper's, 3x3 is ResNet-B.
    bottleneck_width: the bottleneck's inner channels by the stage's width; 2 is Wide ResNet-50-2 (arXiv:1605.07146).
    shortcut: where the shape changes, A subsamples and pads with zero channels, B is a 1x1 convolution with norm; AD
        and D are A and B behind average pooling, which has the stride (AD: Huang et al. 2016, arXiv:1603.09382).
    stem: cifar is 3x3; imagenet is 7x7 with stride 2, then 3x3 max-pooling with stride 2; imagenet_deep has three 3x3
        for the 7x7 (ResNet-C); imagenet64 is 3x3, then the pooling.
    erase_relu: no ReLU after the addition, so that a branch ends in normalisation.
    stem_width: channels of the stem; None is the first stage's. Stages from 64 channels on behind a stem of 32 make the
        "ResNet-32x4" of Tian et al. 2020 (arXiv:1910.10699).
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
        depth: int = 20,
        width: int = 16,
        block: Literal["basic", "bottleneck"] = "basic",
        blocks: list[int] | None = None,
        stride_in: Literal["1x1", "3x3"] = "3x3",
        bottleneck_width: int = 1,
        shortcut: Literal["A", "AD", "B", "D"] = "A",
        stem: Literal["cifar", "imagenet", "imagenet_deep", "imagenet64"] = "cifar",
        stem_width: int | None = None,
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
        first = width if stem_width is None else stem_width
        _check(width, first, block, stride_in, bottleneck_width, reduction)
        most = width * EXPANSION[block]
        if shortcut in ("A", "AD") and first > most:
            raise ValueError(
                f"stem_width must be at most {most} with shortcut={shortcut}, which only adds channels, got {first}"
            )
        counts = stage_blocks(depth, blocks, LAYERS[block])
        parts = seams(conv, norm, residual, head, norm_where, activation)
        design = _Design(block, stride_in, bottleneck_width, shortcut, erase_relu, reduction)
        self.stem, self.stem_stride = _stem(stem, in_channels, first, parts)
        stages = doubling(width, counts)
        self.stride = self.stem_stride * 2 ** (len(stages) - 1)
        self.blocks = nn.Sequential(*(design.block_at(site, parts) for site in sites(first, stages, EXPANSION[block])))
        self.head = parts.head(stages[-1].width * EXPANSION[block], num_classes)
        parts.finish(self)

    def forward(self, x: Tensor) -> Tensor:
        """B C H W -> B K."""
        return self.head(pooled(self.blocks(self.stem(x))))
