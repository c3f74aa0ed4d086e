"""From a batch to its gradients: of its images, labels and drawn rows, and of the model's tensors, nothing else.

No clock, knob or key is read here, and no value that lies on the device: so what is done can be recorded, and
done again by replaying it (capture.py).
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from tricktable.runner.config.abilities import having
from tricktable.runner.config.places import CoupledPenalty
from tricktable.runner.training import augmented
from tricktable.runner.training.knobs import Shape

if TYPE_CHECKING:
    from tricktable.runner.training.run import Run


class Batch(NamedTuple):
    """Images uint8 B C H W, labels int64 B, their rows of every augmentation's table, and the size they are trained at.

    size: height and width in pixels; None for the images' own.
    """

    images: Tensor
    labels: Tensor
    rows: dict[str, Any]
    size: tuple[int, int] | None = None

    @property
    def shape(self) -> Shape:
        """Return how many images they are, and their size: what a recording is for."""
        return Shape(len(self.labels), self.size)

    def tensors(self) -> list[Tensor]:
        """Return all of them, always in the same order."""
        tables = (table if isinstance(table, tuple) else (table,) for table in self.rows.values())
        return [self.images, self.labels, *(each for table in tables for each in table)]

    def copy(self) -> "Batch":
        """Return it in memory of its own."""
        return Batch(self.images.clone(), self.labels.clone(), augmented.copied(self.rows), self.size)


class Outcome(NamedTuple):
    """Scalars of a batch: the loss with the penalties, the loss alone, and how many answers were wrong.

    A mixed image counts as its larger part.
    """

    total: Tensor
    loss: Tensor
    wrong: Tensor


def key_noise(run: "Run") -> None:
    """Put the generator of the network's noise at this update: whoever asks twice (SAM) meets the same noise twice."""
    run.processes.key_noise(run.compute.device, run.seed, "noise", run.clock.epoch, run.clock.updates)


def gradients(run: "Run", batch: Batch, held: Callable[[], AbstractContextManager[None]] = nullcontext) -> Outcome:
    """Set the gradients of the batch's loss and penalties: of the parts of it that this process takes.

    The parts of a batch are taken one after another: the sum of their gradients is the batch's, and the penalties go
    with the first. Each forward pass is made within `held`: Counters.held counts on the host, and can be neither
    recorded nor compiled.
    """
    x, y = augmented.batch(run, *batch)
    run.optimizer.zero_grad(set_to_none=True)
    losses, wrongs = [], []
    penalty: Tensor | None = None
    for i, part in run.processes.parts(run.model, len(x), run.micro_batch):
        if i == 0:
            penalty = _penalty(run)
        with run.compute.autocast(), held():
            logits = run.network(x[part])
        loss = run.loss(_wide(logits), y[part], x[part])
        if len(logits) < len(x):
            loss = loss * (len(logits) / len(x))
        due = loss if penalty is None or i else loss + penalty
        (due if run.scaler is None else run.scaler.scale(due)).backward()
        losses.append(loss.detach())
        wrongs.append((logits.detach().argmax(1) != y[part].argmax(1)).sum())
    if not losses:  # a batch of fewer parts than there are processes
        return Outcome(x.new_zeros(()), x.new_zeros(()), x.new_zeros(()))
    whole, wrong = (each[0] if len(each) == 1 else torch.stack(each).sum() for each in (losses, wrongs))
    return Outcome(whole if penalty is None else whole + penalty.detach(), whole, wrong)


def _penalty(run: "Run") -> Tensor | None:
    """Return the sum of the penalties that are part of the loss; None where there are none."""
    penalty: Tensor | None = None
    for _, each in having(run.penalty, CoupledPenalty):
        penalty = each.loss(run.model) if penalty is None else penalty + each.loss(run.model)
    return penalty


def _wide(logits: Tensor) -> Tensor:
    """Return outputs in float32 at the least."""
    return logits.to(torch.promote_types(logits.dtype, torch.float32))
