"""Layer normalization: each image is normalised over all its channels and pixels. Ba, Kiros & Hinton 2016,
arXiv:1607.06450.

    y = gamma_c (x - mu) / sqrt(sigma^2 + eps) + beta_c,    mu and sigma^2 over C H W of one image

Differs from the paper: gamma and beta are one for each channel, not for each unit, as convolutions share theirs among
pixels; this is group normalization with one group (Wu & He 2018, arXiv:1803.08494).
"""

import torch
from torch import Tensor, nn


def layer_norm(num_features: int, eps: float = 1e-5) -> nn.Module:
    """Normalisation of B C H W with C = num_features; evaluation is as training."""
    if eps < 0:
        raise ValueError(f"eps must be at least 0, got {eps:g}")
    return _LayerNorm(1, num_features, eps=eps)


class _LayerNorm(nn.GroupNorm):
    """torch's, whose output keeps channels_last on a GPU (torch before 2.12 leaves it)."""

    def forward(self, x: Tensor) -> Tensor:
        """B C H W -> B C H W."""
        y = super().forward(x)
        kept = x.is_cuda and x.is_contiguous(memory_format=torch.channels_last)
        return y.contiguous(memory_format=torch.channels_last) if kept else y
