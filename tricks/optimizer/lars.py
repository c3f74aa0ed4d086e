"""LARS: each layer's own learning rate, by the norms of its weights and gradient. You et al. 2017, arXiv:1708.03888.

    local = trust_coefficient * |w| / (|grad| + weight_decay * |w|)
    v <- momentum * v + lr * local * (grad + weight_decay * w),    w <- w - v

|.| is the norm of one parameter tensor. lr and local stand inside the velocity v, so a change of them leaves the past
terms as they were. The decay is coupled: it is a part of what local scales. There is no epsilon. In a group with an
`origin` the weights are the parameters p plus this, and what decays is p:
local = trust_coefficient * |p + origin| / (|grad| + weight_decay * |p|).

Differs from the paper: local is 1 where |w| is 0 (a bias that begins at 0 would stay there) or what stands below is;
exempt_1d.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


class LARS(torch.optim.Optimizer):
    """SGD with momentum and layer-wise rates.

    trust_coefficient: the paper's eta, for which lr is of another size than SGD's. exempt_1d: whether local is 1 for
    biases and normalisation parameters, as in later practice; the paper scales all alike.
    """

    def __init__(
        self,
        groups: list[dict[str, Any]],
        *,
        lr: float = 4.0,
        momentum: float = 0.9,
        weight_decay: float = 5e-4,
        trust_coefficient: float = 1e-3,
        exempt_1d: bool = False,
    ) -> None:
        for name, value in (("lr", lr), ("weight_decay", weight_decay)):
            if value < 0:
                raise ValueError(f"{name} must be at least 0, got {value:g}")
        if not 0 <= momentum < 1:
            raise ValueError(f"momentum must lie in [0, 1), got {momentum:g}")
        if trust_coefficient <= 0:
            raise ValueError(f"trust_coefficient must be above 0, got {trust_coefficient:g}")
        self.trust_coefficient, self.exempt_1d = trust_coefficient, exempt_1d
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
        for p in weights:
            if not self.state[p]:
                self.state[p]["v"] = torch.zeros_like(p)
        v = [self.state[p]["v"] for p in weights]
        gradients: list[Tensor] = [p.grad for p in weights]  # type: ignore[misc]  # step chose those that have one
        change = torch._foreach_add(gradients, weights, alpha=group["weight_decay"])
        layers = [i for i, p in enumerate(weights) if p.ndim > 1 or not self.exempt_1d]
        if layers:
            local = self._local([weights[i] for i in layers], group["weight_decay"], group.get("origin", 0.0))
            torch._foreach_mul_([change[i] for i in layers], local)
        torch._foreach_mul_(v, group["momentum"])
        torch._foreach_add_(v, change, alpha=group["lr"])
        torch._foreach_sub_(weights, v)

    def _local(self, weights: list[Tensor], weight_decay: float, origin: float) -> list[Tensor]:
        """One scalar a tensor, on its device."""
        decayed = torch.stack(torch._foreach_norm(weights))
        w = torch.stack(torch._foreach_norm(torch._foreach_add(weights, origin))) if origin else decayed
        gradients: list[Tensor] = [p.grad for p in weights]  # type: ignore[misc]  # step chose those that have one
        g = torch.stack(torch._foreach_norm(gradients))
        below = g + weight_decay * decayed
        return list(torch.where((w > 0) & (below > 0), self.trust_coefficient * w / below, 1.0).unbind())
