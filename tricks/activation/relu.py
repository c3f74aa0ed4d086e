"""Rectified linear units: what is below zero becomes zero. Nair & Hinton 2010 (ICML, 807-814).

relu(x) = max(x, 0)
"""

from torch import nn


class ReLU(nn.ReLU):
    """Of any shape to the same shape. It is torch's, which initialisations know by its type."""

    def __init__(self) -> None:
        super().__init__()
