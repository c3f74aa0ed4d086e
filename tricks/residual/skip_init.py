"""SkipInit: a learned number, at first zero, multiplies each residual term. De & Smith 2020, arXiv:2002.10444.

F'(x) = alpha F(x),    alpha = 0 when training begins

So every block begins as its shortcut, as with normalisation in deep networks; the paper's networks have none
(norm=none). alpha is a parameter without dimensions: groups=no_decay spares it, as it does biases.
"""

import torch
from torch import Tensor, nn


class SkipInit(nn.Module):
    """alpha times the sum of a block's branches.

    alpha: the number that training begins with; the paper has 0, or less than 1 / sqrt(blocks).
    """

    def __init__(self, index: int, total: int, branches: int, channels: int, alpha: float = 0.0) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.tensor(alpha))

    def forward(self, *branches: Tensor) -> Tensor:
        """Tensors of one shape -> one of that shape."""
        return sum(branches[1:], start=branches[0]) * self.alpha
