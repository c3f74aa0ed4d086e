"""Cross-entropy with target distributions. Szegedy et al. 2016, arXiv:1512.00567, equation 1 onwards.

l = mean_B( -sum_k q_k log p_k ),    p = softmax(z)
"""

from torch import Tensor
from torch.nn import functional as F


def cross_entropy(logits: Tensor, targets: Tensor, images: Tensor) -> Tensor:
    """Logits B K, targets B K (rows sum to 1) -> a scalar in nats, in the targets' precision."""
    return F.cross_entropy(logits.to(targets.dtype), targets)
