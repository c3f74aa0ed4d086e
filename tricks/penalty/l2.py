"""Weight decay, coupled (a term of the loss) or decoupled. Loshchilov & Hutter 2019, arXiv:1711.05101.

    coupled:    loss + strength / 2 * ||w||^2
    decoupled:  w <- (1 - lr * strength) w   after the optimizer's step, which does not see it

Differs from the paper: its decoupled form multiplies by the schedule's factor alone; lr here is the whole learning
rate of the step (torch's AdamW does the same), so the paper's lambda is strength * the base learning rate.
"""

import torch
from torch import Tensor, nn


class L2:
    """Acts on all trainable parameters, and adds to what the optimizer itself decays.

    An instance has `loss` where coupled and `after_step` where decoupled, never both.
    """

    def __init__(self, strength: float = 1e-4, decoupled: bool = False) -> None:
        if strength < 0:
            raise ValueError(f"strength must be at least 0, got {strength:g}")
        self.strength = strength
        if decoupled:
            self.after_step = self._shrink
        else:
            self.loss = self._half_square

    def _half_square(self, model: nn.Module) -> Tensor:
        squares = [weight.square().sum() for weight in _trainable(model)]
        return 0.5 * self.strength * torch.stack(squares).sum()

    @torch.no_grad()
    def _shrink(self, model: nn.Module, knobs: dict[str, float]) -> None:
        torch._foreach_mul_(_trainable(model), 1 - knobs["lr"] * self.strength)


def _trainable(model: nn.Module) -> list[Tensor]:
    weights: list[Tensor] = [p for p in model.parameters() if p.requires_grad]
    if not weights:
        raise ValueError("l2 finds no trainable parameter")
    return weights
