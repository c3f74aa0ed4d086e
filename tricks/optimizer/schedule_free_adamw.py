"""Schedule-Free AdamW: Adam's steps from a gradient between an iterate and its average, which is the result. Defazio et
al. 2024, arXiv:2405.15682, algorithm 1.

    y_t = (1 - beta1) z_t + beta1 x_t                    the weights that train: the gradient is taken there
    v_t = beta2 v_(t-1) + (1 - beta2) grad(y_t)^2,    gamma_t = lr_t sqrt(1 - beta2^t)
    z_(t+1) = z_t - gamma_t grad(y_t) / (sqrt(v_t) + eps) - gamma_t lambda y_t
    x_(t+1) = (1 - c) x_t + c z_(t+1),    c = gamma_t^2 / (gamma_1^2 + ... + gamma_t^2)      what is evaluated

lr_t is lr with its warm-up, lambda weight_decay; eps stands outside the root, before the bias correction, which is a
part of gamma. The paper's way of evaluating x takes batch normalisation's statistics anew there. Any other schedule of
lr only changes the weights c.

Where the weights are changed between two steps (a decoupled penalty, lookahead), x and z move with them.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor


class ScheduleFreeAdamW(torch.optim.Optimizer):
    """Keeps y in the parameters, and x, z and v in its state; beta1 is the knob momentum.

    A group's `origin` is added to y where it decays. A changed beta1 acts on the y of the next step: this step's
    gradient was taken at the y of the beta1 before.
    """

    def __init__(
        self,
        groups: list[dict[str, Any]],
        *,
        lr: float = 2.5e-3,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        for name, value in (("lr", lr), ("eps", eps)):
            if value <= 0:
                raise ValueError(f"{name} must be above 0, got {value:g}")
        for name, value in (("beta1", beta1), ("beta2", beta2)):
            if not 0 <= value < 1:
                raise ValueError(f"{name} must lie in [0, 1), got {value:g}")
        if weight_decay < 0:
            raise ValueError(f"weight_decay must be at least 0, got {weight_decay:g}")
        self.eps = eps
        super().__init__(groups, {"lr": lr, "betas": (beta1, beta2), "weight_decay": weight_decay})

    @torch.no_grad()
    def evaluation_weights(self) -> Mapping[Tensor, Tensor]:
        """Return x of each parameter that has taken a step."""
        begun = ((p, state) for p, state in self.state.items() if "x" in state)
        return {p: s["x"] + _moved([p], [s["x"]], [s["z"]], s["beta1"])[0] for p, s in begun}

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor | None:  # type: ignore[override]  # a Tensor
        """One step on the parameters that have a gradient; returns the closure's loss."""
        with torch.enable_grad():
            loss = None if closure is None else closure()
        for group in self.param_groups:
            alike: dict[tuple[int, float, float], list[Tensor]] = {}  # by their past: one list, unless some had no grad
            for p in group["params"]:
                if p.grad is not None:
                    state = self.state[p]
                    if "z" not in state:
                        state.update(x=p.clone(), z=p.clone(), v=torch.zeros_like(p), t=0)
                        state.update(squares=0.0, beta1=group["betas"][0])
                    state["t"] += 1
                    alike.setdefault((state["t"], state["squares"], state["beta1"]), []).append(p)
            for (t, squares, beta1), weights in alike.items():
                self._update(group, weights, t, squares, beta1)
        return loss

    def _update(self, group: dict[str, Any], weights: list[Tensor], t: int, squares: float, before: float) -> None:
        x, z, v = ([self.state[p][key] for p in weights] for key in ("x", "z", "v"))
        moved = _moved(weights, x, z, before)
        torch._foreach_add_(x, moved)
        torch._foreach_add_(z, moved)
        g: list[Tensor] = [p.grad for p in weights]  # type: ignore[misc]  # step chose those that have one
        beta1, beta2 = group["betas"]
        torch._foreach_mul_(v, beta2)
        torch._foreach_addcmul_(v, g, g, 1 - beta2)
        gamma = group["lr"] * math.sqrt(1 - beta2**t)
        root = torch._foreach_sqrt(v)
        torch._foreach_add_(root, self.eps)
        torch._foreach_addcdiv_(z, g, root, -gamma)
        decay = gamma * group["weight_decay"]
        torch._foreach_add_(z, weights, alpha=-decay)
        if "origin" in group:
            torch._foreach_add_(z, -decay * group["origin"])
        squares += gamma**2
        torch._foreach_lerp_(x, z, gamma**2 / squares if squares else 0.0)  # while lr is 0, x is z
        torch._foreach_copy_(weights, torch._foreach_lerp(z, x, beta1))
        for p in weights:
            self.state[p].update(squares=squares, beta1=beta1)


def _moved(weights: list[Tensor], x: list[Tensor], z: list[Tensor], beta: float) -> tuple[Tensor, ...]:
    """Return how far the weights were moved since the last step left them at y: exactly 0 where nobody did."""
    return torch._foreach_sub(weights, torch._foreach_lerp(z, x, beta))
