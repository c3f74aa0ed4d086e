"""All parameters alike: the same learning rate and the same weight decay."""

from typing import Any

from torch import nn


def all_alike(model: nn.Module) -> list[dict[str, Any]]:
    """One group with every trainable parameter; ValueError where there is none."""
    trained = [p for p in model.parameters() if p.requires_grad]
    if not trained:
        raise ValueError("all finds no trainable parameter")
    return [{"params": trained}]
