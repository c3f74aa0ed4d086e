"""MobileNet: depthwise separable convolutions.

Howard et al. 2017, MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications,
arXiv:1704.04861, table 1: a 3x3 convolution and 13 blocks, each

    y = relu(norm(conv1x1(relu(norm(depthwise3x3(x))))))

Differs from the paper: table 1 prints stride 2 for the last depthwise convolution, whose output is as large as its
input (7 x 7); it is 1 here, as in all implementations.

Shapes: B images, C channels, H W pixels, K classes.
"""

from typing import Literal

from torch import Tensor, nn

from tricktable.models._parts import Factory, Seams, pooled, seams

_STEM = 32
_BLOCKS = (  # output channels, stride
    (64, 1),
    (128, 2),
    (128, 1),
    (256, 2),
    (256, 1),
    (512, 2),
    *[(512, 1)] * 5,
    (1024, 2),
    (1024, 1),
)


def _scaled(channels: int, width: float) -> int:
    """The paper's alpha times the channels, rounded down, and at least 8, as its authors' code has it."""
    return max(8, int(channels * width))


def _layer(channels: int, out_channels: int, kernel_size: int, stride: int, groups: int, parts: Seams) -> nn.Sequential:
    conv = parts.convolve(channels, out_channels, kernel_size, stride, groups)
    return nn.Sequential(conv, parts.norm(out_channels), parts.activation())


class MobileNetV1(nn.Module):
    """MobileNet of 28 layers with weights; B C H W -> logits B K.

    width: the width multiplier alpha, of all channels. stem: imagenet has the paper's strides; cifar has stride 1 in
    the first convolution and in the first block that has stride 2, so that 32 x 32 pixels end as 4 x 4.
    norm_where: last keeps the network's last normalisation alone (Bjorck et al. 2018, arXiv:1806.02375). The others'
    places are empty: their convolutions get no bias instead.
    conv, norm, activation, head: factories as in the places of the same names; None is the paper's own choice.

    `stride` is the total downsampling before the global pooling, `stem_stride` the first convolution's part of it.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int = 3,
        *,
        width: float = 1.0,
        stem: Literal["imagenet", "cifar"] = "imagenet",
        norm_where: Literal["all", "last"] = "all",
        conv: Factory | None = None,
        norm: Factory | None = None,
        activation: Factory | None = None,
        head: Factory | None = None,
    ) -> None:
        super().__init__()
        if not 0 < width < float("inf"):
            raise ValueError(f"width must be above 0, got {width}")
        parts = seams(conv, norm, None, head, norm_where, activation)
        self.stem_stride = 2 if stem == "imagenet" else 1
        self.stride = self.stem_stride
        channels = _scaled(_STEM, width)
        self.stem = _layer(in_channels, channels, 3, self.stem_stride, 1, parts)
        strides = [stride for _, stride in _BLOCKS]
        if stem == "cifar":
            strides[strides.index(2)] = 1
        blocks: list[nn.Module] = []
        for (unscaled, _), stride in zip(_BLOCKS, strides, strict=True):
            out_channels = _scaled(unscaled, width)
            depthwise = _layer(channels, channels, 3, stride, channels, parts)
            blocks.append(nn.Sequential(*depthwise, *_layer(channels, out_channels, 1, 1, 1, parts)))
            channels, self.stride = out_channels, self.stride * stride
        self.blocks = nn.Sequential(*blocks)
        self.head = parts.head(channels, num_classes)
        parts.finish(self)

    def forward(self, x: Tensor) -> Tensor:
        """B C H W -> B K."""
        return self.head(pooled(self.blocks(self.stem(x))))
