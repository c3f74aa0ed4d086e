"""Whether a run has diverged, and where: nothing else decides it."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch

from tricktable.runner.disk.epoch import EpochRow

if TYPE_CHECKING:
    from tricktable.runner.training.run import Run


@dataclass(frozen=True)
class Divergence:
    """The update after which something was not finite any more; `what` says what it was."""

    update: int
    what: Literal["the loss", "a weight"]

    def __str__(self) -> str:
        return f"diverged at update {self.update}: {self.what} is not finite"


def divergence_of(run: "Run", row: EpochRow | None = None, weights: bool = False) -> Divergence | None:
    """Return how the run has diverged; None while all that is looked at is finite. It waits for the device.

    The open epoch's losses are looked at step by step, so that a bad one is found with its own update. The `row` of an
    epoch that has ended, and the `weights` where they are asked for, stand for the last update.
    """
    totals = run.sums.read()
    if totals.finite < totals.steps:
        return Divergence(run.clock.updates - int(totals.steps - totals.finite) + 1, "the loss")
    losses = [row.train_loss, row.val_loss, row.test_loss] if row else []
    if not all(math.isfinite(loss) for loss in losses if loss is not None):
        return Divergence(run.clock.updates, "the loss")
    if weights and not torch.stack([torch.isfinite(p).all() for p in run.model.parameters()]).all():  # read once
        return Divergence(run.clock.updates, "a weight")
    return None
