"""Biases of normalisations learn faster. Jordan 2024, arXiv:2404.00498.

    lr(beta) = bias_scaler lr,    decay(beta) = decay / bias_scaler;    all other parameters: lr, decay

So lr(beta) decay(beta), what a step takes off by decay, is that of the others, as in the authors' code. That holds for
optimizers whose decay is multiplied by lr; for one whose decay is not (sgdw), betas decay more slowly than the others.
"""

from typing import Any

from torch import nn


def bias_lr(model: nn.Module, bias_scaler: float = 64.0) -> list[dict[str, Any]]:
    """Two groups: biases of normalisations, with `lr_scale` and `decay_scale`, and the others.

    A normalisation is a module whose own `weight` has one dimension, trained or not. ValueError where there is no such
    bias to train.
    """
    if bias_scaler <= 0:
        raise ValueError(f"bias_scaler must be above 0, got {bias_scaler:g}")
    own = [dict(m.named_parameters(recurse=False)) for m in model.modules()]
    biases = [each["bias"] for each in own if {"weight", "bias"} <= each.keys() and each["weight"].ndim == 1]
    biases = [bias for bias in biases if bias.requires_grad]
    if not biases:
        raise ValueError("bias_lr finds no trainable bias of a normalisation")
    known = {id(p) for p in biases}
    others = [p for p in model.parameters() if p.requires_grad and id(p) not in known]
    groups: list[dict[str, Any]] = [
        {"params": biases, "lr_scale": bias_scaler, "decay_scale": 1 / bias_scaler},
        {"params": others},
    ]
    return [group for group in groups if group["params"]]
