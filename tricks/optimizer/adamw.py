"""AdamW: Adam with weight decay outside the moments. Loshchilov & Hutter 2019, arXiv:1711.05101, algorithm 2.

    m <- beta1 m + (1 - beta1) grad,    v <- beta2 v + (1 - beta2) grad^2
    w <- w - eta_t * (lr * m' / (sqrt(v') + eps) + lambda * w),    m' = m / (1 - beta1^t),    v' = v / (1 - beta2^t)
    lambda = weight_decay,    or normalized (appendix B.1)  weight_decay * sqrt(b / (B T))
    decay_by lr:  lambda = lr * weight_decay, or lr times the normalized; this is torch's AdamW

eps stands outside the root, after the bias correction. eta_t is the schedule's multiplier alone: the decay is coupled
to the schedule, and (decay_by schedule) neither to lr nor to how lr scales with the batch. b batch size, B training set
size, T epochs.

Differs from the paper: T is the whole run's, where the paper counts to the next warm restart.
"""

import math
from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor


class AdamW(torch.optim.Optimizer):
    """Adam with decoupled weight decay; beta1 is the knob momentum.

    decay_by: what multiplies the decay, the schedule alone or the whole learning rate. batch_size, n, total_epochs: b,
    B and T of `normalized`. By the schedule, a group's `lr_scale` multiplies lr, and not the decay, but for 0: a frozen
    group does not decay. eta_t is the group's `lr_factor`; where it has none, its lr over the lr that was given here.
    """

    def __init__(
        self,
        groups: list[dict[str, Any]],
        *,
        batch_size: int,
        n: int,
        total_epochs: float,
        lr: float = 1e-3,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
        weight_decay: float = 0.025,
        normalized: bool = True,
        decay_by: Literal["schedule", "lr"] = "schedule",
    ) -> None:
        for name, value in (("lr", lr), ("eps", eps)):
            if value <= 0:
                raise ValueError(f"{name} must be above 0, got {value:g}")
        for name, value in (("beta1", beta1), ("beta2", beta2)):
            if not 0 <= value < 1:
                raise ValueError(f"{name} must lie in [0, 1), got {value:g}")
        if weight_decay < 0:
            raise ValueError(f"weight_decay must be at least 0, got {weight_decay:g}")
        if normalized:
            weight_decay *= math.sqrt(batch_size / (n * total_epochs))
        self.eps, self.decay_by = eps, decay_by
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
        torch._foreach_div_(root, [math.sqrt(1 - beta2**n) for n in t])
        torch._foreach_add_(root, self.eps)
        torch._foreach_mul_(weights, 1 - self._decay(group))
        torch._foreach_addcdiv_(weights, m, root, [-group["lr"] / (1 - beta1**n) for n in t])

    def _decay(self, group: dict[str, Any]) -> float:
        """The share of w that this step takes off."""
        if self.decay_by == "lr":
            return group["lr"] * group["weight_decay"]
        scale = group.get("lr_scale", 1.0)
        if scale == 0:
            return 0.0
        return group.get("lr_factor", group["lr"] / (self.defaults["lr"] * scale)) * group["weight_decay"]
