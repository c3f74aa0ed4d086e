"""Dirac: convolutions begin by passing their input on. Jordan 2024, arXiv:2404.00498.

    w_i = 1 at the centre of channel i, 0 elsewhere,    for filters i = 1 .. min(c, d) of c inputs and d outputs

The filters beyond keep the values that they have. Each group of a grouped convolution is such a convolution. The first
convolution is left out: it sees the images. Zagoruyko & Komodakis 2017 (arXiv:1706.00388) keep such a term in training.
"""

import torch
from torch import nn


@torch.no_grad()
def dirac(model: nn.Module) -> None:
    """Set those filters of all trainable convolutions but the first. ValueError where there is none."""
    convolutions = [m for m in model.modules() if isinstance(m, nn.Conv2d)][1:]
    trained = [m for m in convolutions if m.weight.requires_grad]
    if not trained:
        raise ValueError("dirac finds no trainable convolution behind the first")
    for layer in trained:
        weight = layer.weight.unflatten(0, (layer.groups, -1))  # group, filter, channel, height, width
        passed = torch.arange(min(weight.shape[1:3]))
        weight[:, : len(passed)] = 0
        weight[:, passed, passed, weight.shape[3] // 2, weight.shape[4] // 2] = 1
