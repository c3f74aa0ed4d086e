"""A classifier whose weights are never trained: rows of a Hadamard matrix. Hoffer et al. 2018, arXiv:1801.04540.

z = alpha * H x / ||x||_2 + b,    H_1 = [1],  H_2n = [[H_n, H_n], [H_n, -H_n]];    learned are b and the scalar alpha

H is the first K rows and N columns (N features) of H_n, n = 2^ceil(log2(max(N, K))). Where N is no power of two, and so
wherever there are more classes than features, the cut leaves the rows only nearly orthogonal: two of them have an inner
product of at most n - N. They have norm sqrt(N), not 1: an alpha is as large as sqrt(N) times that alpha of orthonormal
rows. ||x|| is floored at 1e-12.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class FixedHadamard(nn.Module):
    """B x in_features -> logits B x K.

    alpha: its first value; None is 1 / sqrt(K), as in the authors' code (which negates the logits). learn_alpha:
    whether it is trained. ValueError where K is above 2^ceil(log2(in_features)): two rows would be alike.
    """

    rows: Tensor

    def __init__(
        self, in_features: int, num_classes: int, alpha: float | None = None, learn_alpha: bool = True
    ) -> None:
        super().__init__()
        if alpha is not None and alpha <= 0:
            raise ValueError(f"alpha must be above 0, got {alpha:g}")
        matrix = _hadamard(in_features)
        if num_classes > len(matrix):  # of a larger one, row i and row i + len(matrix) begin with the same numbers
            raise ValueError(
                f"fixed_hadamard has {len(matrix)} different rows of {in_features} features, "
                f"too few for {num_classes} classes"
            )
        rows = matrix[:num_classes, :in_features].clone()
        self.register_buffer("rows", rows, persistent=False)  # H: always the same, so not saved
        # Two dimensions, as a weight has: the paper decays alpha, and what spares biases spares one dimension.
        first = num_classes**-0.5 if alpha is None else alpha
        self.alpha = nn.Parameter(torch.full((1, 1), first), requires_grad=learn_alpha)
        self.bias = nn.Parameter(torch.zeros(num_classes))

    def forward(self, x: Tensor) -> Tensor:
        """B x in_features -> B x K."""
        return self.alpha * F.linear(F.normalize(x, dim=1), self.rows) + self.bias


def _hadamard(least: int) -> Tensor:
    """Sylvester's construction, of the smallest power of two that is at least `least`."""
    matrix = torch.ones(1, 1)
    while len(matrix) < least:
        matrix = torch.cat([torch.cat([matrix, matrix], 1), torch.cat([matrix, -matrix], 1)])
    return matrix
