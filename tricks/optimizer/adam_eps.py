"""Adam-eps: Adam whose large epsilon bounds the adaptive rate's variance. Liu et al. 2020, arXiv:1908.03265, section 3.

    m <- beta1 m + (1 - beta1) grad,    v <- beta2 v + (1 - beta2) grad^2
    w <- (1 - lr * weight_decay) w - lr * m' * sqrt(1 - beta2^t) / (eps + sqrt(v)),    m' = m / (1 - beta1^t)

eps stands outside the root and before the bias correction, so beside the corrected root it is eps / sqrt(1 - beta2^t):
32 times as large at the first step. The decay is decoupled from the moments and coupled to lr, as in the authors' code.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


class AdamEps(torch.optim.Optimizer):
    """Adam with eps added before the bias correction; beta1 is the knob momentum."""

    def __init__(
        self,
        groups: list[dict[str, Any]],
        *,
        lr: float = 1e-3,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-4,
        weight_decay: float = 0.0,
    ) -> None:
        for name, value in (("lr", lr), ("weight_decay", weight_decay)):
            if value < 0:
                raise ValueError(f"{name} must be at least 0, got {value:g}")
        for name, value in (("beta1", beta1), ("beta2", beta2)):
            if not 0 <= value < 1:
                raise ValueError(f"{name} must lie in [0, 1), got {value:g}")
        if eps <= 0:
            raise ValueError(f"eps must be above 0, got {eps:g}")
        self.eps = eps
        super().__init__(groups, {"lr": lr, "betas": (beta1, beta2), "weight_decay": weight_decay})

    def momentum_gain(self, momentum: float) -> float:
        """A steady gradient's step is lr whatever the momentum, which is of a moving average."""
        return 1.0

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor | None:  # type: ignore[override]  # a Tensor
        """One step on the parameters that have a gradient; returns the closure's loss."""
        with torch.enable_grad():
            loss = None if closure is None else closure()
        for group in self.param_groups:
            weights = [p for p in group["params"] if p.grad is not None]
            if weights:
                self._update(group, weights)
        return loss

    def _update(self, group: dict[str, Any], weights: list[Tensor]) -> None:
        for p in weights:
            if not self.state[p]:
                self.state[p].update(t=0, m=torch.zeros_like(p), v=torch.zeros_like(p))
            self.state[p]["t"] += 1
        t, m, v = ([self.state[p][key] for p in weights] for key in ("t", "m", "v"))
        g: list[Tensor] = [p.grad for p in weights]  # type: ignore[misc]  # step chose those that have one
        beta1, beta2 = group["betas"]
        torch._foreach_lerp_(m, g, 1 - beta1)
        torch._foreach_mul_(v, beta2)
        torch._foreach_addcmul_(v, g, g, 1 - beta2)
        root = torch._foreach_sqrt(v)
        torch._foreach_add_(root, self.eps)
        sizes = [-group["lr"] * math.sqrt(1 - beta2**n) / (1 - beta1**n) for n in t]
        torch._foreach_mul_(weights, 1 - group["lr"] * group["weight_decay"])
        torch._foreach_addcdiv_(weights, m, root, sizes)
