"""From a batch to its gradients: of its images, labels and drawn rows, and of the model's tensors, nothing else.

No clock, knob or key is read here, and no value that lies on the device: so what is done can be recorded, and
done again by replaying it (capture.py).
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from tricktable.runner import randomness
from tricktable.runner.config.abilities import having
from tricktable.runner.config.places import CoupledPenalty
from tricktable.runner.training import augmented
from tricktable.runner.training.parts import announce, parts_of

if TYPE_CHECKING:
    from tricktable.runner.training.run import Run


class Batch(NamedTuple):
    """Images uint8 B C H W, labels int64 B, and their rows of every augmentation's table."""

    images: Tensor
    labels: Tensor
    rows: dict[str, Any]

    def tensors(self) -> list[Tensor]:
        """Return all of them, always in the same order."""
        tables = (table if isinstance(table, tuple) else (table,) for table in self.rows.values())
        return [self.images, self.labels, *(each for table in tables for each in table)]

    def copy(self) -> "Batch":
        """Return it in memory of its own."""
        return Batch(self.images.clone(), self.labels.clone(), augmented.copied(self.rows))


class Outcome(NamedTuple):
    """Scalars of a batch: the loss with the penalties, the loss alone, and how many answers were wrong.

    A mixed image counts as its larger part.
    """

    total: Tensor
    loss: Tensor
    wrong: Tensor


def key_noise(run: "Run") -> None:
    """Put the generator of the network's noise at this update: whoever asks twice (SAM) meets the same noise twice."""
    randomness.rekey(run.compute.device, run.seed, "noise", run.clock.epoch, run.clock.updates, 0)


def gradients(run: "Run", batch: Batch, held: Callable[[], AbstractContextManager[None]] = nullcontext) -> Outcome:
    """Set the gradients of the batch's loss and penalties.

    The parts of a batch are taken one after another: the sum of their gradients is the batch's. Each forward pass is
    made within `held`: Counters.held counts on the host, and can be neither recorded nor compiled.
    """
    x, y = augmented.batch(run, *batch)
    run.optimizer.zero_grad(set_to_none=True)
    penalty: Tensor | None = None
    for _, each in having(run.penalty, CoupledPenalty):
        penalty = each.loss(run.model) if penalty is None else penalty + each.loss(run.model)
    outputs, losses, parts = [], [], parts_of(len(x), run.micro_batch)
    for i, (start, stop) in enumerate(parts):
        part = slice(start, stop)
        if run.micro_batch is not None:
            announce(run.model, start, stop, len(x))
        with run.compute.autocast(), held():
            logits = run.network(x[part])
        loss = run.loss(logits.float(), y[part], x[part])
        if len(parts) > 1:
            loss = loss * (len(logits) / len(x))
        due = loss if penalty is None or i else loss + penalty
        (due if run.scaler is None else run.scaler.scale(due)).backward()
        outputs.append(logits.detach())
        losses.append(loss.detach())
    whole, answers = (losses[0], outputs[0]) if len(parts) == 1 else (torch.stack(losses).sum(), torch.cat(outputs))
    wrong = (answers.argmax(1) != y.argmax(1)).sum()
    return Outcome(whole if penalty is None else whole + penalty.detach(), whole, wrong)
