"""LayerScale: a small learned number multiplies each channel of a residual term. Touvron et al. 2021, arXiv:2103.17239.

F'(x) = diag(lambda_1, ..., lambda_d) F(x),    lambda_i = epsilon when training begins        (CaiT's equation 10)

So every block begins near its shortcut, the nearer the smaller epsilon: the paper has 0.1 up to 18 blocks, 1e-5 for 24
and 1e-6 for more. The lambdas are a parameter of one dimension: groups=no_decay spares them, as it does biases.

Differs from the paper: its blocks are a transformer's; here d are the channels of B C H W.
"""

import torch
from torch import Tensor, nn


class LayerScale(nn.Module):
    """The sum of a block's branches, each of its channels times a number of its own.

    epsilon: the numbers that training begins with.
    """

    def __init__(self, index: int, total: int, branches: int, channels: int, epsilon: float = 1e-4) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.full((channels,), epsilon))

    def forward(self, *branches: Tensor) -> Tensor:
        """Tensors of one shape B C H W -> one of that shape."""
        x = sum(branches[1:], start=branches[0])
        return x * self.scale.to(x.dtype).view(-1, 1, 1)  # a float32 parameter would turn autocast's halves into floats
