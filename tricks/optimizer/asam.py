"""ASAM: SAM in a ball that is scaled by the weights. Kwon et al. 2021, arXiv:2102.11600, equation 8, element-wise.

    e = rho * T^2 g / ||T g||,    the step of `inner` from w, by the gradient at w + e
    T = |w| + eta  for weights,    1  for the other parameters, as in the authors' code

||.|| is the Euclidean norm over all parameters together. The decay of `inner` has no part in e. All that changes the
gradients before the step changes both: g, and the gradient at w + e.

Differs from the paper: weights are parameters of two dimensions or more; in the authors' code a normalisation's gamma
is one too. Where g is 0, so is e.
"""

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def asam(
    groups: list[dict[str, Any]], inner: torch.optim.Optimizer, *, rho: float = 0.5, eta: float = 0.01
) -> torch.optim.Optimizer:
    """`inner` itself, whose steps from now on call their closure twice; its knobs and its state are as they were.

    inner: an optimizer of the same groups, which may look ahead. rho: the ball's radius. eta: what lets weights near 0
    move.
    """
    if not rho > 0:
        raise ValueError(f"rho must be above 0, got {rho:g}")
    if not eta >= 0:
        raise ValueError(f"eta must be at least 0, got {eta:g}")
    if "seek_sharpness" in {hook.__name__ for hook in inner._optimizer_step_pre_hooks.values()}:
        raise ValueError("inner must not be sharpness-aware itself")
    weights = [p for group in groups for p in group["params"]]

    def seek_sharpness(optimizer: Any, args: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        closure = args[1] if len(args) > 1 else named.get("closure")
        if closure is None:
            raise ValueError("asam takes two gradients a step, and has no closure to ask for them")
        return (optimizer, functools.partial(_twice, closure, weights, rho, eta)), {}

    inner.register_step_pre_hook(seek_sharpness)
    return inner


def _twice(closure: Callable[[], Tensor], weights: list[Tensor], rho: float, eta: float) -> Tensor:
    """Leave the gradients at w + e, and the weights w as they are to the bit; returns the loss at w."""
    loss = closure()
    moved = [p for p in weights if p.grad is not None]
    with torch.no_grad():
        before = [p.clone() for p in moved]
        torch._foreach_add_(moved, _ascent(moved, rho, eta))
    closure()
    with torch.no_grad():
        torch._foreach_copy_(moved, before)
    return loss


def _ascent(weights: list[Tensor], rho: float, eta: float) -> list[Tensor]:
    """The e of each weight. Where the norm is not finite it is nan, so that a run that has diverged shows it."""
    g: list[Tensor] = [p.grad for p in weights]  # type: ignore[misc]  # the caller chose those that have one
    scale = [p.abs() + eta if p.ndim > 1 else torch.ones_like(p) for p in weights]
    e = torch._foreach_mul(g, scale)
    norm = torch.stack(torch._foreach_norm(e)).norm()
    size = torch.where(norm == 0, 0.0, rho / norm)
    torch._foreach_mul_(e, scale)
    torch._foreach_mul_(e, torch.where(norm.isfinite(), size, torch.nan))
    return list(e)
