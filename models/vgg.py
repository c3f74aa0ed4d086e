"""VGG: stages of 3x3 convolutions, each ending in max-pooling.

Simonyan & Zisserman 2015, Very Deep Convolutional Networks for Large-Scale Image Recognition, arXiv:1409.1556,
table 1, configurations A, B, D and E: 8, 10, 13 or 16 convolutions in five stages of 64, 128, 256, 512 and 512
channels, then three linear layers. The paper's networks have no normalisation; their convolutions have biases.

The CIFAR forms are of later authors: one linear layer, or one hidden layer and dropout between the convolutions
(vgg_bn_drop of cifar.torch, which Wilson et al. 2017, arXiv:1705.08292, train; its batch-norm has eps 1e-3, here 1e-5).

Shapes: B images, C channels, H W pixels, K classes.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from tricktable.models._parts import Factory, Seams, pooled, seams

_WIDTHS = (64, 128, 256, 512, 512)
_STAGES = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
_SIDE = 7  # pixels that the paper's classifier sees of 224, each way


def _features(
    in_channels: int, depth: int, small: bool, conv_dropout: bool, normed: bool, parts: Seams
) -> nn.Sequential:
    """The convolutions. On small images the pooling rounds sizes up, so that any image keeps a pixel.

    conv_dropout: after each convolution but a stage's last, 0.3 in the first stage and 0.4 in the others.
    """
    layers: list[nn.Module] = []
    channels = in_channels
    for stage, (width, convolutions) in enumerate(zip(_WIDTHS, _STAGES[depth], strict=True)):
        for i in range(convolutions):
            layers.append(parts.convolve(channels, width, 3, bias=not normed))
            layers += [parts.norm(width), parts.activation()] if normed else [parts.activation()]
            if conv_dropout and i < convolutions - 1:
                layers.append(nn.Dropout(0.4 if stage else 0.3))
            channels = width
        layers.append(nn.MaxPool2d(2, stride=2, ceil_mode=small))
    return nn.Sequential(*layers)


def _classifier(kind: str, dropout: float, normed: bool, parts: Seams) -> tuple[nn.Sequential, int]:
    """What stands between the features and the last linear layer, and the channels that it gives."""
    channels = _WIDTHS[-1]
    if kind == "imagenet":
        first, second = nn.Linear(channels * _SIDE**2, 4096), nn.Linear(4096, 4096)
        hidden = [first, parts.activation(), nn.Dropout(dropout), second, parts.activation(), nn.Dropout(dropout)]
        return nn.Sequential(*hidden), 4096
    if kind == "cifar":
        return nn.Sequential(nn.Dropout(dropout)), channels
    linear = nn.Linear(channels, channels, bias=not normed)
    # A norm is one of B C H W: the hidden units are channels of one pixel.
    norm = [nn.Unflatten(1, (channels, 1, 1)), parts.norm(channels), nn.Flatten(1)] if normed else []
    return nn.Sequential(nn.Dropout(dropout), linear, *norm, parts.activation(), nn.Dropout(dropout)), channels


class VGG(nn.Module):
    """VGG; B C H W -> logits B K.

    depth: layers with weights of the paper's form: 11, 13, 16 or 19. classifier: imagenet has hidden layers of 4096 and
    4096 on 7 x 7 pixels (of images of another size than 224, by adaptive average pooling); cifar is one linear layer on
    the pixels' mean, and cifar_hidden has a hidden layer of 512 before it. dropout: at the classifier's linear layers.
    conv_dropout: as cifar.torch has it. batch_norm: normalisation after each convolution (and after cifar_hidden's
    hidden layer), instead of the biases; a given norm is one without this switch too.
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
        depth: int = 16,
        classifier: Literal["imagenet", "cifar", "cifar_hidden"] = "imagenet",
        batch_norm: bool = False,
        dropout: float = 0.5,
        conv_dropout: bool = False,
        norm_where: Literal["all", "last"] = "all",
        conv: Factory | None = None,
        norm: Factory | None = None,
        activation: Factory | None = None,
        head: Factory | None = None,
    ) -> None:
        super().__init__()
        if depth not in _STAGES:
            raise ValueError(f"depth must be 11, 13, 16 or 19, got {depth}")
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout must be in [0, 1), got {dropout}")
        parts = seams(conv, norm, None, head, norm_where, activation)
        normed = batch_norm or norm is not None
        self.stride, self.stem_stride = 2 ** len(_WIDTHS), 1
        self.pool = nn.AdaptiveAvgPool2d(_SIDE) if classifier == "imagenet" else None
        self.features = _features(in_channels, depth, classifier != "imagenet", conv_dropout, normed, parts)
        self.classifier, channels = _classifier(classifier, dropout, normed, parts)
        self.head = parts.head(channels, num_classes)
        parts.finish(self)

    def forward(self, x: Tensor) -> Tensor:
        """B C H W -> B K."""
        x = self.features(x)
        if self.pool is None:
            return self.head(self.classifier(pooled(x)))
        if x.shape[2:] != (_SIDE, _SIDE):  # where nothing changes, its backward pass only costs, and determinism too
            x = self.pool(x)
        return self.head(self.classifier(torch.flatten(x, 1)))
