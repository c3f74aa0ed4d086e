"""BN-Inception, also called Inception-v2: GoogLeNet with batch normalisation and two 3x3 convolutions for its 5x5.

Ioffe & Szegedy 2015, Batch Normalization: Accelerating Deep Network Training by Reducing Internal Covariate Shift,
arXiv:1502.03167, figure 5. Every convolution is followed by normalisation and ReLU; a module concatenates the channels
of its branches:

    [1x1, 1x1 -> 3x3, 1x1 -> 3x3 -> 3x3, pooling -> 1x1]

Differs from the figure: the projections of 4c and 4d have 96 channels, not the 128 printed there, as only so do the
modules have the 576 and 4e the 1024 channels that the figure prints beside them.

Shapes: B images, C channels, H W pixels, K classes; 224 x 224 in the paper.
"""

from dataclasses import replace
from typing import Any, NamedTuple

from torch import Tensor, nn

from tricktable.models._parts import Concat, Factory, Seams, pooled, seams, stem


class _Row(NamedTuple):
    """A module's channels: 0 where there is no such convolution; without a projection the module has stride 2."""

    one: int
    reduce: int
    three: int
    double_reduce: int
    double_three: int
    pool: str
    projection: int


_FIGURE_5 = {
    "3a": _Row(64, 64, 64, 64, 96, "avg", 32),
    "3b": _Row(64, 64, 96, 64, 96, "avg", 64),
    "3c": _Row(0, 128, 160, 64, 96, "max", 0),
    "4a": _Row(224, 64, 96, 96, 128, "avg", 128),
    "4b": _Row(192, 96, 128, 96, 128, "avg", 128),
    "4c": _Row(160, 128, 160, 128, 160, "avg", 96),
    "4d": _Row(96, 128, 192, 160, 192, "avg", 96),
    "4e": _Row(0, 128, 192, 192, 256, "max", 0),
    "5a": _Row(352, 192, 320, 160, 224, "avg", 128),
    "5b": _Row(352, 192, 320, 192, 224, "max", 128),
}


class _Separable:
    """Makes a k x k convolution as 8 filters on each channel, and a 1x1 convolution of what they make."""

    def __init__(self, conv: Factory) -> None:
        self.conv = conv

    def __call__(self, channels: int, out_channels: int, kernel_size: int, **geometry: Any) -> nn.Sequential:
        each = {**geometry, "groups": channels}
        return nn.Sequential(
            self.conv(channels, 8 * channels, kernel_size, **each),
            self.conv(8 * channels, out_channels, 1, stride=1, padding=0, groups=1, bias=geometry["bias"]),
        )


def _convolutions(channels: int, widths: list[int], kernels: list[int], stride: int, parts: Seams) -> list[nn.Module]:
    """Convolutions with normalisation and ReLU, one after another; the last takes the stride."""
    layers: list[nn.Module] = []
    for i, (width, kernel_size) in enumerate(zip(widths, kernels, strict=True)):
        last = i == len(widths) - 1
        layers.append(parts.convolve(channels, width, kernel_size, stride if last else 1))
        layers += [parts.norm(width), parts.activation()]
        channels = width
    return layers


def _module(channels: int, row: _Row, parts: Seams) -> tuple[nn.Module, int]:
    """The module and its channels."""
    stride = 1 if row.projection else 2
    pool = nn.AvgPool2d if row.pool == "avg" else nn.MaxPool2d
    branches: list[list[nn.Module]] = [
        _convolutions(channels, [row.reduce, row.three], [1, 3], stride, parts),
        _convolutions(channels, [row.double_reduce, row.double_three, row.double_three], [1, 3, 3], stride, parts),
        [pool(3, stride=stride, padding=1)],
    ]
    if row.one:
        branches.insert(0, _convolutions(channels, [row.one], [1], stride, parts))
    if row.projection:
        branches[-1] += _convolutions(channels, [row.projection], [1], 1, parts)
    out_channels = row.one + row.three + row.double_three + (row.projection or channels)
    return Concat(nn.Sequential(*branch) for branch in branches), out_channels


class InceptionV2(nn.Module):
    """BN-Inception; B C H W -> logits B K.

    separable: the first convolution as 8 filters on each channel and a 1x1 convolution (the paper's footnote); without
    it a plain 7x7.
    conv, norm, activation, head: factories as in the places of the same names; None is the paper's own choice. There is
    no dropout: the paper takes it away.

    `stride` is the total downsampling before the global pooling, `stem_stride` the stem's part of it.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int = 3,
        *,
        separable: bool = True,
        conv: Factory | None = None,
        norm: Factory | None = None,
        activation: Factory | None = None,
        head: Factory | None = None,
    ) -> None:
        super().__init__()
        parts = seams(conv, norm, head=head, activation=activation)
        first = replace(parts, conv=_Separable(parts.conv)) if separable else parts
        before, stride = stem("imagenet", in_channels, 64, first)
        second = _convolutions(64, [64, 192], [1, 3], 1, parts)
        self.stem = nn.Sequential(*before, *second, nn.MaxPool2d(3, stride=2, padding=1))
        self.stem_stride = 2 * stride
        channels = 192
        modules: list[nn.Module] = []
        for row in _FIGURE_5.values():
            module, channels = _module(channels, row, parts)
            modules.append(module)
        self.blocks = nn.Sequential(*modules)
        self.stride = self.stem_stride * 2 ** sum(row.projection == 0 for row in _FIGURE_5.values())
        self.head = parts.head(channels, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """B C H W -> B K."""
        return self.head(pooled(self.blocks(self.stem(x))))
