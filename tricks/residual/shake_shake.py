"""Shake-Shake: a random mixture of two branches, drawn anew for the backward pass. Gastaldi 2017, arXiv:1705.07485.

    forward:     F(x) = alpha F_1(x) + (1 - alpha) F_2(x)
    backward:    dF/dF_1 = beta,  dF/dF_2 = 1 - beta
    evaluation:  F(x) = F_1(x) / 2 + F_2(x) / 2

alpha is 1/2 (even) or drawn from U(0, 1) (shake); beta is alpha (keep), 1/2 (even) or a draw of its own (shake).
"""

from collections.abc import Callable, Iterator
from typing import Literal

import torch
from torch import Tensor, nn


class ShakeShake(nn.Module):
    """A mixture of exactly two branches; ValueError where a block has another number of them.

    forward: alpha's rule, backward: beta's. level: whether a draw is for a whole batch, or for one image.
    """

    def __init__(
        self,
        index: int,
        total: int,
        branches: int,
        channels: int,
        forward: Literal["shake", "even"] = "shake",
        backward: Literal["shake", "even", "keep"] = "shake",
        level: Literal["image", "batch"] = "image",
    ) -> None:
        super().__init__()
        if branches != 2:
            raise ValueError(
                f"shake_shake mixes exactly 2 branches of a block, and this network's blocks have {branches}"
            )
        self.alpha, self.beta, self.level = forward, backward, level
        self.kept: list[Tensor] | None = None  # the batch's draws; None where batches are taken whole
        self.again: Iterator[Tensor] | None = None  # those draws, for a later part
        self.generator: torch.Generator | None = None  # of draws for a whole batch; None: torch's own

    def part(self, start: int, stop: int, of: int) -> None:
        """A later part of a batch has the batch's draws of its first."""
        if start == 0:
            self.kept = []
        self.again = iter(self.kept or []) if start else None

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Two tensors of one shape, B first -> one of that shape."""
        difference = first - second
        if not self.training:
            return second + 0.5 * difference
        alpha = self._coefficient(self.alpha, first)
        beta = alpha if self.beta == "keep" else self._coefficient(self.beta, first)
        # The value has alpha; the gradient sees only the terms that are not detached, and so beta.
        return second + beta * difference + (alpha - beta) * difference.detach()

    def _coefficient(self, rule: str, x: Tensor) -> Tensor:
        if rule == "even":
            return torch.full([1] * x.ndim, 0.5, device=x.device, dtype=x.dtype)
        rest = [1] * (x.ndim - 1)
        if self.level == "image":
            return torch.rand(len(x), *rest, device=x.device).to(x.dtype)
        return self._once(lambda: torch.rand(1, *rest, device=x.device, generator=self.generator)).to(x.dtype)

    def _once(self, draw: Callable[[], Tensor]) -> Tensor:
        """A draw for a whole batch."""
        if self.again is not None:
            return next(self.again)
        drawn = draw()
        if self.kept is not None:
            self.kept.append(drawn)
        return drawn

    def extra_repr(self) -> str:
        """What the network's printout says of it."""
        return f"forward={self.alpha}, backward={self.beta}, level={self.level}"
