"""LeNet-5: two convolutions with pooling, two hidden linear layers, a classifier.

LeCun et al. 1998, Gradient-Based Learning Applied to Document Recognition (Proceedings of the IEEE 86), section II.B:
convolutions of 6 and 16 channels, 5x5 without padding, each followed by 2x2 pooling, and layers of 120 and 84 units, on
fields of 32 x 32 pixels in which smaller images (digits of 28 x 28) are centred.

Differs from the paper, as commonly trained: pooling has no weights of its own, the second convolution sees all six
channels, and the classifier is linear (not radial basis functions).

Shapes: B images, C channels, H W pixels, K classes.
"""

from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

from tricktable.models._parts import Factory, seams

_KERNEL = 5


class LeNet(nn.Module):
    """LeNet; B C H W -> logits B K, for H, W of at most `resolution`.

    channels: of the two convolutions. hidden: units of the hidden layers. nonlinearity: after each layer but the last;
    hidden_relu is a ReLU after the hidden layers only (Caffe's LeNet). pool: of 2x2 pixels. resolution: the field's
    pixels each way, 4n; zeros are padded around smaller images.
    conv, activation, head: factories as in the places of the same names; None is the paper's own choice.

    `stride` is the total downsampling before the classifier; there is no stem: `stem_stride` is 1.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int = 3,
        *,
        channels: list[int] | None = None,
        hidden: list[int] | None = None,
        nonlinearity: Literal["tanh", "relu", "hidden_relu"] = "tanh",
        pool: Literal["average", "max"] = "average",
        resolution: int = 32,
        conv: Factory | None = None,
        activation: Factory | None = None,
        head: Factory | None = None,
    ) -> None:
        super().__init__()
        first, second = _widths("channels", [6, 16] if channels is None else channels, 2)
        if resolution < 16 or resolution % 4:
            raise ValueError(f"resolution must be a multiple of 4 from 16 on, got {resolution}")
        own = nn.Tanh if nonlinearity == "tanh" else nn.ReLU
        parts = seams(conv, head=head, activation=activation or own)
        self.resolution, self.stride, self.stem_stride = resolution, 4, 1
        pooling = nn.AvgPool2d if pool == "average" else nn.MaxPool2d
        layers: list[nn.Module] = []
        for into, width in ((in_channels, first), (first, second)):
            layers.append(parts.conv(into, width, _KERNEL, stride=1, padding=0, groups=1, bias=True))
            layers += [] if nonlinearity == "hidden_relu" else [parts.activation()]
            layers.append(pooling(2))
        units = second * (((resolution - 4) // 2 - 4) // 2) ** 2
        layers.append(nn.Flatten(1))
        for width in _widths("hidden", [120, 84] if hidden is None else hidden):
            layers += [nn.Linear(units, width), parts.activation()]
            units = width
        self.features = nn.Sequential(*layers)
        self.head = parts.head(units, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """B C H W -> B K."""
        missing = [max(0, self.resolution - size) for size in (x.shape[3], x.shape[2])]
        if any(missing):
            x = F.pad(x, [side for m in missing for side in (m // 2, m - m // 2)])
        return self.head(self.features(x))


def _widths(name: str, widths: list[int], count: int | None = None) -> list[int]:
    if min(widths, default=1) < 1 or (count is not None and len(widths) != count):
        what = "numbers from 1 on" if count is None else f"{count} numbers from 1 on"
        raise ValueError(f"{name} must be {what}, got {widths}")
    return widths
