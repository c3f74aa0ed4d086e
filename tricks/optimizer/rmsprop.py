"""RMSProp: gradients over the root of their mean square. Tieleman & Hinton 2012, lecture 6e (no arXiv number).

    g = grad + weight_decay * w,    E <- alpha E + (1 - alpha) g^2,    s = g / (sqrt(E) + eps)
    eps_inside:  s = g / sqrt(E + eps)     as in Ruder 2016, arXiv:1609.04747
    u <- momentum * u + s,    w <- w - lr * u

The decay is coupled: it is a part of g, and divided by the root. E has no bias correction: the first step is
lr / sqrt(1 - alpha) for any gradient. lr stands outside u.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


class RMSProp(torch.optim.Optimizer):
    """By the defaults, the lecture's; without eps_inside, torch's RMSprop.

    alpha: weight of the past in E. eps_inside: whether eps stands inside the root.
    """

    def __init__(
        self,
        groups: list[dict[str, Any]],
        *,
        lr: float = 1e-3,
        alpha: float = 0.9,
        eps: float = 1e-8,
        eps_inside: bool = False,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
    ) -> None:
        for name, value in (("lr", lr), ("weight_decay", weight_decay)):
            if value < 0:
                raise ValueError(f"{name} must be at least 0, got {value:g}")
        for name, value in (("alpha", alpha), ("momentum", momentum)):
            if not 0 <= value < 1:
                raise ValueError(f"{name} must lie in [0, 1), got {value:g}")
        if eps <= 0:
            raise ValueError(f"eps must be above 0, got {eps:g}")
        self.alpha, self.eps, self.eps_inside = alpha, eps, eps_inside
        super().__init__(groups, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    def momentum_gain(self, momentum: float) -> float:
        """How many times lr the step of a steady gradient is: u grows to 1 / (1 - momentum) of it."""
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
                self.state[p].update(square=torch.zeros_like(p), u=torch.zeros_like(p))
        square, u = ([self.state[p][key] for p in weights] for key in ("square", "u"))
        gradients: list[Tensor] = [p.grad for p in weights]  # type: ignore[misc]  # step chose those that have one
        g = torch._foreach_add(gradients, weights, alpha=group["weight_decay"])
        torch._foreach_mul_(square, self.alpha)
        torch._foreach_addcmul_(square, g, g, 1 - self.alpha)
        if self.eps_inside:
            root = torch._foreach_add(square, self.eps)
            torch._foreach_sqrt_(root)
        else:
            root = torch._foreach_sqrt(square)
            torch._foreach_add_(root, self.eps)
        torch._foreach_mul_(u, group["momentum"])
        torch._foreach_addcdiv_(u, g, root)
        torch._foreach_add_(weights, u, alpha=-group["lr"])
