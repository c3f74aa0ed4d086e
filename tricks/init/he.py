"""He initialisation, which keeps the variance of a ReLU network's signal. He et al. 2015, arXiv:1502.01852.

    w ~ N(0, 2 / fan),  b = 0;    fan_in = k^2 c,  fan_out = k^2 d   (k kernel size, c input and d output channels)

fan_in keeps the variance of the activations (equation 10), fan_out that of the gradients (equation 14). A grouped
convolution counts the channels of one group. Normalisations are left alone.

The rule is derived for layers before a ReLU. A classifier has none behind it: with `linear` false it stays as it was
made, and so do other linear layers.
"""

import math
from typing import Literal

import torch
from torch import nn


@torch.no_grad()
def he(model: nn.Module, mode: Literal["fan_in", "fan_out"] = "fan_in", linear: bool = True) -> None:
    """Draw the trainable weights of all convolutions, and of linear layers too, from torch's default generator.

    ValueError where the model has none.
    """
    kinds = (nn.Conv2d, nn.Linear) if linear else (nn.Conv2d,)
    layers = [m for m in model.modules() if isinstance(m, kinds) and m.weight.requires_grad]
    if not layers:
        raise ValueError(f"he finds no trainable convolution{' or linear layer' if linear else ''} to initialise")
    for layer in layers:
        nn.init.normal_(layer.weight, 0.0, math.sqrt(2 / _fan(layer, mode)))
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)


def _fan(layer: nn.Conv2d | nn.Linear, mode: str) -> int:
    if isinstance(layer, nn.Linear):
        return layer.in_features if mode == "fan_in" else layer.out_features
    channels = layer.in_channels if mode == "fan_in" else layer.out_channels
    return math.prod(layer.kernel_size) * channels // layer.groups
