"""Inception-v3: modules of parallel branches, with large kernels factorised into small and one-sided ones.

Szegedy et al. 2016, Rethinking the Inception Architecture for Computer Vision, arXiv:1512.00567, in the form that
torchvision builds, without the auxiliary classifier. Every convolution is followed by normalisation and ReLU; a module
concatenates the channels of its branches.

Shapes: B images, C channels, H W pixels, K classes; 299 x 299 in the paper, 75 x 75 at least.
"""

from functools import partial

from torch import Tensor, nn

from tricktable.models._parts import Concat, Factory, Seams, pooled, seams

_Pair = tuple[int, int]
_Branch = list[tuple[str, int]]  # what is done, and the channels that it makes (0: those that come in)

_KERNELS: dict[str, tuple[int | _Pair, int, int | _Pair]] = {  # kernel, stride, padding
    "1x1": (1, 1, 0),
    "3x3": (3, 1, 1),
    "5x5": (5, 1, 2),
    "1x3": ((1, 3), 1, (0, 1)),
    "3x1": ((3, 1), 1, (1, 0)),
    "1x7": ((1, 7), 1, (0, 3)),
    "7x1": ((7, 1), 1, (3, 0)),
    "3x3 valid": (3, 1, 0),
    "3x3 / 2": (3, 2, 0),
}

_STEM: _Branch = [
    ("3x3 / 2", 32),
    ("3x3 valid", 32),
    ("3x3", 64),
    ("max / 2", 0),
    ("1x1", 80),
    ("3x3 valid", 192),
    ("max / 2", 0),
]


def _figure_5(pool: int) -> list[_Branch]:
    """At 35 x 35: 64 + 64 + 96 + pool channels."""
    return [
        [("1x1", 64)],
        [("1x1", 48), ("5x5", 64)],
        [("1x1", 64), ("3x3", 96), ("3x3", 96)],
        [("avg", 0), ("1x1", pool)],
    ]


def _figure_6(c: int) -> list[_Branch]:
    """At 17 x 17, with n = 7: 4 x 192 channels, and c within the branches."""
    return [
        [("1x1", 192)],
        [("1x1", c), ("1x7", c), ("7x1", 192)],
        [("1x1", c), ("7x1", c), ("1x7", c), ("7x1", c), ("1x7", 192)],
        [("avg", 0), ("1x1", 192)],
    ]


_FIGURE_7: list[_Branch] = [  # at 8 x 8; the two one-sided kernels stand side by side: 320 + 4 x 384 + 192 channels
    [("1x1", 320)],
    [("1x1", 384), ("1x3 | 3x1", 384)],
    [("1x1", 448), ("3x3", 384), ("1x3 | 3x1", 384)],
    [("avg", 0), ("1x1", 192)],
]
_TO_17: list[_Branch] = [[("3x3 / 2", 384)], [("1x1", 64), ("3x3", 96), ("3x3 / 2", 96)], [("max / 2", 0)]]
_TO_8: list[_Branch] = [
    [("1x1", 192), ("3x3 / 2", 320)],
    [("1x1", 192), ("1x7", 192), ("7x1", 192), ("3x3 / 2", 192)],
    [("max / 2", 0)],
]
_MODULES = [
    *[_figure_5(pool) for pool in (32, 64, 64)],
    _TO_17,
    *[_figure_6(c) for c in (128, 160, 160, 192)],
    _TO_8,
    *[_FIGURE_7] * 2,
]


def _step(what: str, channels: int, out_channels: int, parts: Seams) -> nn.Module:
    """A pooling, a convolution with normalisation and ReLU, or two of these side by side."""
    if what == "max / 2":
        return nn.MaxPool2d(3, stride=2)
    if what == "avg":
        return nn.AvgPool2d(3, stride=1, padding=1)
    if "|" in what:
        return Concat(_step(part, channels, out_channels, parts) for part in what.split(" | "))
    kernel_size, stride, padding = _KERNELS[what]
    conv = parts.conv(channels, out_channels, kernel_size, stride=stride, padding=padding, groups=1, bias=False)
    return nn.Sequential(conv, parts.norm(out_channels), parts.activation())


def _branch(steps: _Branch, channels: int, parts: Seams) -> tuple[nn.Sequential, int]:
    """The branch and the channels that it makes of those that come in."""
    layers: list[nn.Module] = []
    for what, out_channels in steps:
        layers.append(_step(what, channels, out_channels, parts))
        channels = (1 + what.count("|")) * out_channels or channels
    return nn.Sequential(*layers), channels


def _module(branches: list[_Branch], channels: int, parts: Seams) -> tuple[Concat, int]:
    made = [_branch(steps, channels, parts) for steps in branches]
    return Concat(branch for branch, _ in made), sum(width for _, width in made)


class InceptionV3(nn.Module):
    """Inception-v3; B C H W -> logits B K.

    dropout: on the averaged features.
    conv, norm, activation, head: factories as in the places of the same names; None is the paper's own choice, of norm
    the batch normalisation with epsilon 0.001. Some kernels are not square, and conv gets them and their padding as
    pairs.

    `stride` is the total downsampling before the global pooling, `stem_stride` the stem's part of it.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int = 3,
        *,
        dropout: float = 0.5,
        conv: Factory | None = None,
        norm: Factory | None = None,
        activation: Factory | None = None,
        head: Factory | None = None,
    ) -> None:
        super().__init__()
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout must be at least 0 and below 1, got {dropout}")
        parts = seams(conv, norm or partial(nn.BatchNorm2d, eps=0.001), head=head, activation=activation)
        self.stem, channels = _branch(_STEM, in_channels, parts)
        modules: list[nn.Module] = []
        for branches in _MODULES:
            module, channels = _module(branches, channels, parts)
            modules.append(module)
        self.blocks = nn.Sequential(*modules)
        self.stem_stride, self.stride = 8, 32
        self.dropout = nn.Dropout(dropout)
        self.head = parts.head(channels, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """B C H W -> B K."""
        return self.head(self.dropout(pooled(self.blocks(self.stem(x)))))
