"""Wide residual networks.

Zagoruyko & Komodakis 2016, Wide Residual Networks, arXiv:1605.07146, table 1: a 3x3 convolution of 16 channels, three
stages of n pre-activation blocks with widths 16k, 32k and 64k, normalisation, ReLU, global average pooling and a linear
classifier: 6n + 4 convolutions, where the shortcuts' three count.

    x_{l+1} = x_l + F(y_l), y_l = relu(norm(x_l)); where the width changes, shortcut(y_l) + F(y_l)

Shapes: B images, C channels, H W pixels, K classes.
"""

import math
from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from tricktable.models._parts import Factory, PreActivationBlock, Seams, Site, doubling, pooled, seams, sites, stem


@dataclass(frozen=True)
class _Branch:
    """What is in a residual branch besides its two convolutions."""

    dropout: float
    last_norm: bool

    def build(self, channels: int, out_channels: int, stride: int, parts: Seams) -> nn.Sequential:
        """conv-norm-relu-dropout-conv: what follows the block's first norm and ReLU."""
        layers = [
            parts.convolve(channels, out_channels, 3, stride),
            parts.norm(out_channels),
            parts.activation(),
            nn.Dropout(self.dropout) if self.dropout else nn.Identity(),  # the layers' names stay the same
            parts.convolve(out_channels, out_channels, 3),
        ]
        return nn.Sequential(*layers, parts.norm(out_channels)) if self.last_norm else nn.Sequential(*layers)


def _block_at(site: Site, branch: _Branch, parts: Seams) -> PreActivationBlock:
    before = nn.Sequential(parts.norm(site.channels), parts.activation())
    same = site.channels == site.width and site.stride == 1  # also the first block of all, where k = 1
    around = None if same else parts.convolve(site.channels, site.width, 1, site.stride)
    inside = branch.build(site.channels, site.width, site.stride, parts)
    return PreActivationBlock(before, [inside], around, parts.term(site.index, site.total, 1, site.width))


def _stem(kind: str, in_channels: int, width: int, parts: Seams) -> tuple[nn.Module, int]:
    """What stands before the blocks, and its stride; in the paper a bare convolution: the first block normalises."""
    if kind == "cifar":
        return parts.convolve(in_channels, width, 3), 1
    return stem(kind, in_channels, width, parts)


def _depth_to_blocks(depth: int) -> int:
    if depth < 10 or (depth - 4) % 6:
        raise ValueError(f"depth must be 6n + 4 with n >= 1 (10, 16, 22, 28, ...), got {depth}")
    return (depth - 4) // 6


class WideResNet(nn.Module):
    """The wide residual network WRN-depth-k; B C H W -> logits B K.

    depth: convolutions, the shortcuts' three counted. widen: the factor k on the three stages' widths.
    dropout: probability of a zero between a block's two convolutions, after the ReLU; 0 is none.
    last_norm: whether each residual branch ends in a normalisation, as ShakeDrop (Yamada et al. 2018,
    arXiv:1802.02375) asks of the networks that it regularises; the paper's branches end in the convolution.
    stem: cifar is a 3x3 convolution; the others as in the residual networks for ImageNet, not in the paper.
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
        depth: int = 28,
        widen: int = 10,
        dropout: float = 0.0,
        last_norm: bool = False,
        stem: Literal["cifar", "imagenet", "imagenet_deep", "imagenet64"] = "cifar",
        norm_where: Literal["all", "last"] = "all",
        conv: Factory | None = None,
        norm: Factory | None = None,
        activation: Factory | None = None,
        residual: Factory | None = None,
        head: Factory | None = None,
    ) -> None:
        super().__init__()
        if widen < 1:
            raise ValueError(f"widen must be at least 1, got {widen}")
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout must be in [0, 1), got {dropout}")
        parts = seams(conv, norm, residual, head, norm_where, activation)
        n = _depth_to_blocks(depth)
        width = 16
        self.stem, self.stem_stride = _stem(stem, in_channels, width, parts)
        stages = doubling(width * widen, [n] * 3)
        self.stride = self.stem_stride * math.prod(stage.stride for stage in stages)
        branch = _Branch(dropout, last_norm)
        self.blocks = nn.Sequential(*(_block_at(site, branch, parts) for site in sites(width, stages)))
        features = stages[-1].width
        self.after = nn.Sequential(parts.norm(features), parts.activation())
        self.head = parts.head(features, num_classes)
        parts.finish(self)

    def forward(self, x: Tensor) -> Tensor:
        """B C H W -> B K."""
        return self.head(pooled(self.after(self.blocks(self.stem(x)))))
