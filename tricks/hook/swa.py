"""Stochastic weight averaging: the mean of the weights that a run passes through late. Izmailov et al. 2018,
arXiv:1803.05407, algorithm 1.

    w_SWA <- (w_SWA * n + w) / (n + 1)   at the end of the epochs start, start + c, start + 2 c, ...;   n of them before

Batch normalisation's statistics are computed anew for w_SWA, by a pass over the training set at the end of the run.
It is meant for a learning rate that stays high from `start` on: constant, or in cycles of c epochs.
Differs from the paper: c is counted in epochs, as in the authors' code, and not in steps.
"""

import copy
import math
from typing import Any

import torch
from torch import Tensor


class SWA:
    """Adds the variant `swa`: the model with the averaged weights, and statistics of its own.

    start: the epoch after which the first weights are taken; a number below 1 is a share of the run, rounded up to a
    whole epoch. c: the cycle's length, epochs between weights that are taken. A run that is stopped before `start`
    gives its final weights.
    """

    def __init__(self, total_epochs: float, start: float = 0.75, c: int = 1) -> None:
        if start <= 0:
            raise ValueError(f"start must be above 0, got {start:g}")
        if c < 1:
            raise ValueError(f"c must be at least 1 epoch, got {c}")
        self.start = math.ceil(round(start * total_epochs if start < 1 else start, 9))
        if self.start > total_epochs:
            raise ValueError(f"start must be at most the run's {total_epochs:g} epochs, got {start:g}")
        self.c = c
        self.variants = {"swa": 1}
        self.n = 0
        self.average: dict[str, Tensor] = {}
        self.buffers: dict[str, Tensor] = {}  # of the averaged weights, once the run has ended
        self.placed = False  # whether the averages lie as the model's tensors do: device and memory format

    @torch.no_grad()
    def on_epoch(self, run: Any, row: dict[str, Any]) -> None:
        """Take the evaluated model's weights into the mean, if a cycle ends with this epoch."""
        if row["epoch"] < self.start or (row["epoch"] - self.start) % self.c:
            return
        (model,) = run.variants["final"]
        live = {name: p.detach() for name, p in model.named_parameters()}
        if not self.placed:  # the first weights, or the first after `load_state_dict`
            begin = {**live, **self.average}
            self.average = {name: torch.empty_like(p).copy_(begin[name]) for name, p in live.items()}
            self.placed = True
        self.n += 1
        torch._foreach_lerp_(list(self.average.values()), list(live.values()), 1 / self.n)

    @torch.no_grad()
    def finish(self, run: Any) -> None:
        """Put a copy of the evaluated model with the mean weights into run.variants, its statistics recomputed."""
        (final,) = run.variants["final"]
        model = copy.deepcopy(final)
        if self.average:
            for name, p in model.named_parameters():
                p.copy_(self.average[name])
            if not self.buffers:
                run.recompute_statistics(model)
                self.buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
            for name, buffer in model.named_buffers():
                buffer.copy_(self.buffers[name])
        run.variants["swa"] = [model]

    def state_dict(self) -> dict[str, Any]:
        """The number of weights in the mean, the mean by the names in the model, and in the end the model's buffers."""
        named = {f"average.{name}": tensor for name, tensor in self.average.items()}
        return {"n": self.n, **named, **{f"buffers.{name}": tensor for name, tensor in self.buffers.items()}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Back to what `state_dict` gave."""
        self.n, self.average, self.buffers = int(state["n"]), {}, {}
        for key, tensor in state.items():
            kind, dot, name = key.partition(".")
            if dot:
                (self.average if kind == "average" else self.buffers)[name] = tensor
        self.placed = False
