"""SGDW: momentum with weight decay outside the gradient. Loshchilov & Hutter 2019, arXiv:1711.05101, algorithm 1.

    m <- momentum * m + eta_t * lr * grad,    w <- w - m - eta_t * lambda * w
    lambda = weight_decay,    or normalized (appendix B.1)  weight_decay * sqrt(b / (B T))

eta_t is the schedule's multiplier alone: the decay is coupled to the schedule, and neither to lr nor to how lr scales
with the batch. eta_t stands inside the buffer m, so a change of it leaves the past terms as they were. b batch size, B
training set size, T epochs.

Differs from the paper: T is the whole run's, where the paper counts to the next warm restart.

Differs from the first author's code (loshchil/AdamW-and-SGDW), which is not the paper's algorithm: there eta_t * lr
stands outside the buffer, so that a change of it changes the past terms as well (m <- momentum * m + grad,
w <- w - eta_t * lr * m - eta_t * lambda * w); and its eta_t is that of the schedule one step later.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


class SGDW(torch.optim.Optimizer):
    """SGD with momentum and decoupled weight decay.

    batch_size, n, total_epochs: b, B and T of `normalized`. A group's `lr_scale` multiplies lr, and not the decay, but
    for 0: a frozen group does not decay. eta_t is the group's `lr_factor`; where it has none, its lr over the lr that
    was given here.
    """

    def __init__(
        self,
        groups: list[dict[str, Any]],
        *,
        batch_size: int,
        n: int,
        total_epochs: float,
        lr: float = 0.05,
        momentum: float = 0.9,
        weight_decay: float = 0.025,
        normalized: bool = True,
    ) -> None:
        if lr <= 0:
            raise ValueError(f"lr must be above 0, got {lr:g}")
        if not 0 <= momentum < 1:
            raise ValueError(f"momentum must lie in [0, 1), got {momentum:g}")
        if weight_decay < 0:
            raise ValueError(f"weight_decay must be at least 0, got {weight_decay:g}")
        if normalized:
            weight_decay *= math.sqrt(batch_size / (n * total_epochs))
        super().__init__(groups, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    def momentum_gain(self, momentum: float) -> float:
        """How many times lr the step of a steady gradient is: m grows to 1 / (1 - momentum) of it."""
        return 1 / (1 - momentum)

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
                self.state[p]["m"] = torch.zeros_like(p)
        m = [self.state[p]["m"] for p in weights]
        g: list[Tensor] = [p.grad for p in weights]  # type: ignore[misc]  # step chose those that have one
        torch._foreach_mul_(m, group["momentum"])
        torch._foreach_add_(m, g, alpha=group["lr"])
        torch._foreach_mul_(weights, 1 - self._eta(group) * group["weight_decay"])
        torch._foreach_sub_(weights, m)

    def _eta(self, group: dict[str, Any]) -> float:
        """The schedule's multiplier; 0 for a group that is frozen."""
        scale = group.get("lr_scale", 1.0)
        if scale == 0:
            return 0.0
        eta: float = group.get("lr_factor", group["lr"] / (self.defaults["lr"] * scale))
        return eta
