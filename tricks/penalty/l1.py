"""L1 penalty, coupled or by exact soft thresholds. Tibshirani 1996; Daubechies et al. 2004, arXiv:math/0307152.

    coupled:    loss + strength * ||w||_1
    decoupled:  w <- sign(w) max(|w| - lr * strength, 0)   after the optimizer's step, which does not see it

Coupled, weights move about zero and hardly any is exactly zero; decoupled (the soft threshold, the proximal step of
the L1 norm) they stay there until the gradient is larger than strength. lr is that of w's own group.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn


class L1:
    """Acts on trainable weights of more than one dimension; biases and normalisation parameters are left.

    An instance has `loss` where coupled and `after_step` where decoupled, never both.
    """

    def __init__(self, strength: float = 1e-5, decoupled: bool = False) -> None:
        if strength < 0:
            raise ValueError(f"strength must be at least 0, got {strength:g}")
        self.strength = strength
        self.of: tuple[nn.Module, list[nn.Parameter]] | None = None  # the model that it acts on, and its weights
        if decoupled:
            self.after_step = self._threshold
        else:
            self.loss = self._norm

    def figures(self, model: nn.Module) -> dict[str, float]:
        """l1_zeros: the share of these weights that are exactly zero."""
        weights = _weights(model)
        zeros = torch.stack([(weight == 0).sum() for weight in weights]).sum().item()
        return {"l1_zeros": zeros / sum(weight.numel() for weight in weights)}

    def _norm(self, model: nn.Module) -> Tensor:
        return self.strength * torch.stack([weight.abs().sum() for weight in self._weights(model)]).sum()

    @torch.no_grad()
    def _threshold(self, model: nn.Module, lr: Mapping[nn.Parameter, float]) -> None:
        thresholds = [lr[weight] * self.strength for weight in self._weights(model)]
        weights: list[Tensor] = [*self._weights(model)]
        cut = list(torch._foreach_clamp_min(weights, [-threshold for threshold in thresholds]))
        torch._foreach_clamp_max_(cut, thresholds)
        torch._foreach_sub_(weights, cut)  # w - w is exactly 0, and nan stays nan

    def _weights(self, model: nn.Module) -> list[nn.Parameter]:
        """Those of the model, looked for once."""
        if self.of is None or self.of[0] is not model:
            self.of = model, _weights(model)
        return self.of[1]


def _weights(model: nn.Module) -> list[nn.Parameter]:
    weights = [p for p in model.parameters() if p.requires_grad and p.ndim > 1]
    if not weights:
        raise ValueError("l1 finds no trainable weight of more than one dimension")
    return weights
