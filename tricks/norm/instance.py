"""Instance normalization: each channel of each image is normalised by itself. Ulyanov et al. 2016, arXiv:1607.08022.

    y = gamma_c (x - mu) / sqrt(sigma^2 + eps) + beta_c,    mu and sigma^2 over H W of one channel of one image

It is group normalization with C groups. One pixel has no variance, so torch refuses layers of one.
"""

import torch
from torch import Tensor, nn


def instance_norm(num_features: int, eps: float = 1e-5) -> nn.Module:
    """Normalisation of B C H W with C = num_features; evaluation is as training."""
    if eps < 0:
        raise ValueError(f"eps must be at least 0, got {eps:g}")
    return _InstanceNorm(num_features, eps=eps, affine=True)


class _InstanceNorm(nn.InstanceNorm2d):
    """torch's, whose output keeps channels_last on a GPU."""

    def forward(self, x: Tensor) -> Tensor:
        """B C H W -> B C H W."""
        y = super().forward(x)
        kept = x.is_cuda and x.is_contiguous(memory_format=torch.channels_last)
        return y.contiguous(memory_format=torch.channels_last) if kept else y
