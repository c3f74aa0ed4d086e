"""Batch normalization. Ioffe & Szegedy 2015, arXiv:1502.03167.

y = gamma * (x - E[x]) / sqrt(Var[x] + eps) + beta,    E and Var over B H W, a channel each;
in evaluation over running averages,  running <- (1 - momentum) * running + momentum * batch
"""

from torch import nn


def batch_norm(num_features: int, eps: float = 1e-5, momentum: float | None = 0.1) -> nn.Module:
    """Normalisation of B C H W with C = num_features.

    momentum is torch's: the weight of the new batch, so that the papers' 0.9 is 0.1 here. None: the plain average of
    all batches.
    """
    if eps < 0:
        raise ValueError(f"eps must be at least 0, got {eps:g}")
    if momentum is not None and not 0 < momentum <= 1:
        raise ValueError(f"momentum must lie in (0, 1], the weight of the new batch, got {momentum:g}")
    return nn.BatchNorm2d(num_features, eps=eps, momentum=momentum)
