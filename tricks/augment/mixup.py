"""mixup: train on mixtures of pairs of images and of their targets. Zhang et al. 2018, arXiv:1710.09412.

    x' = lambda x_i + (1 - lambda) x_j,    y' = lambda y_i + (1 - lambda) y_j,    lambda ~ Beta(alpha, alpha)

j is a random permutation of the batch, and lambda one number a batch, as in the authors' code.
"""

from typing import Literal

import torch
from torch import Tensor


class Mixup:
    """Mixes each image of a batch with another one.

    alpha: of Beta(alpha, alpha); 0 mixes nothing, 1 draws lambda uniformly. per: whether lambda is drawn for a batch
    or for each of its images.
    """

    def __init__(self, alpha: float = 1.0, per: Literal["batch", "image"] = "batch") -> None:
        if alpha < 0:
            raise ValueError(f"alpha must be at least 0, got {alpha:g}")
        self.alpha, self.per = alpha, per

    def sample(self, n: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """lambda (n), and a column (n) whose order within a batch says who is mixed with whom."""
        return _beta(self.alpha, n, rng).float(), torch.rand(n, generator=rng)

    def __call__(self, images: Tensor, targets: Tensor, drawn: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """B C H W and B K -> the same shapes; the rows of the targets keep their sums."""
        weight, column = drawn  # lambda
        partner = torch.argsort(column, stable=True)
        if self.per == "batch":
            weight = weight[:1].expand(len(images))
        return _mix(images, partner, weight), _mix(targets, partner, weight)


def _mix(x: Tensor, partner: Tensor, weight: Tensor) -> Tensor:
    return torch.lerp(x[partner], x, weight.to(x.dtype).view(-1, *[1] * (x.ndim - 1)))


def _beta(alpha: float, n: int, rng: torch.Generator) -> Tensor:
    """n draws of Beta(alpha, alpha) as X / (X + Y) with X, Y ~ Gamma(alpha), in logarithms: small alphas underflow.

    Gamma(alpha) is Gamma(alpha + 1) * U^(1 / alpha).
    """
    if alpha == 0:
        return torch.ones(n, dtype=torch.float64)  # lambda is 0 or 1, and both leave the images alone
    gamma = torch._standard_gamma(torch.full((n, 2), alpha + 1, dtype=torch.float64), generator=rng)
    uniform = torch.rand(n, 2, dtype=torch.float64, generator=rng)
    log = gamma.log() + uniform.log() / alpha
    return torch.sigmoid(log[:, 0] - log[:, 1])
