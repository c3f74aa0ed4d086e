"""Momentum SGD with lr inside the velocity, and momentum correction. Goyal et al. 2017, arXiv:1706.02677, section 3.

    g = grad + weight_decay * w,    v <- momentum * (lr_t / lr_(t-1)) * v + lr_t * g,    w <- w - v

With the correction this is SGD whose lr stands outside the velocity (`sgd`: v = lr u), step for step; without it, past
gradients keep the lr of their own step. The decay is coupled: it is a part of g.

Differs from the paper, whose equation has no factor after an lr of 0: with the correction, a step with lr 0 leaves w
alone, and v goes on in terms of the last lr above 0 (of 1, where there was none), which is then lr_(t-1).
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


class SGDCorrected(torch.optim.Optimizer):
    """The paper's equation 10; momentum_correction: whether v is rescaled when lr changes (its remark 2)."""

    def __init__(
        self,
        groups: list[dict[str, Any]],
        *,
        lr: float = 0.1,
        momentum: float = 0.9,
        weight_decay: float = 1e-4,
        momentum_correction: bool = True,
    ) -> None:
        for name, value in (("lr", lr), ("weight_decay", weight_decay)):
            if value < 0:
                raise ValueError(f"{name} must be at least 0, got {value:g}")
        if not 0 <= momentum < 1:
            raise ValueError(f"momentum must lie in [0, 1), got {momentum:g}")
        self.momentum_correction = momentum_correction
        super().__init__(groups, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    def momentum_gain(self, momentum: float) -> float:
        """How many times lr the step of a steady gradient is: v grows to 1 / (1 - momentum) of it."""
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
        lr, rates, factors = group["lr"], [], []  # the lr that each v is for, and what its past is multiplied by
        for p in weights:
            state = self.state[p]
            if not state:
                state.update(v=torch.zeros_like(p), lr=1.0)
            if self.momentum_correction:
                rates.append(lr or state["lr"])
                factors.append(group["momentum"] * (rates[-1] / state["lr"]))
                state["lr"] = rates[-1]
            else:
                rates.append(lr)
                factors.append(group["momentum"])
        v = [self.state[p]["v"] for p in weights]
        gradients: list[Tensor] = [p.grad for p in weights]  # type: ignore[misc]  # step chose those that have one
        g = torch._foreach_add(gradients, weights, alpha=group["weight_decay"])
        torch._foreach_mul_(v, factors)
        torch._foreach_mul_(g, rates)
        torch._foreach_add_(v, g)
        if lr or not self.momentum_correction:
            torch._foreach_sub_(weights, v)
