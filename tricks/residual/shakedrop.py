"""ShakeDrop: some residual branches are multiplied by random numbers. Yamada et al. 2018, arXiv:1802.02375.

    forward:     F'(x) = (b_l + alpha - b_l alpha) F(x)
    backward:    dF'/dF = b_l + beta - b_l beta
    evaluation:  F'(x) = (p_l + (1 - p_l) E[alpha]) F(x)
    b_l ~ Bernoulli(p_l),  p_l = 1 - l / L (1 - p_L)   for block l of L      (uniform: p_l = p_L)

alpha and beta are uniform. alpha = beta = 0 is stochastic depth, and p_L = 0 with the uniform rule is the paper's
one-branch Shake, which does not train. b_l is one draw for the whole batch, as in the authors' code; the level is that
of alpha and beta. The paper asks for branches that end in a normalisation; elsewhere for alpha = [0, 0].
"""

from collections.abc import Callable, Iterator
from typing import Literal

import torch
from torch import Tensor, nn

_KEPT = {"batch": 0, "image": 1, "channel": 2, "pixel": 4}  # dimensions of B C H W along which draws differ


class ShakeDrop(nn.Module):
    """The sum of a block's branches, with b_l = 0 disturbed: by alpha forward, by beta backward.

    p_last: p_L, of the last block. alpha, beta: their lowest and highest values. level: what shares a draw of alpha and
    beta. type: A sums the branches and disturbs the sum, B disturbs each for itself and sums them. rule: whether p_l
    falls linearly to p_L, or all blocks have it.
    """

    def __init__(
        self,
        index: int,
        total: int,
        branches: int,
        channels: int,
        p_last: float = 0.5,
        alpha: list[float] = [-1.0, 1.0],  # noqa: B006 (never changed)
        beta: list[float] = [0.0, 1.0],  # noqa: B006
        level: Literal["batch", "image", "channel", "pixel"] = "image",
        type: Literal["A", "B"] = "A",
        rule: Literal["linear", "uniform"] = "linear",
    ) -> None:
        super().__init__()
        if not 0 <= p_last <= 1:
            raise ValueError(f"p_last must lie in [0, 1], got {p_last:g}")
        for name, ends in (("alpha", alpha), ("beta", beta)):
            if len(ends) != 2 or not ends[0] <= ends[1]:
                raise ValueError(f"{name} must be [low, high] with low at most high, got {ends}")
        self.p = 1 - index / total * (1 - p_last) if rule == "linear" else p_last
        self.alpha, self.beta, self.level, self.each = tuple(alpha), tuple(beta), level, type == "B"
        self.kept: list[Tensor] | None = None  # the batch's draws; None where batches are taken whole
        self.again: Iterator[Tensor] | None = None  # those draws, for a later part
        self.generator: torch.Generator | None = None  # of draws for a whole batch; None: torch's own

    def part(self, start: int, stop: int, of: int) -> None:
        """A later part of a batch has the batch's draws of its first."""
        if start == 0:
            self.kept = []
        self.again = iter(self.kept or []) if start else None

    def forward(self, *branches: Tensor) -> Tensor:
        """Tensors of one shape B C H W -> one of that shape."""
        if self.each:
            branches = tuple(self._disturbed(branch) for branch in branches)
        total = sum(branches[1:], start=branches[0])
        return total if self.each else self._disturbed(total)

    def _disturbed(self, x: Tensor) -> Tensor:
        if not self.training:
            return x * (self.p + (1 - self.p) * sum(self.alpha) / 2)
        # b + alpha - b alpha is 1 with b = 1, else alpha
        gate = self._once(lambda: torch.rand([1] * x.ndim, device=x.device, generator=self.generator)) < self.p
        forward, backward = (torch.where(gate, 1.0, self._draw(x, ends)) for ends in (self.alpha, self.beta))
        # The value has the forward coefficient; the gradient sees only the first term, and so the backward one.
        return x * backward.to(x.dtype) + x.detach() * (forward - backward).to(x.dtype)

    def _draw(self, x: Tensor, ends: tuple[float, ...]) -> Tensor:
        """Uniform float32 draws, of the size 1 where they are shared; for pixels, in x's memory format."""
        part = x[tuple(slice(None if d < _KEPT[self.level] else 1) for d in range(x.ndim))]
        drawn = torch.empty_like(part, dtype=torch.float32)
        if self.level == "batch":
            return self._once(lambda: drawn.uniform_(*ends, generator=self.generator))
        return drawn.uniform_(*ends)

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
        return f"p={self.p:g}, alpha={self.alpha}, beta={self.beta}, level={self.level}"
