"""Copies of the weights at the ends of a run's cycles. Huang et al. 2017 (Snapshot Ensembles), arXiv:1704.00109.

    h_k = the model at time k T / M,  k = 1..M          of these the last m are kept, oldest first
    with T_mult:  at time T (T_mult^k - 1) / (T_mult^M - 1)

T epochs in M cycles; the paper anneals the learning rate to 0 within each, and averages the softmax outputs. With
T_mult each cycle is so many times as long as the one before (Loshchilov & Hutter 2017, arXiv:1608.03983, section 4.2).
Buffers belong to a snapshot as the weights do. A cycle that ends within a step is kept after that step.
"""

import copy
import math
from typing import Any

import torch
from torch import Tensor


class Snapshots:
    """Adds the variant `snapshots`: the models at the ends of the last cycles; fewer where the run is stopped early.

    cycles: M, at most one a step. last: how many snapshots are kept (m); None keeps all. T_mult: a cycle's length over
    the one before. A run that is stopped before its first cycle ends gives its final weights.
    """

    def __init__(
        self,
        total_epochs: float,
        cycles: int = 5,
        last: int | None = None,
        T_mult: float = 1.0,  # noqa: N803  # the paper's symbol
    ) -> None:
        if cycles < 1:
            raise ValueError(f"cycles must be at least 1, got {cycles}")
        if last is not None and not 1 <= last <= cycles:
            raise ValueError(f"last must lie in 1..{cycles}, the number of cycles, got {last}")
        if T_mult < 1:
            raise ValueError(f"T_mult must be at least 1, got {T_mult:g}")
        self.cycles, self.last, self.ratio = cycles, cycles if last is None else last, T_mult
        self.lengths = (
            cycles if T_mult == 1 else (T_mult**cycles - 1) / (T_mult - 1)
        )  # the run, in lengths of the first
        self.first = total_epochs / self.lengths  # epochs of the first cycle, which is the shortest
        self.variants = {"snapshots": self.last}
        self.ended = 0  # cycles so far
        self.kept: dict[int, dict[str, Tensor]] = {}  # by the number of the cycle

    def begin(self, run: Any) -> None:
        """ValueError where the first cycle, which is the shortest, has less than a step."""
        steps = run.knobs.updates(run.epochs)
        if self.lengths > steps and self.ratio == 1:
            raise ValueError(f"cycles must be at most {steps}, the run's steps, got {self.cycles}")
        if self.lengths > steps:
            raise ValueError(
                f"cycles must be so few that the first has one of the run's {steps} steps, "
                f"got {self.cycles} with T_mult={self.ratio:g}"
            )

    def on_step(self, run: Any) -> None:
        """Keep the weights if a cycle ended within the step."""
        self._keep(run, run.time)

    def on_epoch(self, run: Any, row: dict[str, Any]) -> None:
        """Keep the weights if a cycle ends with the epoch, whose last images may have been left out."""
        self._keep(run, run.clock.epoch + 1)

    @torch.no_grad()
    def _keep(self, run: Any, time: float) -> None:
        ended = int(self._cycles(time) + 1e-9)  # times are rounded, and a step is a larger part of a cycle than this
        if ended > self.ended:
            self.ended = ended
            self.kept[ended] = {name: tensor.clone() for name, tensor in run.model.state_dict().items()}
            for cycle in sorted(self.kept)[: -self.last]:
                del self.kept[cycle]

    def _cycles(self, time: float) -> float:
        """The cycles until a time in epochs; whole where one ends."""
        begun = time / self.first
        return begun if self.ratio == 1 else math.log1p(begun * (self.ratio - 1)) / math.log(self.ratio)

    def finish(self, run: Any) -> None:
        """Put a copy of run.model for each snapshot into run.variants."""
        models = []
        for _, tensors in sorted(self.kept.items()) or [(0, run.model.state_dict())]:
            model = copy.deepcopy(run.model)
            model.load_state_dict(tensors)
            models.append(model)
        run.variants["snapshots"] = models

    def state_dict(self) -> dict[str, Any]:
        """The number of cycles that have ended, and the snapshots' tensors by cycle and name."""
        named = {f"{cycle}.{name}": t for cycle, tensors in self.kept.items() for name, t in tensors.items()}
        return {"ended": self.ended, **named}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Back to what `state_dict` gave."""
        self.ended, self.kept = int(state["ended"]), {}
        for key, tensor in state.items():
            cycle, dot, name = key.partition(".")
            if dot:
                self.kept.setdefault(int(cycle), {})[name] = tensor
