"""Scalar biases and multipliers learn more slowly. Zhang et al. 2019 (Fixup), arXiv:1901.09321, and its authors' code.

    lr(w) = lr_scale * lr  for scalars,  lr  for all others

by name, as in the authors' code: scalars are the parameters whose name has `bias` or `scale` in it. In a network of
Fixup these are its scalar biases and multipliers and the classifier's bias, whose K elements are slowed as well.
by elements: scalars are the parameters of one element, whatever their name, and no classifier's bias.

Differs from the authors' code: there the scalars' lr is a tenth of the one for 128 images (ImageNet: 256) and does not
grow with the batch, as the others' does; here it is lr_scale of theirs at all times.
"""

from typing import Any, Literal

from torch import nn


def scalar_lr(
    model: nn.Module, lr_scale: float = 0.1, by: Literal["name", "elements"] = "name"
) -> list[dict[str, Any]]:
    """Two groups: the trainable scalars, with `lr_scale`, after all others.

    Both are decayed, as in the authors' code. ValueError where none of the scalars has one element: init fixup adds
    them.
    """
    if lr_scale < 0:
        raise ValueError(f"lr_scale must be at least 0, got {lr_scale:g}")
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    if by == "name":
        chosen = {name for name in trained if "bias" in name or "scale" in name}
    else:
        chosen = {name for name, p in trained.items() if p.numel() == 1}
    if not any(trained[name].numel() == 1 for name in chosen):
        named = " that is called bias or scale" if by == "name" else ""
        raise ValueError(f"scalar_lr finds no trainable parameter of one element{named}")
    groups: list[dict[str, Any]] = [
        {"params": [p for name, p in trained.items() if name not in chosen]},
        {"params": [p for name, p in trained.items() if name in chosen], "lr_scale": lr_scale},
    ]
    return [group for group in groups if group["params"]]
