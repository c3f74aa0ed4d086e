"""Caffe's `cifar10_full`, the small network of the paper on cyclical learning rates.

Smith 2017, Cyclical Learning Rates for Training Neural Networks, arXiv:1506.01186, sections 4.1 and 4.4, which takes it
from Caffe's examples: three 5x5 convolutions of 32, 32 and 64 channels, each with 3x3 pooling of stride 2 (the first by
maxima, before its ReLU; the others by averages), response normalisation after the first two, and one linear layer:

    b = a / (1 + alpha mean_{3x3}(a^2))^beta,    alpha = 5e-5, beta = 0.75, within each channel

Differs from Caffe's: the initial weights, which are the runner's affair (there normal, with standard deviations of
1e-4, 1e-2, 1e-2 and 1e-2, for images of 0 to 255), and with normalisation no biases.

Shapes: B images, C channels, H W pixels, K classes.
"""

from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

from tricktable.models._parts import Factory, seams

_SIDE = 4  # pixels that the classifier sees of 32, each way


class _ResponseNorm(nn.Module):
    """Each value divided by a power of its neighbours' mean square, in its own channel; zeros beyond the border."""

    def forward(self, x: Tensor) -> Tensor:
        """B C H W -> B C H W."""
        mean = F.avg_pool2d(x.float() ** 2, 3, stride=1, padding=1)
        return x * ((1 + 5e-5 * mean) ** -0.75).to(x.dtype)


def _pool(kind: type[nn.Module]) -> nn.Module:
    return kind(3, stride=2, ceil_mode=True)  # Caffe rounds sizes up: 32, 16, 8, 4


class Cifar10Full(nn.Module):
    """Caffe's cifar10_full, for images of 32 pixels each way; B C H W -> logits B K.

    nonlinearity: sigmoid is that of the network with batch normalisation (the paper's table 4). batch_norm:
    normalisation before each nonlinearity, instead of the biases and the response normalisation; a given norm is one
    without this switch too.
    norm_where: last keeps the network's last normalisation alone (Bjorck et al. 2018, arXiv:1806.02375). The others'
    places are empty: their convolutions get no bias instead.
    conv, norm, activation, head: factories as in the places of the same names; None is the network's own choice.

    `stride` is the total downsampling before the classifier; there is no stem: `stem_stride` is 1.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int = 3,
        *,
        nonlinearity: Literal["relu", "sigmoid"] = "relu",
        batch_norm: bool = False,
        norm_where: Literal["all", "last"] = "all",
        conv: Factory | None = None,
        norm: Factory | None = None,
        activation: Factory | None = None,
        head: Factory | None = None,
    ) -> None:
        super().__init__()
        own = nn.ReLU if nonlinearity == "relu" else nn.Sigmoid
        parts = seams(conv, norm, None, head, norm_where, activation or own)
        normed = batch_norm or norm is not None
        self.stride, self.stem_stride = 8, 1
        layers: list[nn.Module] = []
        channels = in_channels
        for i, width in enumerate((32, 32, 64)):
            layers.append(parts.convolve(channels, width, 5, bias=not normed))
            after = [parts.norm(width), parts.activation()] if normed else [parts.activation()]
            layers += [_pool(nn.MaxPool2d), *after] if i == 0 else [*after, _pool(nn.AvgPool2d)]
            if not normed and i < 2:
                layers.append(_ResponseNorm())
            channels = width
        self.features = nn.Sequential(*layers, nn.Flatten(1))
        self.head = parts.head(channels * _SIDE**2, num_classes)
        parts.finish(self)

    def forward(self, x: Tensor) -> Tensor:
        """B C H W -> B K."""
        return self.head(self.features(x))
