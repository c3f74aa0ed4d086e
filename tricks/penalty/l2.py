"""Weight decay, coupled (a term of the loss) or decoupled. Loshchilov & Hutter 2019, arXiv:1711.05101.

    coupled:    loss + strength / 2 * ||w||^2
    decoupled:  w <- (1 - lr * strength) w   after the optimizer's step, which does not see it

lr is that of w's own group. Of a weight that is computed from parameters (torch.nn.utils.parametrize), w is the value:
gamma, where gamma = 1 + delta.

Differs from the paper: its decoupled form multiplies by the schedule's factor alone; lr here is the whole learning
rate of the step (torch's AdamW does the same), so the paper's lambda is strength * the base learning rate.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

_Weights = tuple[list[nn.Parameter], list[tuple[nn.Module, str, nn.Parameter]]]


class L2:
    """Acts on all trainable parameters, and adds to what the optimizer itself decays.

    An instance has `loss` where coupled and `after_step` where decoupled, never both.
    """

    def __init__(self, strength: float = 1e-4, decoupled: bool = False) -> None:
        if strength < 0:
            raise ValueError(f"strength must be at least 0, got {strength:g}")
        self.strength = strength
        self.of: tuple[nn.Module, _Weights] | None = None  # the model that it acts on, and its weights
        if decoupled:
            self.after_step = self._shrink
        else:
            self.loss = self._half_square

    def _half_square(self, model: nn.Module) -> Tensor:
        stored, computed = self._trainable(model)
        values: list[Tensor] = [*stored, *(getattr(module, name) for module, name, _ in computed)]
        return 0.5 * self.strength * torch.stack([value.square().sum() for value in values]).sum()

    @torch.no_grad()
    def _shrink(self, model: nn.Module, lr: Mapping[nn.Parameter, float]) -> None:
        stored, computed = self._trainable(model)
        if stored:
            torch._foreach_mul_([*stored], [1 - lr[weight] * self.strength for weight in stored])
        for module, name, source in computed:  # setting the value sets what it is computed from
            setattr(module, name, (1 - lr[source] * self.strength) * getattr(module, name))

    def _trainable(self, model: nn.Module) -> _Weights:
        """Those of the model, looked for once."""
        if self.of is None or self.of[0] is not model:
            self.of = model, _trainable(model)
        return self.of[1]


def _trainable(model: nn.Module) -> _Weights:
    """The weights that are parameters, and those that are computed: module, name, and a parameter of their source."""
    sources: set[nn.Parameter] = set()
    computed = []
    for module in model.modules():
        if parametrize.is_parametrized(module):
            lists: Any = module.parametrizations
            for name, steps in lists.items():
                trained = [p for p in steps.parameters() if p.requires_grad]
                sources.update(trained)
                computed += [(module, name, trained[0])] if trained else []
    stored = [p for p in model.parameters() if p.requires_grad and p not in sources]
    if not stored and not computed:
        raise ValueError("l2 finds no trainable parameter")
    return stored, computed
