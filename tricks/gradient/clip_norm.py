"""Gradient clipping by the norm of all gradients together. Pascanu et al. 2013, arXiv:1211.5063.

    g <- g * min(1, max_norm / ||g||)

Differs from the paper: where ||g|| is not finite, every gradient becomes nan. Scaled by max_norm / inf they would all
be zero, and a run that has diverged would look like one that stands still.
"""

from collections.abc import Iterable

import torch
from torch import nn
from torch.nn.utils import clip_grads_with_norm_, get_total_norm


class ClipNorm:
    """Scales the gradients so that their Euclidean norm is at most `max_norm`; never waits for the device."""

    def __init__(self, max_norm: float = 1.0) -> None:
        if not max_norm > 0:
            raise ValueError(f"max_norm must be above 0, got {max_norm:g}")
        self.max_norm = max_norm

    @torch.no_grad()
    def __call__(self, parameters: Iterable[nn.Parameter]) -> None:
        """Change the parameters' gradients in place."""
        having = [p for p in parameters if p.grad is not None]
        assert having, "no gradients: backward comes first"
        norm = get_total_norm([p.grad for p in having])  # type: ignore[misc]  # none of them is None
        norm = torch.where(norm.isfinite(), norm, torch.nan)
        clip_grads_with_norm_(having, self.max_norm, norm)
