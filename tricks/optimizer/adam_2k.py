"""Adam-2k: Adam whose second moment alone is updated in the first steps. Liu et al. 2020, arXiv:1908.03265, section 3.

    at each step t:     v <- beta2 v + (1 - beta2) grad^2,    v' = v / (1 - beta2^t)
    where t > steps:    m <- beta1 m + (1 - beta1) grad,    m' = m / (1 - beta1^(t - steps))
                        w <- (1 - lr * weight_decay) w - lr * m' / (sqrt(v') + eps)

eps stands outside the root, after the bias correction. The decay is decoupled from the moments and coupled to lr, as in
the authors' code; like the weights, it stands still in the first steps.

Differs from the paper: it does not say how m is corrected; here by the number of its own updates.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


class Adam2k(torch.optim.Optimizer):
    """Adam that first measures the gradients' size for `steps` steps, without moving; beta1 is the knob momentum."""

    def __init__(
        self,
        groups: list[dict[str, Any]],
        *,
        lr: float = 1e-3,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        steps: int = 2000,
    ) -> None:
        for name, value in (("lr", lr), ("weight_decay", weight_decay), ("steps", steps)):
            if value < 0:
                raise ValueError(f"{name} must be at least 0, got {value:g}")
        for name, value in (("beta1", beta1), ("beta2", beta2)):
            if not 0 <= value < 1:
                raise ValueError(f"{name} must lie in [0, 1), got {value:g}")
        if eps <= 0:
            raise ValueError(f"eps must be above 0, got {eps:g}")
        self.eps, self.steps = eps, steps
        super().__init__(groups, {"lr": lr, "betas": (beta1, beta2), "weight_decay": weight_decay})

    def momentum_gain(self, momentum: float) -> float:
        """A steady gradient's step is lr whatever the momentum, which is of a moving average."""
        return 1.0

    def check_updates(self, updates: int) -> None:
        """ValueError for a run of so few updates that no weight would move."""
        if self.steps >= updates:
            raise ValueError(f"steps must be less than the run's {updates} updates, got {self.steps}")

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor | None:  # type: ignore[override]  # a Tensor
        """One step on the parameters that have a gradient; returns the closure's loss."""
        with torch.enable_grad():
            loss = None if closure is None else closure()
        for group in self.param_groups:
            weights = [p for p in group["params"] if p.grad is not None]
            if weights:
                self._measure(group, weights)
            weights = [p for p in weights if self.state[p]["t"] > self.steps]
            if weights:
                self._move(group, weights)
        return loss

    def _measure(self, group: dict[str, Any], weights: list[Tensor]) -> None:
        for p in weights:
            if not self.state[p]:
                self.state[p].update(t=0, m=torch.zeros_like(p), v=torch.zeros_like(p))
            self.state[p]["t"] += 1
        v = [self.state[p]["v"] for p in weights]
        g: list[Tensor] = [p.grad for p in weights]  # type: ignore[misc]  # step chose those that have one
        torch._foreach_mul_(v, group["betas"][1])
        torch._foreach_addcmul_(v, g, g, 1 - group["betas"][1])

    def _move(self, group: dict[str, Any], weights: list[Tensor]) -> None:
        t, m, v = ([self.state[p][key] for p in weights] for key in ("t", "m", "v"))
        beta1, beta2 = group["betas"]
        g: list[Tensor] = [p.grad for p in weights]  # type: ignore[misc]  # step chose those that have one
        torch._foreach_lerp_(m, g, 1 - beta1)
        root = torch._foreach_sqrt(v)
        torch._foreach_div_(root, [math.sqrt(1 - beta2**n) for n in t])
        torch._foreach_add_(root, self.eps)
        torch._foreach_mul_(weights, 1 - group["lr"] * group["weight_decay"])
        torch._foreach_addcdiv_(weights, m, root, [-group["lr"] / (1 - beta1 ** (n - self.steps)) for n in t])
