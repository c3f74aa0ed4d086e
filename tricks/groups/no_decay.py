"""No weight decay on biases and normalisations. He et al. 2019, Bag of Tricks, arXiv:1812.01187, section 3.1.

decay(w) = weight_decay  for the weights of convolutions and linear layers,  0  for bias, gamma and beta
"""

from typing import Any

from torch import nn


def no_decay(model: nn.Module) -> list[dict[str, Any]]:
    """Two groups: trainable parameters of two dimensions or more, and the others with `decay_scale` 0.

    ValueError where there are no others.
    """
    trained = [p for p in model.parameters() if p.requires_grad]
    weights = [p for p in trained if p.ndim > 1]
    others = [p for p in trained if p.ndim <= 1]
    if not others:
        raise ValueError("no_decay finds no trainable bias or normalisation to exempt")
    groups: list[dict[str, Any]] = [{"params": weights}, {"params": others, "decay_scale": 0.0}]
    return [group for group in groups if group["params"]]
