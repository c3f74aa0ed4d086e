"""ShuffleNet: pointwise group convolutions, and a shuffle of the channels so that the groups see one another.

Zhang et al. 2018, ShuffleNet: An Extremely Efficient Convolutional Neural Network for Mobile Devices,
arXiv:1707.01083. The unit's branch, with a quarter of its output's channels in between:

    F(x) = norm(gconv1x1(norm(dwconv3x3(shuffle(relu(norm(gconv1x1(x))))))))

    stride 1: relu(x + F(x));   stride 2: relu([avgpool3x3(x), F(x)]), where F makes the channels that x lacks

Three stages of 4, 8 and 4 units, the first of each with stride 2, global average pooling and a linear classifier.

The network of this name for 32 pixels in Tian et al. 2020, Contrastive Representation Distillation, arXiv:1910.10699,
has a ReLU after the depthwise convolution too, in between a quarter of what F puts out, and a 1x1 convolution as stem.

Shapes: B images, C channels, H W pixels, K classes, g groups.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from tricktable.models._parts import Block, Factory, Seams, pooled, seams, stem

_WIDTHS = {
    1: 144,
    2: 200,
    3: 240,
    4: 272,
    8: 384,
}  # channels of stage 2 by groups: about the same cost for all (table 1)
_UNITS = (4, 8, 4)


class _Shuffle(nn.Module):
    """Channels seen as g x n, transposed to n x g: each group of the next convolution gets some of every group."""

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, x: Tensor) -> Tensor:
        """B C H W -> B C H W."""
        return x.unflatten(1, (self.groups, -1)).transpose(1, 2).flatten(1, 2)


class _Downsample(nn.Module):
    """The unit of stride 2: relu([average pooling of x, branch of x])."""

    def __init__(self, branch: nn.Sequential, parts: Seams) -> None:
        super().__init__()
        self.branch = branch
        self.around = nn.AvgPool2d(3, stride=2, padding=1)
        self.after = parts.activation()

    def forward(self, x: Tensor) -> Tensor:
        """B C H W -> B C' H/2 W/2."""
        return self.after(torch.cat([self.around(x), self.branch(x)], 1))


def _branch(
    channels: int, widths: tuple[int, int], stride: int, groups: tuple[int, int], kind: str, parts: Seams
) -> nn.Sequential:
    """F, with the groups of its first and of its last convolution; the shuffle is for the latter.

    widths: channels that it puts out, and those of the unit; kind: whose units they are.
    """
    first, last = groups
    out_channels, unit = widths
    middle = (unit if kind == "zhang" else out_channels) // 4
    return nn.Sequential(
        parts.convolve(channels, middle, 1, groups=first),
        parts.norm(middle),
        parts.activation(),
        _Shuffle(last),
        parts.convolve(middle, middle, 3, stride, groups=middle),
        parts.norm(middle),
        *([parts.activation()] if kind == "tian" else []),
        parts.convolve(middle, out_channels, 1, groups=last),
        parts.norm(out_channels),
    )


def _stem(kind: str, in_channels: int, width: int, parts: Seams) -> tuple[nn.Module, int]:
    """What stands before the units, and its stride."""
    if kind == "pointwise":
        return nn.Sequential(parts.convolve(in_channels, width, 1), parts.norm(width), parts.activation()), 1
    if kind != "imagenet":
        return stem(kind, in_channels, width, parts)
    first = [parts.convolve(in_channels, width, 3, 2), parts.norm(width), parts.activation()]
    return nn.Sequential(*first, nn.MaxPool2d(3, stride=2, padding=1)), 4


def _units(channels: int, widths: list[int], groups: int, kind: str, parts: Seams) -> nn.Sequential:
    """All units in forward order; those that add are numbered from 1 for the residual seam."""
    total = sum(_UNITS) - len(_UNITS)
    units: list[nn.Module] = []
    index = 0
    for stage, (width, count) in enumerate(zip(widths, _UNITS, strict=True)):
        first = groups if stage else 1  # the stem's channels are too few for groups (section 3.2)
        down = _branch(channels, (width - channels, width), 2, (first, groups), kind, parts)
        units.append(_Downsample(down, parts))
        for _ in range(count - 1):
            index += 1
            branch = _branch(width, (width, width), 1, (groups, groups), kind, parts)
            units.append(Block([branch], nn.Identity(), parts.term(index, total, 1, width), parts.activation()))
        channels = width
    return nn.Sequential(*units)


def _scaled(width: float, groups: int, stem_width: int, kind: str) -> list[int]:
    """Channels of the stages: the table's times width, to the nearest number whose quarter splits into the groups."""
    if groups not in _WIDTHS:
        raise ValueError(f"groups must be one of {', '.join(map(str, _WIDTHS))}, got {groups}")
    if width <= 0:
        raise ValueError(f"width must be above 0, got {width}")
    unit = 4 * groups
    first = unit * max(1, round(width * _WIDTHS[groups] / unit))
    if not 1 <= stem_width < first or stem_width % groups:
        raise ValueError(f"stem_width must be a multiple of groups ({groups}) below {first}, got {stem_width}")
    if kind == "tian" and stem_width % unit:
        raise ValueError(f"stem_width must be a multiple of 4 groups ({unit}) with units=tian, got {stem_width}")
    return [first, 2 * first, 4 * first]


class ShuffleNet(nn.Module):
    """ShuffleNet, version 1; B C H W -> logits B K.

    groups: of the pointwise convolutions. width: the factor s of "ShuffleNet s x", for the channels of all stages.
    stem_width: channels of the first convolution, 24 at 1x.
    stem: imagenet is a 3x3 convolution of stride 2 and max-pooling; imagenet64 and cifar are those of
    models._parts.stem: stride 1 with and without the pooling; pointwise is a 1x1 convolution of stride 1.
    units: whose, the paper's (zhang) or those of Tian et al. 2020 (tian).
    norm_where: last keeps the network's last normalisation alone (Bjorck et al. 2018, arXiv:1806.02375). The others'
    places are empty: their convolutions get no bias instead.
    conv, norm, activation, residual, head: factories as in the places of the same names; None is the paper's own
    choice. The 13 units that add their input have the residual seam; the three that concatenate it do not.

    `stride` is the total downsampling before the global pooling, `stem_stride` the stem's part of it.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int = 3,
        *,
        groups: int = 3,
        width: float = 1.0,
        stem_width: int = 24,
        stem: Literal["imagenet", "imagenet64", "cifar", "pointwise"] = "imagenet",
        units: Literal["zhang", "tian"] = "zhang",
        norm_where: Literal["all", "last"] = "all",
        conv: Factory | None = None,
        norm: Factory | None = None,
        activation: Factory | None = None,
        residual: Factory | None = None,
        head: Factory | None = None,
    ) -> None:
        super().__init__()
        widths = _scaled(width, groups, stem_width, units)
        parts = seams(conv, norm, residual, head, norm_where, activation)
        self.stem, self.stem_stride = _stem(stem, in_channels, stem_width, parts)
        self.units = _units(stem_width, widths, groups, units, parts)
        self.stride = self.stem_stride * 2 ** len(widths)
        self.head = parts.head(widths[-1], num_classes)
        parts.finish(self)

    def forward(self, x: Tensor) -> Tensor:
        """B C H W -> B K."""
        return self.head(pooled(self.units(self.stem(x))))
