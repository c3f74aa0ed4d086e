"""Horizontal flip. He et al. 2016, arXiv:1512.03385, section 4.2.

x'[i, j] = x[i, W - 1 - j] with probability p, else x[i, j]
"""

import torch
from torch import Tensor


class Flip:
    """Mirrors each image left to right with probability p."""

    def __init__(self, p: float = 0.5) -> None:
        if not 0 <= p <= 1:
            raise ValueError(f"p must lie in [0, 1], got {p:g}")
        self.p = p

    def sample(self, n: int, rng: torch.Generator) -> Tensor:
        """N uniforms; below p, the image is flipped."""
        return torch.rand(n, generator=rng)

    def __call__(self, images: Tensor, targets: Tensor, drawn: Tensor) -> tuple[Tensor, Tensor]:
        """B C H W -> B C H W; targets as they are."""
        return torch.where((drawn < self.p).view(-1, 1, 1, 1), images.flip(3), images), targets
