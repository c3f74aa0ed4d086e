"""MobileNetV2: inverted residuals and linear bottlenecks.

Sandler et al. 2018, MobileNetV2: Inverted Residuals and Linear Bottlenecks, arXiv:1801.04381, tables 1 and 2: a 3x3
convolution, 17 bottleneck blocks, a 1x1 convolution, global average pooling and a linear classifier. A block expands
its channels t times, convolves each for itself, and projects without a non-linearity:

    y = [x +] norm(conv1x1(relu6(norm(depthwise3x3(relu6(norm(conv1x1(x))))))))

with x + where the stride is 1 and the channels stay, which makes 10 residual blocks at width 1.

Shapes: B images, C channels, H W pixels, K classes.
"""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from tricktable.models._parts import Block, Factory, Seams, pooled, seams, shortcut

_STEM, _LAST = 32, 1280
_TABLE = (  # t: expansion, c: output channels, n: blocks, s: stride of the first of them
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


def _rounded(channels: float, divisor: int) -> int:
    """The nearest multiple of divisor, at least one, and never less than 90% of the channels."""
    nearest = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return nearest + divisor if nearest < 0.9 * channels else nearest


@dataclass(frozen=True)
class _Step:
    """One bottleneck block: channels that it takes, expands to and gives."""

    channels: int
    hidden: int
    out_channels: int
    stride: int

    @property
    def identity(self) -> bool:
        return self.stride == 1 and self.channels == self.out_channels


def _plan(width: float, divisor: int, small: bool) -> list[_Step]:
    """The 17 blocks in forward order; for small images the first stage with stride 2 has stride 1."""
    steps: list[_Step] = []
    channels = _rounded(_STEM * width, divisor)
    for stage, (t, c, n, s) in enumerate(_TABLE):
        first = 1 if small and stage == 1 else s
        for stride in (first, *[1] * (n - 1)):
            out_channels = _rounded(c * width, divisor)
            steps.append(_Step(channels, channels * t, out_channels, stride))
            channels = out_channels
    return steps


@dataclass(frozen=True)
class _Maker:
    """Makes the layers of blocks, and the blocks for each place of the shortcut."""

    parts: Seams
    nonlinear: bool
    expand_first: bool

    def layer(self, channels: int, out_channels: int, kernel_size: int, stride: int = 1, groups: int = 1) -> nn.Module:
        conv = self.parts.convolve(channels, out_channels, kernel_size, stride, groups)
        return nn.Sequential(conv, self.parts.norm(out_channels), self.parts.activation())

    def expand(self, step: _Step) -> list[nn.Module]:
        """The widening; an expansion by 1 is none, unless `expand_first`."""
        if step.hidden == step.channels and not self.expand_first:
            return []
        return [self.layer(step.channels, step.hidden, 1)]

    def squeeze(self, step: _Step) -> list[nn.Module]:
        """Depthwise convolution and projection."""
        depthwise = self.layer(step.hidden, step.hidden, 3, step.stride, step.hidden)
        project = [self.parts.convolve(step.hidden, step.out_channels, 1), self.parts.norm(step.out_channels)]
        return [depthwise, *project, *([self.parts.activation()] if self.nonlinear else [])]

    def between_bottlenecks(self, steps: list[_Step], place: str) -> list[nn.Module]:
        """Blocks as in the paper's figure 3b, with shortcuts where `place` has them."""
        around = [place != "none" and (s.identity or (place == "projection" and s.stride == 1)) for s in steps]
        blocks: list[nn.Module] = []
        for step, residual in zip(steps, around, strict=True):
            branch = nn.Sequential(*self.expand(step), *self.squeeze(step))
            if residual:
                index = 1 + sum(isinstance(block, Block) for block in blocks)
                skip = shortcut("B", step.channels, step.out_channels, 1, self.parts)
                blocks.append(Block([branch], skip, self.parts.term(index, sum(around), 1, step.out_channels)))
            else:
                blocks.append(branch)
        return blocks

    def between_expansions(self, steps: list[_Step]) -> list[nn.Module]:
        """The same layers in other blocks, from one expansion to the next (figure 3a): wide, narrow, wide.

        A block's activation is that of the next expansion, and stands after the addition, as in classical residuals.
        """
        nexts = [*steps[1:], None]
        around = [s.stride == 1 and n is not None and s.hidden == n.hidden for s, n in zip(steps, nexts, strict=True)]
        blocks: list[nn.Module] = [nn.Sequential(*self.expand(steps[0]))]
        for step, following, residual in zip(steps, nexts, around, strict=True):
            layers = self.squeeze(step)
            if residual:
                assert following is not None
                index = 1 + sum(isinstance(block, Block) for block in blocks)
                widen = self.parts.convolve(following.channels, following.hidden, 1)
                branch = nn.Sequential(*layers, widen, self.parts.norm(following.hidden))
                term = self.parts.term(index, sum(around), 1, following.hidden)
                blocks.append(Block([branch], nn.Identity(), term, self.parts.activation()))
            else:
                blocks.append(nn.Sequential(*layers, *(self.expand(following) if following else [])))
        return blocks


class MobileNetV2(nn.Module):
    """MobileNetV2; B C H W -> logits B K.

    width: the width multiplier; the last convolution's 1280 channels only grow with it. stem: imagenet has the paper's
    strides; cifar has stride 1 in the first convolution and in the first stage of stride 2, so that 32 x 32 pixels end
    as 4 x 4; stride2 has it in that stage alone, so that they end as 2 x 2. divisor: channels are multiples of it.
    nonlinear_bottleneck: the activation after the projection too (figure 6a). shortcut: bottleneck is the
    paper's, expansion connects the expanded tensors, none has none (figure 6b); projection, not in the paper, is
    bottleneck and a 1x1 convolution with norm where only the channels change. expand_first: an expansion in the first
    block too, whose t is 1 (not in the paper). dropout: before the classifier.
    norm_where: last keeps the network's last normalisation alone (Bjorck et al. 2018, arXiv:1806.02375). The others'
    places are empty: their convolutions get no bias instead.
    conv, norm, activation, residual, head: factories as in the places of these names; None is the paper's own choice.

    `stride` is the total downsampling before the global pooling, `stem_stride` the first convolution's part of it.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int = 3,
        *,
        width: float = 1.0,
        stem: Literal["imagenet", "cifar", "stride2"] = "imagenet",
        divisor: int = 8,
        nonlinear_bottleneck: bool = False,
        shortcut: Literal["bottleneck", "expansion", "none", "projection"] = "bottleneck",
        expand_first: bool = False,
        nonlinearity: Literal["relu6", "relu"] = "relu6",
        dropout: float = 0.2,
        norm_where: Literal["all", "last"] = "all",
        conv: Factory | None = None,
        norm: Factory | None = None,
        activation: Factory | None = None,
        residual: Factory | None = None,
        head: Factory | None = None,
    ) -> None:
        super().__init__()
        if not 0 < width < float("inf"):
            raise ValueError(f"width must be above 0, got {width}")
        if divisor < 1:
            raise ValueError(f"divisor must be at least 1, got {divisor}")
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout must be in [0, 1), got {dropout}")
        own = nn.ReLU6 if nonlinearity == "relu6" else nn.ReLU
        parts = seams(conv, norm, residual, head, norm_where, activation or own)
        make = _Maker(parts, nonlinear_bottleneck, expand_first)
        steps = _plan(width, divisor, stem != "imagenet")
        self.stem_stride = 1 if stem == "cifar" else 2
        self.stride = self.stem_stride
        for step in steps:
            self.stride *= step.stride
        self.stem = make.layer(in_channels, steps[0].channels, 3, self.stem_stride)
        wide = shortcut == "expansion"
        blocks = make.between_expansions(steps) if wide else make.between_bottlenecks(steps, shortcut)
        self.blocks = nn.Sequential(*blocks)
        features = _rounded(_LAST * max(1.0, width), divisor)
        self.last = make.layer(steps[-1].out_channels, features, 1)
        self.dropout = nn.Dropout(dropout)
        self.head = parts.head(features, num_classes)
        parts.finish(self)

    def forward(self, x: Tensor) -> Tensor:
        """B C H W -> B K."""
        return self.head(self.dropout(pooled(self.last(self.blocks(self.stem(x))))))
