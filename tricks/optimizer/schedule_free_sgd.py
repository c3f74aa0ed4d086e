"""Schedule-Free SGD: the gradient is taken between an iterate and its average, which is the result. Defazio et al.
2024, arXiv:2405.15682, section 2, with the decay and the c of section 4.3.

    y_t = (1 - beta) z_t + beta x_t                      the weights that train: the gradient is taken there
    z_(t+1) = z_t - gamma_t (grad(y_t) + lambda y_t)
    x_(t+1) = (1 - c) x_t + c z_(t+1),    c = gamma_t^2 / (gamma_1^2 + ... + gamma_t^2)      what is evaluated

gamma_t is lr with its warm-up, beta the knob momentum, lambda weight_decay (at y, as in the paper). The paper's way of
evaluating x takes batch normalisation's statistics anew there. Any other schedule of lr only changes the weights c.

Where the weights are changed between two steps (a decoupled penalty, lookahead), x and z move with them.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor


class ScheduleFreeSGD(torch.optim.Optimizer):
    """Keeps y in the parameters, and x and z in its state. A group's `origin` is added to y where it decays.

    A changed beta acts on the y of the next step: this step's gradient was taken at the y of the beta before.
    """

    def __init__(
        self, groups: list[dict[str, Any]], *, lr: float = 1.0, momentum: float = 0.9, weight_decay: float = 1e-4
    ) -> None:
        if lr <= 0:
            raise ValueError(f"lr must be above 0, got {lr:g}")
        if not 0 <= momentum < 1:
            raise ValueError(f"momentum must lie in [0, 1), got {momentum:g}")
        if weight_decay < 0:
            raise ValueError(f"weight_decay must be at least 0, got {weight_decay:g}")
        super().__init__(groups, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def evaluation_weights(self) -> Mapping[Tensor, Tensor]:
        """Return x of each parameter that has taken a step."""
        begun = ((p, state) for p, state in self.state.items() if "x" in state)
        return {p: s["x"] + _moved([p], [s["x"]], [s["z"]], s["beta"])[0] for p, s in begun}

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor | None:  # type: ignore[override]  # a Tensor
        """One step on the parameters that have a gradient; returns the closure's loss."""
        with torch.enable_grad():
            loss = None if closure is None else closure()
        for group in self.param_groups:
            alike: dict[tuple[float, float], list[Tensor]] = {}  # by their past: one list, unless some had no gradient
            for p in group["params"]:
                if p.grad is not None:
                    state = self.state[p]
                    if "z" not in state:
                        state.update(x=p.clone(), z=p.clone(), squares=0.0, beta=group["momentum"])
                    alike.setdefault((state["squares"], state["beta"]), []).append(p)
            for (squares, beta), weights in alike.items():
                self._update(group, weights, squares, beta)
        return loss

    def _update(self, group: dict[str, Any], weights: list[Tensor], squares: float, beta: float) -> None:
        x, z = ([self.state[p][key] for p in weights] for key in ("x", "z"))
        moved = _moved(weights, x, z, beta)
        torch._foreach_add_(x, moved)
        torch._foreach_add_(z, moved)
        lr, decay = group["lr"], group["weight_decay"]
        gradients: list[Tensor] = [p.grad for p in weights]  # type: ignore[misc]  # step chose those that have one
        g = torch._foreach_add(gradients, weights, alpha=decay)
        if "origin" in group:
            torch._foreach_add_(g, decay * group["origin"])
        torch._foreach_add_(z, g, alpha=-lr)
        squares += lr**2
        torch._foreach_lerp_(x, z, lr**2 / squares if squares else 0.0)  # while lr is 0, x is z
        torch._foreach_copy_(weights, torch._foreach_lerp(z, x, group["momentum"]))
        for p in weights:
            self.state[p].update(squares=squares, beta=group["momentum"])


def _moved(weights: list[Tensor], x: list[Tensor], z: list[Tensor], beta: float) -> tuple[Tensor, ...]:
    """Return how far the weights were moved since the last step left them at y: exactly 0 where nobody did."""
    return torch._foreach_sub(weights, torch._foreach_lerp(z, x, beta))
