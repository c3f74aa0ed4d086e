"""Keep the weights of the best epoch on validation, and stop when it is long past. Prechelt 1998.

    E_opt(t) = min of E_va(t') over epochs t' <= t,  first reached at epoch b(t)
    stop after epoch t if  t - b(t) >= patience

Early Stopping - But When?, in Neural Networks: Tricks of the Trade, Springer LNCS 1524; not on arXiv.
Differs from the paper: its criteria are a loss in generalisation (GL), that over the progress in training (PQ), and
rises in successive strips of epochs (UP); the count of epochs since the best is what is commonly used now.
"""

import copy
import math
from typing import Any, Literal

import torch
from torch import Tensor


class EarlyStopping:
    """Adds the variant `best`: the model as it was after the best epoch. The validation split selects, never test.

    monitor: the figure of validation, cross-entropy or error in percent; the smaller the better, and NaN is never
    better. patience: epochs without an improvement, after which the run stops; None only keeps the best. min_delta: an
    improvement is a fall below the best by more than this, in the figure's units.
    """

    def __init__(
        self,
        monitor: Literal["val_error", "val_loss"] = "val_error",
        patience: int | None = 10,
        min_delta: float = 0.0,
    ) -> None:
        if monitor not in ("val_error", "val_loss"):
            raise ValueError(f"monitor must be val_error or val_loss, got {monitor}")
        if patience is not None and patience < 1:
            raise ValueError(f"patience must be at least 1 epoch, or null, got {patience}")
        if min_delta < 0:
            raise ValueError(f"min_delta must be at least 0, got {min_delta:g}")
        self.monitor, self.patience, self.min_delta = monitor, patience, min_delta
        self.variants = {"best": 1}
        self.best, self.epoch = math.inf, 0
        self.weights: dict[str, Tensor] = {}

    def begin(self, run: Any) -> None:
        """ValueError where there is nothing to select on."""
        if run.splits.validation is None:
            raise ValueError("early_stopping needs a validation split: data.validation=0.1")

    @torch.no_grad()
    def on_epoch(self, run: Any, row: dict[str, Any]) -> None:
        """Keep the weights and buffers if this epoch is the best; stop the run if the best is `patience` epochs ago."""
        if row[self.monitor] < self.best - self.min_delta:
            self.best, self.epoch = row[self.monitor], row["epoch"]
            (model,) = run.variants["final"]  # the one that the figure is of
            self.weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        elif self.patience is not None and row["epoch"] - self.epoch >= self.patience:
            run.stopped = True

    def finish(self, run: Any) -> None:
        """Put a copy of run.model with the best weights into run.variants."""
        assert self.weights, "no epoch had a figure"
        model = copy.deepcopy(run.model)
        model.load_state_dict(self.weights)
        run.variants["best"] = [model]

    def state_dict(self) -> dict[str, Any]:
        """The best figure, its epoch, and its tensors by their names in the model."""
        return {
            "best": self.best,
            "epoch": self.epoch,
            **{f"weights.{name}": tensor for name, tensor in self.weights.items()},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Back to what `state_dict` gave."""
        self.best, self.epoch = float(state["best"]), int(state["epoch"])
        prefix = "weights."
        self.weights = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
