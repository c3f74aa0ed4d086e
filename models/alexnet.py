"""AlexNet: five convolutions and three linear layers.

Krizhevsky 2014, One weird trick for parallelizing convolutional neural networks, arXiv:1404.5997: one tower of 64, 192,
384, 256 and 256 channels without response normalisation. Krizhevsky, Sutskever & Hinton 2012, ImageNet Classification
with Deep Convolutional Neural Networks (NIPS): 96, 256, 384, 384 and 256 channels, in two towers that meet in the third
convolution only (here groups of channels), with response normalisation of neighbouring channels:

    b_i = a_i / (k + alpha sum_{j = i-n/2 .. i+n/2} a_j^2)^beta,    k = 2, n = 5, alpha = 1e-4, beta = 0.75

Shapes: B images, C channels, H W pixels, K classes.
"""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tricktable.models._parts import Factory, Seams, seams

_WIDTHS = {"krizhevsky2014": (64, 192, 384, 256, 256), "krizhevsky2012": (96, 256, 384, 384, 256)}
_HIDDEN = 4096
_SIDE = 6  # pixels that the classifier sees of 224, each way
_SPLIT = (1, 3, 4)  # the convolutions that see one tower only


class _ResponseNorm(nn.Module):
    """Each value divided by a power of its neighbours' squares, over channels."""

    def forward(self, x: Tensor) -> Tensor:
        """B C H W -> B C H W."""
        squares = F.pad(x.float() ** 2, (0, 0, 0, 0, 2, 2))
        total = squares[:, : x.shape[1]]
        for i in range(1, 5):
            total = total + squares[:, i : i + x.shape[1]]
        return x * ((2 + 1e-4 * total) ** -0.75).to(x.dtype)


def _features(in_channels: int, layout: str, groups: int, normed: bool, parts: Seams) -> nn.Sequential:
    layers: list[nn.Module] = []
    channels = in_channels
    for i, width in enumerate(_WIDTHS[layout]):
        if i == 0:
            layers.append(parts.conv(channels, width, 11, stride=4, padding=2, groups=1, bias=not normed))
        else:
            split = groups if i in _SPLIT else 1
            layers.append(parts.convolve(channels, width, 5 if i == 1 else 3, groups=split, bias=not normed))
        layers += [parts.norm(width), parts.activation()] if normed else [parts.activation()]
        if layout == "krizhevsky2012" and not normed and i < 2:
            layers.append(_ResponseNorm())
        if i in {0, 1, 4}:
            layers.append(nn.MaxPool2d(3, stride=2))
        channels = width
    return nn.Sequential(*layers)


def _hidden(channels: int, normed: bool, parts: Seams) -> list[nn.Module]:
    """A hidden linear layer. A norm is one of B C H W: the units are channels of one pixel."""
    norm = [nn.Unflatten(1, (_HIDDEN, 1, 1)), parts.norm(_HIDDEN), nn.Flatten(1)] if normed else []
    return [nn.Linear(channels, _HIDDEN, bias=not normed), *norm, parts.activation()]


class AlexNet(nn.Module):
    """AlexNet; B C H W -> logits B K.

    layout: krizhevsky2014 is the single tower, with dropout before its hidden layers; krizhevsky2012 is the first
    network, with dropout after them. groups: 2 splits the second, fourth and fifth convolution into two towers.
    batch_norm: normalisation after each layer but the last, instead of the biases and the response normalisation; a
    given norm is one without this switch too.
    norm_where: last keeps the network's last normalisation alone (Bjorck et al. 2018, arXiv:1806.02375). The others'
    places are empty: their convolutions get no bias instead.
    conv, norm, activation, head: factories as in the places of the same names; None is the network's own choice.

    Images of another size than 224 reach the classifier's 6 x 6 pixels by adaptive average pooling; 63 is the least.
    `stride` is the total downsampling before the classifier, `stem_stride` the first convolution's part of it.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int = 3,
        *,
        layout: Literal["krizhevsky2014", "krizhevsky2012"] = "krizhevsky2014",
        groups: int = 1,
        batch_norm: bool = False,
        dropout: float = 0.5,
        norm_where: Literal["all", "last"] = "all",
        conv: Factory | None = None,
        norm: Factory | None = None,
        activation: Factory | None = None,
        head: Factory | None = None,
    ) -> None:
        super().__init__()
        if groups not in {1, 2}:
            raise ValueError(f"groups must be 1 or 2, got {groups}")
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout must be in [0, 1), got {dropout}")
        parts = seams(conv, norm, None, head, norm_where, activation)
        normed = batch_norm or norm is not None
        self.stride, self.stem_stride = 32, 4
        self.features = _features(in_channels, layout, groups, normed, parts)
        self.pool = nn.AdaptiveAvgPool2d(_SIDE)
        first = _hidden(_WIDTHS[layout][-1] * _SIDE**2, normed, parts)
        second = _hidden(_HIDDEN, normed, parts)
        drops = [nn.Dropout(dropout), nn.Dropout(dropout)]
        ordered = [drops[0], *first, drops[1], *second]
        if layout == "krizhevsky2012":
            ordered = [*first, drops[0], *second, drops[1]]
        self.classifier = nn.Sequential(*ordered)
        self.head = parts.head(_HIDDEN, num_classes)
        parts.finish(self)

    def forward(self, x: Tensor) -> Tensor:
        """B C H W -> B K."""
        x = self.features(x)
        if x.shape[2:] != (_SIDE, _SIDE):  # where nothing changes, its backward pass only costs, and determinism too
            x = self.pool(x)
        return self.head(self.classifier(torch.flatten(x, 1)))
