"""The linear classifier. He et al. 2016, arXiv:1512.03385, and nearly all others.

z = W x + b
"""

from torch import nn


def linear(in_features: int, num_classes: int, bias: bool = True) -> nn.Module:
    """B x in_features -> logits B x K."""
    return nn.Linear(in_features, num_classes, bias=bias)
