"""Stochastic depth: residual branches are dropped at random while training. Huang et al. 2016, arXiv:1603.09382.

    training:    F'(x) = b_l F(x),  b_l ~ Bernoulli(p_l)          (equation 2)
    evaluation:  F'(x) = p_l F(x)                                 (equation 5)
    p_l = 1 - l / L (1 - p_L)   for block l of L                  (equation 4; uniform: p_l = p_L)

Several branches of a block are summed first, and dropped together.

Differs from the paper: a dropped branch is computed and multiplied by 0, so that no time is saved, and what it
normalises is counted in the running statistics.
"""

from typing import Literal

import torch
from torch import Tensor, nn


class StochasticDepth(nn.Module):
    """The sum of a block's branches, with probability p_l, or else zero.

    p_last: p_L, the survival probability of the last block. rule: whether p_l falls linearly to it, or all blocks have
    it. per: one draw for the whole batch, as in the paper, or one for each image.
    """

    def __init__(
        self,
        index: int,
        total: int,
        branches: int,
        channels: int,
        p_last: float = 0.5,
        rule: Literal["linear", "uniform"] = "linear",
        per: Literal["batch", "image"] = "batch",
    ) -> None:
        super().__init__()
        if not 0 <= p_last <= 1:
            raise ValueError(f"p_last must lie in [0, 1], got {p_last:g}")
        self.p = 1 - index / total * (1 - p_last) if rule == "linear" else p_last
        self.per = per
        self.in_parts = False  # whether batches are taken in parts
        self.gate: Tensor | None = None  # then the batch's draw, from its first part on
        self.generator: torch.Generator | None = None  # of draws for a whole batch; None: torch's own

    def part(self, start: int, stop: int, of: int) -> None:
        """A later part of a batch has the draw of its first."""
        self.in_parts = True
        self.gate = self.gate if start else None

    def forward(self, *branches: Tensor) -> Tensor:
        """Tensors of one shape, B first -> one of that shape."""
        x = sum(branches[1:], start=branches[0])
        if not self.training:
            return x * self.p
        if self.per == "image" or not self.in_parts:
            return x * self._survives(x, len(x) if self.per == "image" else 1)
        if self.gate is None:
            self.gate = self._survives(x, 1)
        return x * self.gate

    def _survives(self, x: Tensor, draws: int) -> Tensor:
        """b_l, as numbers 0 and 1 that multiply x."""
        generator = None if self.per == "image" else self.generator
        drawn = torch.empty(draws, *[1] * (x.ndim - 1), device=x.device)
        return drawn.bernoulli_(self.p, generator=generator).to(x.dtype)

    def extra_repr(self) -> str:
        """What the network's printout says of it."""
        return f"p={self.p:g}, per={self.per}"
