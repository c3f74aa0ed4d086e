"""Mish: a smooth activation, which lets small negative values through. Misra 2020, arXiv:1908.08681, equation 1.

mish(x) = x tanh(softplus(x)) = x tanh(ln(1 + e^x))
"""

from torch import nn


class Mish(nn.Mish):
    """Of any shape to the same shape. It is torch's, which initialisations know by its type."""

    def __init__(self) -> None:
        super().__init__()
