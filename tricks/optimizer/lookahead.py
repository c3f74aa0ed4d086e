"""Lookahead: slow weights that follow every k steps of another optimizer. Zhang et al. 2019, arXiv:1907.08610, alg. 1.

    after each k steps of `inner` on the fast weights w:    slow <- slow + alpha * (w - slow),    w <- slow

slow begins as the first weights. The inner optimizer's state (its momentum) stays as it is when w is set back; where
its epsilon and its decay stand is its own affair. A steady gradient moves the slow weights by alpha of what it would
move w by alone.

Differs from the paper: what is evaluated are the weights w; they are the slow ones only after a multiple of k steps.
"""

from typing import Any

import torch
from torch import Tensor


def lookahead(
    groups: list[dict[str, Any]], inner: torch.optim.Optimizer, *, k: int = 5, alpha: float = 0.5
) -> torch.optim.Optimizer:
    """`inner` itself, which from now on looks ahead; its knobs are as they were, and `slow` stands in its state.

    inner: an optimizer of the same groups. k: steps to a synchronisation. alpha: the slow weights' step size. A run of
    fewer updates than k is refused (`check_updates`): it would be one of `inner` alone.
    """
    if k < 1:
        raise ValueError(f"k must be at least 1, got {k}")
    if not 0 < alpha <= 1:
        raise ValueError(f"alpha must lie in (0, 1], got {alpha:g}")
    if inner._optimizer_step_post_hooks:
        raise ValueError("inner must not look ahead itself")
    weights = [p for group in groups for p in group["params"]]
    first: dict[Tensor, Tensor] = {}

    def before(optimizer: torch.optim.Optimizer, *_: Any) -> None:
        first.update({p: p.detach().clone() for p in weights if "slow" not in optimizer.state.get(p, {})})

    @torch.no_grad()
    def after(optimizer: torch.optim.Optimizer, *_: Any) -> None:
        due = []
        for p in weights:
            if p.grad is None:
                continue
            state = optimizer.state[p]
            if p in first:  # not earlier: torch's optimizers begin a parameter's state where there is none
                state.update(slow=first[p], ahead=0)
            state["ahead"] = (state["ahead"] + 1) % k
            if state["ahead"] == 0:
                due.append(p)
        first.clear()
        if due:
            slow = [optimizer.state[p]["slow"] for p in due]
            torch._foreach_lerp_(slow, due, alpha)
            torch._foreach_copy_(due, slow)

    inner.register_step_pre_hook(before)
    inner.register_step_post_hook(after)
    _tell(inner, k, alpha)
    return inner


def _tell(inner: Any, k: int, alpha: float) -> None:
    """Set what the optimizer says of itself: how many updates it needs, and what its momentum comes to where known."""
    checks, gain = getattr(inner, "check_updates", None), getattr(inner, "momentum_gain", None)

    def check_updates(updates: int) -> None:
        if k > updates:
            raise ValueError(f"k must be at most the run's {updates} updates, got {k}")
        if checks is not None:
            checks(updates)

    inner.check_updates = check_updates
    if gain is not None:
        inner.momentum_gain = lambda momentum: alpha * gain(momentum)
