"""Gaussian error linear units: each value times a normal probability. Hendrycks & Gimpel 2016, arXiv:1606.08415.

none:  gelu(x) = x Phi(x),    Phi the standard normal distribution's cumulative function
tanh:  gelu(x) = 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))
"""

from typing import Literal

from torch import nn


class GELU(nn.GELU):
    """Of any shape to the same shape. It is torch's, which initialisations know by its type.

    approximate: none is exact, tanh the paper's approximation.
    """

    def __init__(self, approximate: Literal["none", "tanh"] = "none") -> None:
        super().__init__(approximate)
