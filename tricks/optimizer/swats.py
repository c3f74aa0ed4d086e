"""SWATS: Adam, until its steps have shown SGD's learning rate. Keskar & Socher 2017, arXiv:1712.07628, algorithm 1.

    g = grad + weight_decay * w
    Adam:  m <- beta1 m + (1 - beta1) g,    a <- beta2 a + (1 - beta2) g^2
           p = -lr sqrt(1 - beta2^k) / (1 - beta1^k) * m / (sqrt(a) + eps),    w <- w + p
           where p.g is not 0:  gamma = p.p / (-p.g),    lambda <- beta2 lambda + (1 - beta2) gamma
           from k = 2 on, where |lambda / (1 - beta2^k) - gamma| < eps:  Lambda = lambda / (1 - beta2^k), v = 0, and SGD
    SGD:   v <- beta1 v + g,    w <- w - (1 - beta1) Lambda v

p and g are of all parameters together, so all switch at once. The decay is coupled; the algorithm has none. A schedule
of lr goes on after the switch: Lambda is multiplied by lr over the lr of the step that switched. A group's lr_scale
multiplies its steps in both phases, and is left out of gamma.

Differs from the paper: it does not switch where Lambda is not above 0, for SGD would go uphill.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


class SWATS(torch.optim.Optimizer):
    """Algorithm 1; beta1 is the knob momentum.

    What concerns all parameters is kept in the first one's state, in its precision: an eps below that of gamma asks for
    numbers that are equal.
    """

    def __init__(
        self,
        groups: list[dict[str, Any]],
        *,
        lr: float = 1e-3,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-9,
        weight_decay: float = 0.0,
    ) -> None:
        for name, value in (("lr", lr), ("weight_decay", weight_decay)):
            if value < 0:
                raise ValueError(f"{name} must be at least 0, got {value:g}")
        for name, value in (("beta1", beta1), ("beta2", beta2)):
            if not 0 <= value < 1:
                raise ValueError(f"{name} must lie in [0, 1), got {value:g}")
        if eps <= 0:
            raise ValueError(f"eps must be above 0, got {eps:g}")
        self.beta2, self.eps = beta2, eps
        super().__init__(groups, {"lr": lr, "betas": (beta1, beta2), "weight_decay": weight_decay})

    def momentum_gain(self, momentum: float) -> float:
        """m is a moving average, and v is taken times 1 - beta1: a steady gradient's step does not grow with it."""
        return 1.0

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor | None:  # type: ignore[override]  # a Tensor
        """One step on the parameters that have a gradient; returns the closure's loss."""
        with torch.enable_grad():
            loss = None if closure is None else closure()
        chosen = [(g, w) for g in self.param_groups if (w := [p for p in g["params"] if p.grad is not None])]
        if chosen:
            first = self.param_groups[0]["params"][0]
            common = self.state[first]
            if "k" not in common:  # lambda, Lambda (0: Adam's phase) and the lr of the step that switched
                common.update(k=0, **{name: first.new_zeros(()) for name in ("mean", "rate", "switched_at")})
            common["k"] += 1
            products = torch.stack([self._update(group, weights, common) for group, weights in chosen]).sum(0)
            self._project(common, products, max(_lr(group) for group, _ in chosen))
        return loss

    def _update(self, group: dict[str, Any], weights: list[Tensor], common: dict[str, Any]) -> Tensor:
        """A step of the phase that it is; returns p.p and -p.g of these parameters, without the group's lr_scale.

        Which phase that is, is not read back from the device: of Adam's step and SGD's one is multiplied by 0.
        """
        for w in weights:
            if "t" not in self.state[w]:
                self.state[w].update(t=0, **{name: torch.zeros_like(w) for name in ("m", "a", "v")})
            self.state[w]["t"] += 1
        t, m, a, v = ([self.state[w][key] for w in weights] for key in ("t", "m", "a", "v"))
        beta1, beta2 = group["betas"]
        gradients: list[Tensor] = [w.grad for w in weights]  # type: ignore[misc]  # step chose those that have one
        g = torch._foreach_add(gradients, weights, alpha=group["weight_decay"])
        torch._foreach_lerp_(m, g, 1 - beta1)
        torch._foreach_mul_(a, beta2)
        torch._foreach_addcmul_(a, g, g, 1 - beta2)
        p = torch._foreach_div(m, torch._foreach_add(torch._foreach_sqrt(a), self.eps))
        torch._foreach_mul_(p, [math.sqrt(1 - beta2**n) / (1 - beta1**n) for n in t])
        square, along = (torch.stack([(x * y).sum() for x, y in zip(p, q, strict=True)]).sum() for q in (p, g))
        sgd = common["rate"] > 0
        torch._foreach_mul_(v, beta1)
        torch._foreach_add_(v, g)
        torch._foreach_mul_(v, sgd.to(v[0].dtype))
        torch._foreach_mul_(p, (~sgd).to(v[0].dtype))
        rate = torch.where(sgd, common["rate"] / common["switched_at"], 0.0)
        torch._foreach_add_(p, torch._foreach_mul(v, (1 - beta1) * rate))
        torch._foreach_add_(weights, p, alpha=-group["lr"])
        return torch.stack([_lr(group) ** 2 * square, _lr(group) * along])

    def _project(self, common: dict[str, Any], products: Tensor, lr: float) -> None:
        """Move the rate's average, and switch where it agrees with the rate of this step."""
        (square, along), mean = products, common["mean"]
        gamma, adam = square / along, (along != 0) & (common["rate"] == 0)
        mean.copy_(torch.where(adam, self.beta2 * mean + (1 - self.beta2) * gamma, mean))
        corrected = mean / (1 - self.beta2 ** common["k"])
        agree = adam & (corrected > 0) & ((corrected - gamma).abs() < self.eps)
        if common["k"] > 1:
            common["rate"].copy_(torch.where(agree, corrected, common["rate"]))
            common["switched_at"].copy_(torch.where(agree, lr, common["switched_at"]))


def _lr(group: dict[str, Any]) -> float:
    """This step's lr without the group's lr_scale; 0 where that is 0, and nothing of the group moves."""
    scale = group.get("lr_scale", 1.0)
    return group["lr"] / scale if scale else 0.0
