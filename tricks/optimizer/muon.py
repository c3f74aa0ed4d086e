"""Muon: momentum steps of hidden weights, made orthogonal. Jordan et al. 2024, kellerjordan.github.io/posts/muon.

    v <- momentum * v + grad,    G = grad + momentum * v  (nesterov),  or v,    as a matrix: outputs x all the rest
    X = G / (||G|| + 1e-7),    ns_steps times:  A = X X^T,  X <- 3.4445 X + (-4.7750 A + 2.0315 A A) X
    w <- (1 - lr * weight_decay) w - lr * max(1, rows / columns)^(1/2) * X    (without rescale: - lr * X)
    normalize:  w <- w * rows^(1/2) / ||w||  before it, as in the author's code for CIFAR-10 (airbench)
    all other parameters:  w <- (1 - sgd_lr * weight_decay) w - sgd_lr * G,    sgd_lr scheduled as lr is

Differs from the paper: the other parameters take SGD's steps, as in airbench, and not AdamW's. rows / columns are the
matrix's, where the author's code takes a kernel's sides.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


class Muon(torch.optim.Optimizer):
    """Orthogonal steps for hidden matrices and SGD's for the rest, with one momentum.

    A matrix has at least two rows (outputs) and two columns. In the order of the groups the first is the input layer,
    and the last, where it has num_classes rows, the output layer: input_layer and output_layer make these hidden too.
    bfloat16: whether a GPU multiplies in it; a CPU does in the weights' type. ValueError where no matrix is hidden.
    """

    def __init__(
        self,
        groups: list[dict[str, Any]],
        *,
        num_classes: int,
        lr: float = 0.02,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
        nesterov: bool = True,
        ns_steps: int = 5,
        rescale: bool = True,
        normalize: bool = False,
        input_layer: bool = False,
        output_layer: bool = False,
        bfloat16: bool = True,
        sgd_lr: float = 0.05,
    ) -> None:
        for name, value in (("lr", lr), ("ns_steps", ns_steps), ("sgd_lr", sgd_lr)):
            if value <= 0:
                raise ValueError(f"{name} must be above 0, got {value:g}")
        if not 0 <= momentum < 1:
            raise ValueError(f"momentum must lie in [0, 1), got {momentum:g}")
        if weight_decay < 0:
            raise ValueError(f"weight_decay must be at least 0, got {weight_decay:g}")
        self.nesterov, self.ns_steps, self.rescale = nesterov, ns_steps, rescale
        self.normalize, self.bfloat16 = normalize, bfloat16
        matrices = [p for group in groups for p in group["params"] if p.ndim > 1 and len(p) > 1 and p[0].numel() > 1]
        ends = [] if input_layer else matrices[:1]
        ends += [] if output_layer else [p for p in matrices[-1:] if len(p) == num_classes]
        hidden = {id(p) for p in matrices} - {id(p) for p in ends}
        if matrices and not hidden:
            raise ValueError("muon finds no hidden weight: input_layer or output_layer takes the first or the last one")
        defaults = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay}
        super().__init__(_split(groups, hidden, sgd_lr / lr), defaults)

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
        g: list[Tensor] = [p.grad for p in weights]  # type: ignore[misc]  # step chose those that have one
        torch._foreach_mul_(v, group["momentum"])
        torch._foreach_add_(v, g)
        change = list(torch._foreach_add(g, v, alpha=group["momentum"])) if self.nesterov else v
        if group["hidden"]:
            change = self._orthogonal(change)
            if self.normalize:
                norms = zip(weights, torch._foreach_norm(weights), strict=True)
                torch._foreach_mul_(weights, [torch.where(n == 0, 1.0, len(p) ** 0.5 / n) for p, n in norms])
        torch._foreach_mul_(weights, 1 - group["lr"] * group["weight_decay"])
        torch._foreach_sub_(weights, change, alpha=group["lr"])

    def _orthogonal(self, change: list[Tensor]) -> list[Tensor]:
        """X of each G, rescaled; those of one shape are multiplied together."""
        made: dict[int, Tensor] = {}
        for shape in {g.shape for g in change}:
            alike = [i for i, g in enumerate(change) if g.shape == shape]
            x = torch.stack([change[i].flatten(1) for i in alike])
            x = _newton_schulz(x.bfloat16() if x.is_cuda and self.bfloat16 else x, self.ns_steps)
            x = x * max(1.0, x.shape[1] / x.shape[2]) ** 0.5 if self.rescale else x
            made |= zip(alike, x.to(change[0].dtype).unflatten(2, shape[1:]), strict=True)
        return [made[i] for i in range(len(change))]


def _newton_schulz(g: Tensor, steps: int) -> Tensor:
    """Matrices n x rows x columns with their singular values brought near 1. A norm that is not finite makes nan."""
    norm = torch.linalg.matrix_norm(g, keepdim=True)
    x = (g.mT if g.shape[1] > g.shape[2] else g) / torch.where(norm.isfinite(), norm + 1e-7, torch.nan)
    for _ in range(steps):
        a = x @ x.mT
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    return x.mT if g.shape[1] > g.shape[2] else x


def _split(groups: list[dict[str, Any]], hidden: set[int], scale: float) -> list[dict[str, Any]]:
    """Each group as two: its hidden weights, and the others with their own scale of lr."""
    made = []
    for group in groups:
        for inside, own in ((True, 1.0), (False, scale)):
            members = [p for p in group["params"] if (id(p) in hidden) is inside]
            made.append({**group, "params": members, "hidden": inside, "lr_scale": group.get("lr_scale", 1.0) * own})
    return [group for group in made if group["params"]]
