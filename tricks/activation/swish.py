"""Swish: each value times its own sigmoid. Ramachandran et al. 2017, arXiv:1710.05941, section 4.

swish(x) = x sigmoid(beta x),    beta constant, or learned from there

beta = 1 is SiLU, 0 is x / 2, and towards infinity it is ReLU. A learned beta is one number for each place of the
network, a parameter without dimensions: groups=no_decay spares it, as it does biases.

Differs from the paper: it does not say what shares a learned beta.
"""

import torch
from torch import Tensor, nn


class Swish(nn.SiLU):
    """Of any shape to the same shape. It is a SiLU of torch's, which initialisations know by its type.

    beta: the factor within the sigmoid. learn_beta: whether it is trained; the paper's better networks learn it.
    """

    def __init__(self, beta: float = 1.0, learn_beta: bool = False) -> None:
        super().__init__()
        self.beta: nn.Parameter | float = nn.Parameter(torch.tensor(beta)) if learn_beta else beta

    def forward(self, x: Tensor) -> Tensor:
        """Any shape -> the same shape."""
        if isinstance(self.beta, float) and self.beta == 1:
            return super().forward(x)  # one kernel, and less to keep for the backward pass
        return x * torch.sigmoid(self.beta * x)

    def extra_repr(self) -> str:
        """What the network's printout says of it."""
        return f"beta={float(self.beta):g}, learn_beta={isinstance(self.beta, nn.Parameter)}"
