"""Stochastic gradient descent with momentum. In the form of Goyal et al. 2017, arXiv:1706.02677, section 3.

    g = grad + weight_decay * w,    u <- momentum * u + (1 - dampening) * g,    w <- w - lr * u
    nesterov:  w <- w - lr * (g + momentum * u)

lr stands outside the velocity u, so a change of lr needs no correction of the momentum.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch.optim.sgd import sgd

_OPTIONS = ("lr", "momentum", "weight_decay", "dampening", "nesterov", "maximize", "foreach", "fused")


class SGD(torch.optim.SGD):
    """torch's SGD over parameter groups: one kernel on a GPU, torch's `foreach` elsewhere and where it dampens.

    With one kernel the velocities begin as zeros. torch would leave them uninitialised until the first step that is
    taken, and count one as taken that a scaler of fp16 leaves out. (The first velocity is g either way, but for a
    dampening, which torch does not apply to it.)
    """

    def __init__(
        self,
        groups: list[dict[str, Any]],
        *,
        lr: float = 0.1,
        momentum: float = 0.9,
        weight_decay: float = 1e-4,
        dampening: float = 0.0,
        nesterov: bool = False,
    ) -> None:
        if lr < 0:
            raise ValueError(f"lr must be at least 0, got {lr:g}")
        if not 0 <= momentum < 1:
            raise ValueError(f"momentum must lie in [0, 1), got {momentum:g}")
        if weight_decay < 0:
            raise ValueError(f"weight_decay must be at least 0, got {weight_decay:g}")
        if not 0 <= dampening <= 1:
            raise ValueError(f"dampening must lie in [0, 1], got {dampening:g}")
        if nesterov and (momentum == 0 or dampening != 0):
            raise ValueError("nesterov needs a momentum above 0 and dampening 0")
        fused = dampening == 0 and all(p.is_cuda for group in groups for p in group["params"])
        super().__init__(
            groups,
            lr=lr,
            momentum=momentum,
            weight_decay=weight_decay,
            dampening=dampening,
            nesterov=nesterov,
            fused=fused,
            foreach=not fused,
        )
        if fused and momentum:
            self._begin()

    @torch.no_grad()
    def _begin(self) -> None:
        for group in self.param_groups:
            for p in group["params"]:
                self.state[p]["momentum_buffer"] = torch.zeros_like(p)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """torch's step to the bit; torch's own imports its compiler, which takes as long as a short run."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        scaling: dict[str, Any] = {
            "grad_scale": getattr(self, "grad_scale", None),
            "found_inf": getattr(self, "found_inf", None),
        }
        for group in self.param_groups:
            weights: list[torch.Tensor] = []
            gradients: list[torch.Tensor] = []
            velocities: list[torch.Tensor | None] = []
            sparse = self._init_group(group, weights, gradients, velocities)
            options = {name: group[name] for name in _OPTIONS}
            sgd(weights, gradients, velocities, has_sparse_grad=sparse, **options, **scaling)
            for p, velocity in zip(weights, velocities, strict=False):  # without momentum there are none
                self.state[p]["momentum_buffer"] = velocity
        return loss

    def momentum_gain(self, momentum: float) -> float:
        """How many times lr a steady gradient's step is: u grows to (1 - dampening) / (1 - momentum) of it."""
        return (1 - self.defaults["dampening"]) / (1 - momentum) if momentum else 1.0
