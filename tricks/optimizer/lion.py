"""Lion: steps by the sign of a mean of the gradients. Chen et al. 2023, arXiv:2302.06675, algorithm 2.

    c = beta1 m + (1 - beta1) grad,    w <- w - lr * (sign(c) + weight_decay * w)
    m <- beta2 m + (1 - beta2) grad

Every step of a weight is lr, whatever its gradient's size, so lr is a third to a tenth of AdamW's, and weight_decay as
much larger. The decay is decoupled and times lr.

Differs from the paper: where c is not finite the weight becomes nan. The sign of inf is 1, and torch's of nan is 0: a
run that has diverged would go on, or look like one that stands still.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


class Lion(torch.optim.Optimizer):
    """Algorithm 2; beta1, the mean's weight in the step, is the knob momentum."""

    def __init__(
        self,
        groups: list[dict[str, Any]],
        *,
        lr: float = 1e-4,
        beta1: float = 0.9,
        beta2: float = 0.99,
        weight_decay: float = 0.0,
    ) -> None:
        for name, value in (("lr", lr), ("weight_decay", weight_decay)):
            if value < 0:
                raise ValueError(f"{name} must be at least 0, got {value:g}")
        for name, value in (("beta1", beta1), ("beta2", beta2)):
            if not 0 <= value < 1:
                raise ValueError(f"{name} must lie in [0, 1), got {value:g}")
        super().__init__(groups, {"lr": lr, "betas": (beta1, beta2), "weight_decay": weight_decay})

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
        beta1, beta2 = group["betas"]
        c = torch._foreach_lerp(m, g, 1 - beta1)
        update = torch._foreach_sign(c)
        torch._foreach_mul_(c, 0.0)  # nan where c is not finite
        torch._foreach_add_(update, c)
        torch._foreach_mul_(weights, 1 - group["lr"] * group["weight_decay"])
        torch._foreach_add_(weights, update, alpha=-group["lr"])
        torch._foreach_lerp_(m, g, 1 - beta2)
