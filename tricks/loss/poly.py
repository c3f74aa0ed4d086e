"""PolyLoss: cross-entropy whose first polynomial coefficient is changed. Leng et al. 2022, arXiv:2204.12511 (Poly-1).

    l = mean_B( -sum_k q_k log p_k + epsilon (1 - sum_k q_k p_k) ),    p = softmax(z)

For a single label t this is -log p_t + epsilon (1 - p_t); a distribution of targets q weighs the labels' losses.
"""

import torch
from torch import Tensor


class Poly:
    """Cross-entropy and `epsilon` times the probability that is not the targets'. epsilon: epsilon_1, above -1."""

    def __init__(self, epsilon: float = 1.0) -> None:
        if not epsilon >= -1:
            raise ValueError(f"epsilon must be at least -1 (the first coefficient is 1 + epsilon), got {epsilon:g}")
        self.epsilon = epsilon

    def __call__(self, logits: Tensor, targets: Tensor, images: Tensor) -> Tensor:
        """Logits B K, targets B K (rows sum to 1) -> a scalar in nats, in the targets' precision."""
        log_p = torch.log_softmax(logits.to(targets.dtype), 1)
        return (-(targets * log_p).sum(1) + self.epsilon * (1 - (targets * log_p.exp()).sum(1))).mean()
