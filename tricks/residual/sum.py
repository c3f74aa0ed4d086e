"""The plain residual term. He et al. 2016, arXiv:1512.03385; with several branches, Xie et al. 2017, arXiv:1611.05431.

F(x) = sum_i F_i(x)
"""

from torch import Tensor, nn


class Sum(nn.Module):
    """The sum of a block's branches; of one branch, the branch itself."""

    def __init__(self, index: int, total: int, branches: int, channels: int) -> None:
        super().__init__()
        self.branches = branches

    def forward(self, *branches: Tensor) -> Tensor:
        """Tensors of one shape -> one of that shape."""
        assert len(branches) == self.branches
        total = branches[0]
        for branch in branches[1:]:
            total = total + branch
        return total
