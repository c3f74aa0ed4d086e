"""Adadelta: steps in the ratio of the past steps' size to the gradients' size. Zeiler 2012, arXiv:1212.5701.

    g = grad + weight_decay * w,    E <- rho E + (1 - rho) g^2
    d = sqrt(D + eps) / sqrt(E + eps) * g,    D <- rho D + (1 - rho) d^2,    w <- w - lr * d

eps stands inside both roots; D begins at 0, so eps sets the size of the first steps. The decay is coupled: it is a part
of g, and divided by the root. The paper has neither lr (1) nor decay (0).
"""

from typing import Any

import torch


class Adadelta(torch.optim.Adadelta):
    """torch's Adadelta over parameter groups; it has no fused form, and no knob momentum."""

    def __init__(
        self,
        groups: list[dict[str, Any]],
        *,
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0.0,
    ) -> None:
        for name, value in (("lr", lr), ("weight_decay", weight_decay)):
            if value < 0:
                raise ValueError(f"{name} must be at least 0, got {value:g}")
        if not 0 <= rho < 1:
            raise ValueError(f"rho must lie in [0, 1), got {rho:g}")
        if eps <= 0:
            raise ValueError(f"eps must be above 0, got {eps:g}")
        super().__init__(groups, lr=lr, rho=rho, eps=eps, weight_decay=weight_decay, foreach=True)

    def momentum_gain(self, momentum: float) -> float:
        """1: there is no momentum."""
        return 1.0
