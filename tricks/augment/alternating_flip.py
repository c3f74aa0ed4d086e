"""Alternating flip: each image is mirrored in every other epoch. Jordan 2024, arXiv:2404.00498, section 3.6.

    in epoch e = 0, 1, ... image i is mirrored where s_i + e is odd,    s_i ~ U{0, 1}

So the first epoch is that of a random flip, and any two epochs after one another have seen each image on both sides.
"""

import torch
from torch import Tensor


class AlternatingFlip:
    """Mirrors each image left to right in every other epoch; in which ones is drawn once for the run."""

    def sample_images(self, order: Tensor, rng: torch.Generator, epoch: int) -> Tensor:
        """Whether each of the images `order` (int64 n, a permutation) is mirrored: bool n."""
        first = torch.rand(len(order), generator=rng) < 0.5
        return (first ^ (epoch % 2 == 1))[order]

    def __call__(self, images: Tensor, targets: Tensor, drawn: Tensor) -> tuple[Tensor, Tensor]:
        """B C H W -> B C H W; targets as they are."""
        return torch.where(drawn.view(-1, 1, 1, 1), images.flip(3), images), targets
