"""Focal loss: cross-entropy that counts well-classified images less. Lin et al. 2017, arXiv:1708.02002, equation 4.

    l = mean_B( -sum_k q_k (1 - p_k)^gamma log p_k ),    p = softmax(z)

For a single label t this is -(1 - p_t)^gamma log p_t; a distribution of targets q weighs the labels' losses.

Differs from the paper: p is a softmax over the classes, not a sigmoid for each anchor, and there is no balance alpha.
"""

import torch
from torch import Tensor


class Focal:
    """Cross-entropy with the modulating factor (1 - p)^gamma; `gamma` 0 is cross-entropy."""

    def __init__(self, gamma: float = 2.0) -> None:
        if not gamma >= 0:
            raise ValueError(f"gamma must be at least 0, got {gamma:g}")
        self.gamma = gamma

    def __call__(self, logits: Tensor, targets: Tensor, images: Tensor) -> Tensor:
        """Logits B K, targets B K (rows sum to 1) -> a scalar in nats, in the targets' precision."""
        log_p = torch.log_softmax(logits.to(targets.dtype), 1)
        # A power below 1 has no slope at 0, where -expm1 ends: such an image is learnt, and adds nothing either way.
        missing = (-torch.expm1(log_p)).clamp(min=torch.finfo(log_p.dtype).tiny)
        return -(targets * missing**self.gamma * log_p).sum(1).mean()
