"""AdaBelief: Adam's steps, over the root of the gradients' variance. Zhuang et al. 2020, arXiv:2010.07468, algorithm 2.

    g = grad + weight_decay * w,    m <- beta1 m + (1 - beta1) g
    s <- beta2 s + (1 - beta2) (g - m)^2 + eps
    w <- w - lr * m' / (sqrt(s') + eps),    m' = m / (1 - beta1^t),    s' = s / (1 - beta2^t)
    decoupled:  g = grad,    w <- (1 - lr * weight_decay) w  before the step

eps stands twice, in s, where it is summed up step by step, and outside its root. The decay is coupled, a part of g, or
decoupled and times lr, as in the authors' code.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


class AdaBelief(torch.optim.Optimizer):
    """Algorithm 2; beta1 is the knob momentum. decoupled: whether the decay is. The algorithm has none."""

    def __init__(
        self,
        groups: list[dict[str, Any]],
        *,
        lr: float = 1e-3,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        decoupled: bool = False,
    ) -> None:
        for name, value in (("lr", lr), ("weight_decay", weight_decay)):
            if value < 0:
                raise ValueError(f"{name} must be at least 0, got {value:g}")
        for name, value in (("beta1", beta1), ("beta2", beta2)):
            if not 0 <= value < 1:
                raise ValueError(f"{name} must lie in [0, 1), got {value:g}")
        if eps <= 0:
            raise ValueError(f"eps must be above 0, got {eps:g}")
        self.eps, self.decoupled = eps, decoupled
        super().__init__(groups, {"lr": lr, "betas": (beta1, beta2), "weight_decay": weight_decay})

    def momentum_gain(self, momentum: float) -> float:
        """m is a moving average: a steady gradient's step does not grow with it."""
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
                self.state[p].update(t=0, m=torch.zeros_like(p), s=torch.zeros_like(p))
            self.state[p]["t"] += 1
        t, m, s = ([self.state[p][key] for p in weights] for key in ("t", "m", "s"))
        beta1, beta2 = group["betas"]
        g = self._gradients(group, weights)
        torch._foreach_lerp_(m, g, 1 - beta1)
        surprise = torch._foreach_sub(g, m)
        torch._foreach_mul_(s, beta2)
        torch._foreach_addcmul_(s, surprise, surprise, 1 - beta2)
        torch._foreach_add_(s, self.eps)
        root = torch._foreach_sqrt(s)
        torch._foreach_div_(root, [math.sqrt(1 - beta2**n) for n in t])
        torch._foreach_add_(root, self.eps)
        torch._foreach_addcdiv_(weights, m, root, [-group["lr"] / (1 - beta1**n) for n in t])

    def _gradients(self, group: dict[str, Any], weights: list[Tensor]) -> list[Tensor]:
        """What the moments see; the decoupled decay has then been taken."""
        gradients: list[Tensor] = [p.grad for p in weights]  # type: ignore[misc]  # step chose those that have one
        if self.decoupled:
            torch._foreach_mul_(weights, 1 - group["lr"] * group["weight_decay"])
            return gradients
        return list(torch._foreach_add(gradients, weights, alpha=group["weight_decay"]))
