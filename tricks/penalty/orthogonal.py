"""Soft orthogonality: filters are drawn towards orthonormal ones. Bansal et al. 2018, arXiv:1810.09102.

    coupled:    loss + strength * ||W W^T - I||_F^2
    decoupled:  W <- W - lr * strength * 4 (W W^T - I) W   after the optimizer's step, which does not see it

W is a layer's weight as a matrix, out x (in kernel kernel). Where it has more rows than columns, W^T W stands for
W W^T: the rows cannot all be orthogonal, and the two penalties differ by a constant, so their gradients are the same.
lr is that of W's own group.

Differs from the paper: strength is constant; the paper lowers it during training, from 0.1 to 0.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn


class Orthogonal:
    """Acts on trainable weights of more than one dimension, convolutions and fully connected layers alike.

    An instance has `loss` where coupled and `after_step` where decoupled, never both.
    """

    def __init__(self, strength: float = 1e-3, decoupled: bool = False) -> None:
        if strength < 0:
            raise ValueError(f"strength must be at least 0, got {strength:g}")
        self.strength = strength
        self.of: tuple[nn.Module, list[nn.Parameter]] | None = None  # the model that it acts on, and its weights
        if decoupled:
            self.after_step = self._descend
        else:
            self.loss = self._distance

    def _distance(self, model: nn.Module) -> Tensor:
        squares = [_excess(weight.flatten(1)).square().sum() for weight in self._weights(model)]
        return self.strength * torch.stack(squares).sum()

    @torch.no_grad()
    def _descend(self, model: nn.Module, lr: Mapping[nn.Parameter, float]) -> None:
        for weight in self._weights(model):
            w = weight.flatten(1)
            excess = _excess(w)
            gradient = excess @ w if len(excess) == len(w) else w @ excess
            weight.sub_(gradient.view(weight.shape), alpha=4 * lr[weight] * self.strength)

    def _weights(self, model: nn.Module) -> list[nn.Parameter]:
        """Those of the model, looked for once."""
        if self.of is None or self.of[0] is not model:
            self.of = model, _weights(model)
        return self.of[1]


def _excess(w: Tensor) -> Tensor:
    """W W^T - I, or W^T W - I where that is smaller."""
    gram = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
    return gram - torch.eye(len(gram), dtype=w.dtype, device=w.device)


def _weights(model: nn.Module) -> list[nn.Parameter]:
    weights = [p for p in model.parameters() if p.requires_grad and p.ndim > 1]
    if not weights:
        raise ValueError("orthogonal finds no trainable weight of more than one dimension")
    return weights
