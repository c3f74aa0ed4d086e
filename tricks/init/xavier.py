"""Xavier initialisation, which balances the signal forward and backward. Glorot & Bengio 2010 (AISTATS 9, 249-256).

    uniform:  w ~ U(-a, a),  a = gain sqrt(6 / (fan_in + fan_out))        (equation 16)
    normal:   w ~ N(0, gain^2 2 / (fan_in + fan_out))                     (equation 12)
    fan in or out:  fan_in, or fan_out, twice in place of both (Caffe's filler xavier is uniform, by fan_in)
    b = 0;    fan_in = k^2 c,  fan_out = k^2 d   (k kernel size, c input and d output channels)

A grouped convolution counts the channels of one group. Normalisations are left alone.
"""

import math
from typing import Literal

import torch
from torch import nn


@torch.no_grad()
def xavier(
    model: nn.Module,
    distribution: Literal["uniform", "normal"] = "uniform",
    gain: float = 1.0,
    fan: Literal["average", "in", "out"] = "average",
) -> None:
    """Draw the trainable weights of all convolutions and linear layers from torch's default generator.

    gain: 1 is the paper's, for activations that are linear around 0. fan: which of the two counts; the paper's rule
    is by their average. ValueError where the model has no such layer.
    """
    if gain <= 0:
        raise ValueError(f"gain must be above 0, got {gain:g}")
    layers = [m for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear) and m.weight.requires_grad]
    if not layers:
        raise ValueError("xavier finds no trainable convolution or linear layer to initialise")
    for layer in layers:
        std = gain * math.sqrt(2 / _fans(layer, fan))
        if distribution == "normal":
            nn.init.normal_(layer.weight, 0.0, std)
        else:
            nn.init.uniform_(layer.weight, -math.sqrt(3) * std, math.sqrt(3) * std)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)


def _fans(layer: nn.Conv2d | nn.Linear, fan: str) -> int:
    """fan_in + fan_out, or twice the one that counts: a weight is d g x c x k x k, for g groups."""
    d, c = layer.weight.shape[:2]
    d //= getattr(layer, "groups", 1)
    channels = {"average": c + d, "in": 2 * c, "out": 2 * d}[fan]
    return channels * layer.weight[0, 0].numel()
