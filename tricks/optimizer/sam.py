"""SAM: the gradient of the weights' worst neighbour within a ball. Foret et al. 2020, arXiv:2010.01412, equation 2.

    e = rho * g / ||g||,    the step of `inner` from w, by the gradient at w + e

||.|| is the Euclidean norm over all parameters together. The decay of `inner` has no part in e. All that changes the
gradients before the step changes both: g, and the gradient at w + e.

Differs from the paper: where g is 0, so is e.
"""

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def sam(groups: list[dict[str, Any]], inner: torch.optim.Optimizer, *, rho: float = 0.05) -> torch.optim.Optimizer:
    """`inner` itself, whose steps from now on call their closure twice; its knobs and its state are as they were.

    inner: an optimizer of the same groups, which may look ahead. rho: the ball's radius.
    """
    if not rho > 0:
        raise ValueError(f"rho must be above 0, got {rho:g}")
    if "seek_sharpness" in {hook.__name__ for hook in inner._optimizer_step_pre_hooks.values()}:
        raise ValueError("inner must not be sharpness-aware itself")
    weights = [p for group in groups for p in group["params"]]

    def seek_sharpness(optimizer: Any, args: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        closure = args[1] if len(args) > 1 else named.get("closure")
        if closure is None:
            raise ValueError("sam takes two gradients a step, and has no closure to ask for them")
        return (optimizer, functools.partial(_twice, closure, weights, rho)), {}

    inner.register_step_pre_hook(seek_sharpness)
    return inner


def _twice(closure: Callable[[], Tensor], weights: list[Tensor], rho: float) -> Tensor:
    """Leave the gradients at w + e, and the weights w as they are to the bit; returns the loss at w."""
    loss = closure()
    moved = [p for p in weights if p.grad is not None]
    with torch.no_grad():
        before = [p.clone() for p in moved]
        torch._foreach_add_(moved, _ascent(moved, rho))
    closure()
    with torch.no_grad():
        torch._foreach_copy_(moved, before)
    return loss


def _ascent(weights: list[Tensor], rho: float) -> list[Tensor]:
    """The e of each weight. Where the norm is not finite it is nan, so that a run that has diverged shows it."""
    g: list[Tensor] = [p.grad for p in weights]  # type: ignore[misc]  # the caller chose those that have one
    norm = torch.stack(torch._foreach_norm(g)).norm()
    size = torch.where(norm == 0, 0.0, rho / norm)
    return list(torch._foreach_mul(g, torch.where(norm.isfinite(), size, torch.nan)))
