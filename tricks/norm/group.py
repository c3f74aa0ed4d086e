"""Group normalization: each image's channels are normalised in groups, without the other images. Wu & He 2018,
arXiv:1803.08494.

    y = gamma_c (x - mu) / sqrt(sigma^2 + eps) + beta_c
    mu and sigma^2 over one image's pixels of a group of C/G consecutive channels, in training and in evaluation alike
"""

import torch
from torch import Tensor, nn


def group_norm(
    num_features: int, num_groups: int | None = None, group_size: int | None = 8, eps: float = 1e-5
) -> nn.Module:
    """Normalisation of B C H W with C = num_features.

    Exactly one of num_groups (the paper's G; it takes 32) and group_size (C/G, channels) says how C is divided, the
    other is None. The default suits narrow networks too, whose layers of 16 channels cannot make 32 groups.
    """
    if eps < 0:
        raise ValueError(f"eps must be at least 0, got {eps:g}")
    if (num_groups is None) == (group_size is None):
        raise ValueError(
            "one of num_groups and group_size must be a number and the other null, "
            f"got num_groups={num_groups} and group_size={group_size}"
        )
    for name, value in (("num_groups", num_groups), ("group_size", group_size)):
        if value is not None and (value < 1 or num_features % value):
            raise ValueError(f"{name} must divide each layer's channels, got {value} for {num_features} channels")
    return _GroupNorm(num_groups or num_features // (group_size or 1), num_features, eps=eps)


class _GroupNorm(nn.GroupNorm):
    """torch's, whose output keeps channels_last on a GPU (torch before 2.12 leaves it)."""

    def forward(self, x: Tensor) -> Tensor:
        """B C H W -> B C H W."""
        y = super().forward(x)
        kept = x.is_cuda and x.is_contiguous(memory_format=torch.channels_last)
        return y.contiguous(memory_format=torch.channels_last) if kept else y
