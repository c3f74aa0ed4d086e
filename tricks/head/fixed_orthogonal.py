"""A classifier whose weights are never trained: random orthonormal rows. Hoffer et al. 2018, arXiv:1801.04540.

z = alpha * Q x / ||x||_2 + b,    Q Q^T = I;    learned are b and the scalar alpha

||x|| is floored at 1e-12. Q is the orthogonal factor of a matrix of normal draws.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class FixedOrthogonal(nn.Module):
    """B x in_features -> logits B x K.

    alpha: its first value; 10 is that of the authors' code. learn_alpha: whether it is trained. ValueError where K is
    above in_features: so many rows cannot be orthogonal.
    """

    rows: Tensor

    def __init__(self, in_features: int, num_classes: int, alpha: float = 10.0, learn_alpha: bool = True) -> None:
        super().__init__()
        if alpha <= 0:
            raise ValueError(f"alpha must be above 0, got {alpha:g}")
        if num_classes > in_features:
            raise ValueError(
                f"fixed_orthogonal needs at least as many features as classes: {num_classes} rows of {in_features} "
                "numbers cannot be orthogonal"
            )
        rows = nn.init.orthogonal_(torch.empty(num_classes, in_features))
        self.register_buffer("rows", rows, persistent=False)  # Q: drawn again from the seed, so not saved
        # Two dimensions, as a weight has: the paper decays alpha, and what spares biases spares one dimension.
        self.alpha = nn.Parameter(torch.full((1, 1), alpha), requires_grad=learn_alpha)
        self.bias = nn.Parameter(torch.zeros(num_classes))

    def forward(self, x: Tensor) -> Tensor:
        """B x in_features -> B x K."""
        return self.alpha * F.linear(F.normalize(x, dim=1), self.rows) + self.bias
