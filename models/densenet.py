"""Densely connected networks.

Huang et al. 2017, Densely Connected Convolutional Networks, arXiv:1608.06993. Within a dense block every layer H sees
what all layers before it made, and adds k channels (the growth rate):

    x_l = H_l([x_0, x_1, ..., x_{l-1}]),   H = norm, ReLU, 3x3 convolution to k channels

With bottleneck (B), norm, ReLU and a 1x1 convolution to 4k channels go before. Between two blocks stands a transition:
norm, ReLU, 1x1 convolution to floor(compression * m) of the m channels, 2x2 average pooling. Compression below 1 is C.

Shapes: B images, C channels, H W pixels, K classes.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from tricktable.models._parts import Factory, Seams, pooled, seams, stem


class _Dense(nn.Module):
    """A layer of a dense block: its input and, after it, the channels that `new` makes of it."""

    def __init__(self, new: nn.Sequential) -> None:
        super().__init__()
        self.new = new

    def forward(self, x: Tensor) -> Tensor:
        """B C H W -> B C+k H W."""
        return torch.cat([x, self.new(x)], 1)


def _convolution(channels: int, out_channels: int, kernel_size: int, dropout: float, parts: Seams) -> list[nn.Module]:
    """Normalisation, ReLU, convolution and, where there is some, dropout."""
    layers = [parts.norm(channels), parts.activation(), parts.convolve(channels, out_channels, kernel_size)]
    return [*layers, nn.Dropout(dropout)] if dropout else layers


def _dense(channels: int, growth_rate: int, bottleneck: bool, dropout: float, parts: Seams) -> _Dense:
    """H, of one convolution or with the bottleneck of two."""
    layers: list[nn.Module] = []
    if bottleneck:
        layers += _convolution(channels, 4 * growth_rate, 1, dropout, parts)
        channels = 4 * growth_rate
    return _Dense(nn.Sequential(*layers, *_convolution(channels, growth_rate, 3, dropout, parts)))


def _blocks(depth: int, bottleneck: bool, given: list[int] | None) -> list[int]:
    """Dense layers of each block; a given list must come to the depth that is written beside it."""
    layers = 2 if bottleneck else 1
    if given is None:
        if depth < 3 * layers + 4 or (depth - 4) % (3 * layers):
            raise ValueError(f"depth must be {3 * layers}n + 4 with n >= 1 where blocks is null, got {depth}")
        return [(depth - 4) // (3 * layers)] * 3
    if not given or min(given) < 1:
        raise ValueError(f"blocks must be one or more numbers of layers, each at least 1, got {given}")
    total = layers * sum(given) + len(given) + 1  # with the first convolution, the transitions and the classifier
    if depth != total:
        raise ValueError(f"depth must be {total}, the layers that blocks {given} come to, got {depth}")
    return given


def _check(growth_rate: int, compression: float, width: int, dropout: float) -> None:
    if growth_rate < 1:
        raise ValueError(f"growth_rate must be at least 1, got {growth_rate}")
    if not 0 < compression <= 1:
        raise ValueError(f"compression must be above 0 and at most 1, got {compression}")
    if width < 1:
        raise ValueError(f"width must be at least 1, got {width}")
    if not 0 <= dropout < 1:
        raise ValueError(f"dropout must be at least 0 and below 1, got {dropout}")


class DenseNet(nn.Module):
    """The densely connected network; B C H W -> logits B K.

    depth: layers with weights. blocks: dense layers of each block; None is three equal blocks, as depth allows.
    growth_rate: channels that each dense layer adds. width: channels of the first convolution (16, or 2k with BC).
    bottleneck, compression: the B and the C of DenseNet-BC. dropout: after each convolution but the first.
    stem: cifar is a bare 3x3 convolution, as every layer normalises its own input; the others are those of
    models._parts.stem, with normalisation.
    norm_where: last keeps the network's last normalisation alone (Bjorck et al. 2018, arXiv:1806.02375). The others'
    places are empty: their convolutions get no bias instead.
    conv, norm, activation, head: factories as in the places of the same names; None is the paper's own choice. There
    are no residual blocks: features are concatenated, not added.

    `stride` is the total downsampling before the global pooling, `stem_stride` the stem's part of it.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int = 3,
        *,
        depth: int = 40,
        blocks: list[int] | None = None,
        growth_rate: int = 12,
        width: int = 16,
        bottleneck: bool = False,
        compression: float = 1.0,
        dropout: float = 0.0,
        stem: Literal["cifar", "imagenet", "imagenet_deep", "imagenet64"] = "cifar",
        norm_where: Literal["all", "last"] = "all",
        conv: Factory | None = None,
        norm: Factory | None = None,
        activation: Factory | None = None,
        head: Factory | None = None,
    ) -> None:
        super().__init__()
        _check(growth_rate, compression, width, dropout)
        parts = seams(conv, norm, None, head, norm_where, activation)
        self.stem, self.stem_stride = _stem(stem, in_channels, width, parts)
        sizes = _blocks(depth, bottleneck, blocks)
        stages: list[nn.Module] = []
        channels = width
        for i, size in enumerate(sizes):
            if i:
                out_channels = max(1, int(compression * channels))
                transition = _convolution(channels, out_channels, 1, dropout, parts)
                stages.append(nn.Sequential(*transition, nn.AvgPool2d(2)))
                channels = out_channels
            inputs = range(channels, channels + size * growth_rate, growth_rate)
            stages.append(nn.Sequential(*[_dense(c, growth_rate, bottleneck, dropout, parts) for c in inputs]))
            channels += size * growth_rate
        self.blocks = nn.Sequential(*stages)  # dense blocks, with the transitions between them
        self.last = nn.Sequential(parts.norm(channels), parts.activation())
        self.stride = self.stem_stride * 2 ** (len(sizes) - 1)
        self.head = parts.head(channels, num_classes)
        parts.finish(self)

    def forward(self, x: Tensor) -> Tensor:
        """B C H W -> B K."""
        return self.head(pooled(self.last(self.blocks(self.stem(x)))))


def _stem(kind: str, in_channels: int, width: int, parts: Seams) -> tuple[nn.Module, int]:
    """What stands before the dense blocks, and its stride."""
    if kind == "cifar":
        return parts.convolve(in_channels, width, 3), 1
    return stem(kind, in_channels, width, parts)
