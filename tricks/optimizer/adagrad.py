"""Adagrad: each weight's rate falls with the sum of its squared gradients. Duchi et al. 2011, JMLR 12.

    g = grad + weight_decay * w,    G <- G + g^2,    w <- w - lr * g / (sqrt(G) + eps)
    eps_inside:  w <- w - lr * g / sqrt(G + eps)     as in Ruder 2016, arXiv:1609.04747

The decay is coupled: it is a part of g, so it is summed in G and divided by the root. For gradients much smaller than
sqrt(eps) an eps inside the root makes steps much smaller than one outside.
"""

from typing import Any

import torch


class Adagrad(torch.optim.Adagrad):
    """torch's Adagrad over parameter groups, by its `foreach`: not every torch has one kernel for it on a GPU.

    eps_inside: whether eps stands inside the root. The paper has no decay.
    """

    def __init__(
        self,
        groups: list[dict[str, Any]],
        *,
        lr: float = 0.01,
        eps: float = 1e-10,
        eps_inside: bool = False,
        weight_decay: float = 0.0,
    ) -> None:
        for name, value in (("lr", lr), ("weight_decay", weight_decay)):
            if value < 0:
                raise ValueError(f"{name} must be at least 0, got {value:g}")
        if eps <= 0:
            raise ValueError(f"eps must be above 0, got {eps:g}")
        super().__init__(
            groups,
            lr=lr,
            eps=0.0 if eps_inside else eps,
            initial_accumulator_value=eps if eps_inside else 0.0,  # a sum that begins at eps is G + eps
            weight_decay=weight_decay,
            foreach=True,
        )

    def momentum_gain(self, momentum: float) -> float:
        """1: there is no momentum."""
        return 1.0
