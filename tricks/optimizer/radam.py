"""RAdam: Adam with its adaptive rate's variance rectified. Liu et al. 2020, arXiv:1908.03265, algorithm 2.

    m <- beta1 m + (1 - beta1) grad,    v <- beta2 v + (1 - beta2) grad^2,    m' = m / (1 - beta1^t)
    rho_inf = 2 / (1 - beta2) - 1,    rho_t = rho_inf - 2 t beta2^t / (1 - beta2^t)
    rho_t > threshold:  w <- (1 - lr * weight_decay) w - lr * r_t * m' * sqrt(1 - beta2^t) / (sqrt(v) + eps)
                        r_t = sqrt((rho_t - 4) (rho_t - 2) rho_inf / ((rho_inf - 4) (rho_inf - 2) rho_t))
    otherwise:          w <- (1 - lr * weight_decay) w - lr * m'

The paper has no eps; it stands outside the root and before the bias correction, as in the authors' code. The decay is
decoupled from the moments and coupled to lr, as there. The paper's threshold is 4: rectified from step 5 on. torch's
RAdam has 5, and so step 6.

replaced_by is the experiment of table 3, on the n steps that cannot be rectified (four, by the threshold 4):
    adam:      w <- (1 - lr * weight_decay) w - lr * m' * sqrt(1 - beta2^t) / (sqrt(v) + eps)
    sgd_adam:  the first n steps are as above, otherwise; the next n are Adam's; then by rho_(t - n) and r_(t - n)
"""

import itertools
import math
from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor


class RAdam(torch.optim.Optimizer):
    """Rectified Adam; beta1 is the knob momentum.

    threshold: of rho_t. degenerated_to_sgd: whether steps that cannot be rectified are steps of momentum, or (as by the
    default of the authors' package) leave the weights alone. replaced_by: what else is done in these steps.
    """

    def __init__(
        self,
        groups: list[dict[str, Any]],
        *,
        lr: float = 1e-3,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        threshold: float = 4.0,
        degenerated_to_sgd: bool = True,
        replaced_by: Literal["adam", "sgd_adam"] | None = None,
    ) -> None:
        for name, value, least in (("lr", lr, 0), ("weight_decay", weight_decay, 0), ("threshold", threshold, 4)):
            if value < least:
                raise ValueError(f"{name} must be at least {least}, got {value:g}")
        for name, value in (("beta1", beta1), ("beta2", beta2)):
            if not 0 <= value < 1:
                raise ValueError(f"{name} must lie in [0, 1), got {value:g}")
        if eps <= 0:
            raise ValueError(f"eps must be above 0, got {eps:g}")
        if replaced_by is not None and not degenerated_to_sgd:
            raise ValueError(f"replaced_by must be null where degenerated_to_sgd is false, got {replaced_by}")
        self.eps, self.threshold, self.degenerated_to_sgd = eps, threshold, degenerated_to_sgd
        self.adam, self.late = replaced_by is not None, 0
        if replaced_by == "sgd_adam":
            self.late = self._unrectified(beta2)
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
            alike: dict[int, list[Tensor]] = {}  # by their number of steps: one list, unless some had no gradient
            for p in group["params"]:
                if p.grad is not None:
                    if not self.state[p]:
                        self.state[p].update(t=0, m=torch.zeros_like(p), v=torch.zeros_like(p))
                    self.state[p]["t"] += 1
                    alike.setdefault(self.state[p]["t"], []).append(p)
            for t, weights in alike.items():
                self._update(group, weights, t)
        return loss

    def _update(self, group: dict[str, Any], weights: list[Tensor], t: int) -> None:
        m, v = ([self.state[p][key] for p in weights] for key in ("m", "v"))
        g: list[Tensor] = [p.grad for p in weights]  # type: ignore[misc]  # step chose those that have one
        beta1, beta2 = group["betas"]
        torch._foreach_lerp_(m, g, 1 - beta1)
        torch._foreach_mul_(v, beta2)
        torch._foreach_addcmul_(v, g, g, 1 - beta2)
        size, rectification = group["lr"] / (1 - beta1**t), self._factor(beta2, t - self.late)
        if rectification or self.degenerated_to_sgd:
            torch._foreach_mul_(weights, 1 - group["lr"] * group["weight_decay"])
        if rectification:
            root = torch._foreach_sqrt(v)
            torch._foreach_add_(root, self.eps)
            torch._foreach_addcdiv_(weights, m, root, -size * rectification * math.sqrt(1 - beta2**t))
        elif self.degenerated_to_sgd:
            torch._foreach_add_(weights, m, alpha=-size)

    def _factor(self, beta2: float, t: int) -> float:
        """Of the adaptive step: r_t, or 1 where Adam's stands in for it; 0 where there is none (t below 1)."""
        if t < 1:
            return 0.0
        return self._rectification(beta2, t) or float(self.adam)

    def _unrectified(self, beta2: float) -> int:
        """How many steps cannot be rectified."""
        if 2 / (1 - beta2) - 1 <= self.threshold:
            raise ValueError(f"beta2 must be so large that a step is rectified, got {beta2:g}")
        return next(t for t in itertools.count() if self._rectification(beta2, t + 1))

    def _rectification(self, beta2: float, t: int) -> float:
        """r_t, or 0 where the variance cannot be rectified yet."""
        limit = 2 / (1 - beta2) - 1
        rho = limit - 2 * t * beta2**t / (1 - beta2**t)
        if rho <= self.threshold:
            return 0.0
        return math.sqrt((rho - 4) * (rho - 2) * limit / ((limit - 4) * (limit - 2) * rho))
