"""Exponential moving average of the weights. Tarvainen & Valpola 2017 (Mean Teacher), arXiv:1703.01780.

    average <- average + (1 - decay_t) * (w - average)   after step t = 1, 2, ...
    decay_t = decay,  or with warmup min(decay, 1 - 1 / t): the plain mean until the exponential one is as long

The average begins as the weights after the first step. Floating-point buffers (running means and variances) are
averaged alike; other buffers are the model's own.

Differs from the authors' code: there the average begins as the weights before the first step, which count as one more,
decay_t = min(decay, 1 - 1 / (t + 1)).
"""

import copy
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn


class EMA:
    """Adds the variant `ema`: the model with the averaged weights.

    decay: weight of the past at a step; 1 / (1 - decay) is how many steps the average is long.
    """

    def __init__(self, decay: float = 0.999, warmup: bool = True) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"decay must lie in [0, 1), got {decay:g}")
        self.decay, self.warmup = decay, warmup
        self.steps = 0
        self.average: dict[str, Tensor] = {}
        self.lists: tuple[list[Tensor], list[Tensor]] | None = None  # the averages laid out as the model's, and those

    @torch.no_grad()
    def on_step(self, run: Any) -> None:
        """Move the averages towards run.model's tensors, on their device."""
        self.steps += 1
        if self.lists is None:  # the run's first step, or the first after `load_state_dict`
            live = _tensors(run.model)
            begin = {**live, **self.average}
            assert begin.keys() == live.keys()
            self.average = {name: torch.empty_like(tensor).copy_(begin[name]) for name, tensor in live.items()}
            self.lists = list(self.average.values()), list(live.values())
        decay = min(self.decay, 1 - 1 / self.steps) if self.warmup else self.decay
        torch._foreach_lerp_(*self.lists, 1 - decay)

    @torch.no_grad()
    def finish(self, run: Any) -> None:
        """Put a copy of run.model with the averages into run.variants."""
        assert self.average, "no step was taken"
        model = copy.deepcopy(run.model)
        for name, tensor in _tensors(model).items():
            tensor.copy_(self.average[name])
        run.variants["ema"] = [model]

    def state_dict(self) -> dict[str, Any]:
        """The averages by their names in the model, and the number of steps."""
        return {"steps": self.steps, **{f"average.{name}": tensor for name, tensor in self.average.items()}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Back to what `state_dict` gave."""
        self.steps = int(state["steps"])
        prefix = "average."
        self.average = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
        self.lists = None


def _tensors(model: nn.Module) -> dict[str, Tensor]:
    """A model's parameters and floating-point buffers, by name."""
    named = chain(model.named_parameters(), model.named_buffers())
    return {name: tensor for name, tensor in named if tensor.is_floating_point()}
