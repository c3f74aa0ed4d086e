"""SqueezeNet: few parameters, by 1x1 convolutions that squeeze what the 3x3 convolutions see.

Iandola et al. 2016, SqueezeNet: AlexNet-level accuracy with 50x fewer parameters, arXiv:1602.07360. A fire module
squeezes to s channels and expands to e channels twice:

    y = relu(1x1(x)) of s channels,   fire(x) = [relu(1x1(y)), relu(3x3(y))] of 2e channels

Eight of them, max-pooling between some, then dropout and a 1x1 convolution to K channels with ReLU, averaged over the
pixels. There is no normalisation; every convolution has a bias.

Shapes: B images, C channels, H W pixels, K classes.
"""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from tricktable.models._parts import Block, Concat, Factory, Seams, pooled, seams


@dataclass(frozen=True)
class _Version:
    """The first convolution (its channels and kernel), and after which fire modules there is pooling."""

    width: int
    kernel_size: int
    pools_after: tuple[int, ...]


_VERSIONS = {"v1.0": _Version(96, 7, (4, 8)), "v1.1": _Version(64, 3, (3, 5))}
_FIRES = {2: (16, 64), 3: (16, 64), 4: (32, 128), 5: (32, 128), 6: (48, 192), 7: (48, 192), 8: (64, 256), 9: (64, 256)}


def _convolution(
    channels: int, out_channels: int, kernel_size: int, stride: int, padding: int, parts: Seams
) -> nn.Sequential:
    """A convolution with bias and its ReLU."""
    conv = parts.conv(channels, out_channels, kernel_size, stride=stride, padding=padding, groups=1, bias=True)
    return nn.Sequential(conv, parts.activation())


def _fire(channels: int, squeeze: int, expand: int, parts: Seams) -> nn.Sequential:
    return nn.Sequential(
        _convolution(channels, squeeze, 1, 1, 0, parts),
        Concat(_convolution(squeeze, expand, k, 1, k // 2, parts) for k in (1, 3)),
    )


def _bypassed(bypass: str, changes: bool) -> bool:
    """Whether a fire module has a way around it: simple only where it keeps the channels."""
    return bypass == "complex" or (bypass == "simple" and not changes)


def _fires(channels: int, pools_after: tuple[int, ...], bypass: str, parts: Seams) -> nn.Sequential:
    """Fire modules 2 to 9 and the poolings. Blocks with a bypass are numbered from 1 for the residual seam."""
    total = {"none": 0, "simple": 4, "complex": 8}[bypass]
    layers: list[nn.Module] = []
    index = 0
    for number, (squeeze, expand) in _FIRES.items():
        fire, changes = _fire(channels, squeeze, expand, parts), channels != 2 * expand
        if _bypassed(bypass, changes):
            index += 1
            around = (
                parts.conv(channels, 2 * expand, 1, stride=1, padding=0, groups=1, bias=True)
                if changes
                else nn.Identity()
            )
            layers.append(Block([fire], around, parts.term(index, total, 1, 2 * expand)))
        else:
            layers.append(fire)
        if number in pools_after:
            layers.append(_pool())
        channels = 2 * expand
    return nn.Sequential(*layers)


def _pool() -> nn.Module:
    return nn.MaxPool2d(3, stride=2, ceil_mode=True)  # Caffe, in which the network was written, rounds up


class SqueezeNet(nn.Module):
    """SqueezeNet of eight fire modules; B C H W -> logits B K.

    version: v1.0 is the paper's; v1.1 is the authors' later one, with a smaller first convolution and earlier pooling.
    bypass: simple adds a fire module's input to its output where the channels agree (fire 3, 5, 7, 9); complex also
    where they do not (fire 2, 4, 6, 8), through a 1x1 convolution.
    stem: imagenet has a first convolution of stride 2, without padding, and pooling; imagenet64 a padded one of stride
    1 and the pooling; cifar the same without the pooling, so that two poolings are left.
    dropout: before the last convolution.
    conv, activation, residual: factories as in the places of the same names; residual needs a bypass. There is no head
    seam: the paper's classifier is a convolution with ReLU before the average, which is not a linear layer of averaged
    features.

    `stride` is the total downsampling before the last convolution, `stem_stride` the stem's part of it.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int = 3,
        *,
        version: Literal["v1.0", "v1.1"] = "v1.0",
        bypass: Literal["none", "simple", "complex"] = "none",
        stem: Literal["imagenet", "imagenet64", "cifar"] = "imagenet",
        dropout: float = 0.5,
        conv: Factory | None = None,
        activation: Factory | None = None,
        residual: Factory | None = None,
    ) -> None:
        super().__init__()
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout must be at least 0 and below 1, got {dropout}")
        if residual is not None and bypass == "none":
            raise ValueError("bypass must be simple or complex for a residual, got none")
        parts = seams(conv, residual=residual, activation=activation)
        chosen = _VERSIONS[version]
        stride, padding = (2, 0) if stem == "imagenet" else (1, chosen.kernel_size // 2)
        first = _convolution(in_channels, chosen.width, chosen.kernel_size, stride, padding, parts)
        self.stem = first if stem == "cifar" else nn.Sequential(*first, _pool())
        self.stem_stride = stride if stem == "cifar" else 2 * stride
        self.fires = _fires(chosen.width, chosen.pools_after, bypass, parts)
        self.stride = self.stem_stride * 2 ** len(chosen.pools_after)
        self.classifier = nn.Sequential(nn.Dropout(dropout), *_convolution(512, num_classes, 1, 1, 0, parts))

    def forward(self, x: Tensor) -> Tensor:
        """B C H W -> B K."""
        return pooled(self.classifier(self.fires(self.stem(x))))
