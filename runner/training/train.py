"""The loop: a generator of rows, one per epoch. Others write them down."""

import math
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from runner import randomness
from runner.training.evaluate import every_epoch, figures_of, pick
from runner.training.run import Run

Edge = Callable[[], None]


def train(run: Run, edge: Edge) -> Iterator[dict[str, Any]]:
    """Train to the last epoch, from wherever the run stands; yields a row after each epoch, diverged or not.

    `edge` is called between steps, where the run's state is whole: it may save, and it may raise.
    """
    while run.clock.epoch < run.epochs and not run.stopped:
        started, before = time.monotonic(), run.clock.position
        train_epoch(run, edge)
        if run.compute.device.type == "cuda":
            torch.cuda.synchronize()
        speed = (run.clock.position - before) / max(time.monotonic() - started, 1e-9)
        _, module = every_epoch(run)
        pick(run, module)
        row = {**_row(run), **figures_of(run, module, edge), "images_per_second": speed}
        run.diverged = _diverged(run, row)
        for hook in _having(run.hook, "on_epoch"):
            hook.on_epoch(run, row)
        run.sums.zero_()
        run.clock.epoch, run.clock.position = run.clock.epoch + 1, 0
        yield row
        if run.diverged:
            return


def train_epoch(run: Run, edge: Edge) -> None:
    """The steps of the open epoch that are still to be taken. Nothing in it waits for the device."""
    run.model.train()
    epoch, n, device = run.clock.epoch, run.knobs.n, run.compute.device
    order = torch.randperm(n, generator=randomness.generator(run.seed, "order", epoch))
    # Each trick's choices for the whole epoch, one table of which a step reads its rows (docs/design.md, «Randomness»).
    tables = {
        name: _each(
            lambda t: t.to(device, non_blocking=True),
            trick.sample(n, randomness.generator(run.seed, "augment", name, epoch)),
        )
        for name, trick in run.augment.items()
    }
    batches = list(run.knobs.batches(epoch, run.clock.position))
    key = randomness.key(run.seed, "stream", epoch)
    for (start, stop), (images, labels) in zip(batches, run.splits.train.draw(batches, order, key), strict=True):
        rows = {name: _each(lambda t: t[start:stop], table) for name, table in tables.items()}  # noqa: B023
        step(run, images, labels, rows)
        run.clock.position = stop
        run.clock.updates += 1
        run.clock.samples += stop - start
        for hook in _having(run.hook, "on_step"):
            hook.on_step(run)
        edge()


def step(run: Run, images: Tensor, labels: Tensor, rows: dict[str, Any]) -> None:
    """One update from one batch: uint8 B C H W, int64 B, and the batch's rows of every augmentation's table."""
    knobs = run.set_knobs()
    x, y = run.prepare(images), run.splits.one_hot.index_select(0, labels)
    for name, trick in run.augment.items():
        x, y = trick(x, y, rows[name])
    first: list[tuple[Tensor, Tensor]] = []  # logits and loss, of the closure's first call

    def closure() -> Tensor:
        if first and run.scaler is not None:
            raise ValueError("compute.precision: fp16 scales one backward a step, and this optimizer takes more: bf16")
        run.optimizer.zero_grad(set_to_none=True)
        total, logits, loss = _backward(run, x, y)
        if not first:
            first.append((logits, loss))
        if run.scaler is not None:
            run.scaler.unscale_(run.optimizer)
        for change in run.gradient.values():
            change(run.model.parameters())
        return total

    _update(run, closure)
    for penalty in _having(run.penalty, "after_step"):
        penalty.after_step(run.model, knobs)
    _count(run.sums, *first[0], y)


def _backward(run: Run, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of the batch's loss and penalties; the sum of both, the logits, and the loss alone.

    Micro-batches are taken one after another: the sum of their gradients is the batch's.
    """
    size = run.micro_batch or len(x)
    penalty = sum((p.loss(run.model) for p in _having(run.penalty, "loss")), start=x.new_zeros(()))
    outputs, losses = [], []
    for i, start in enumerate(range(0, len(x), size)):
        part = slice(start, start + size)
        # An optimizer that asks twice (SAM) meets the same noise twice.
        randomness.rekey(run.compute.device, run.seed, "noise", run.clock.epoch, run.clock.updates, i)
        with run.compute.autocast():
            logits = run.model(x[part])
        loss = run.loss(logits.float(), y[part], x[part]) * (len(logits) / len(x))
        due = loss + penalty if i == 0 else loss
        (due if run.scaler is None else run.scaler.scale(due)).backward()
        outputs.append(logits.detach())
        losses.append(loss.detach())
    whole = torch.stack(losses).sum()
    return whole + penalty.detach(), torch.cat(outputs), whole


def _update(run: Run, closure: Callable[[], Tensor]) -> None:
    if run.scaler is None:
        run.optimizer.step(closure)
        return
    with torch.enable_grad():
        closure()
    run.scaler.step(run.optimizer)  # leaves the step out where a gradient overflowed
    run.scaler.update()


def _count(sums: Tensor, logits: Tensor, loss: Tensor, targets: Tensor) -> None:
    """Add a batch to the epoch's sums, on the device. A mixed image counts as its larger part."""
    wrong = (logits.argmax(1) != targets.argmax(1)).sum()
    still_finite = torch.isfinite(sums[0] + loss)
    images, steps = torch.full_like(wrong, len(targets)), torch.ones_like(wrong)
    sums += torch.stack((loss * len(targets), wrong, images, still_finite, steps)).double()


def _diverged(run: Run, row: dict[str, Any]) -> int | None:
    """The update at which the loss stopped being finite; the epoch's last one where only its evaluation is not."""
    figures = [row[f"{part}_loss"] for part in ("train", "val", "test") if row[f"{part}_loss"] is not None]
    return run.first_bad_update() or (None if all(map(math.isfinite, figures)) else run.clock.updates)


def _row(run: Run) -> dict[str, Any]:
    """The epoch's own columns; the knobs are those of its last step, errors in percent."""
    loss, wrong, images, *_ = run.sums.tolist()
    knobs = run.knobs.at(run.clock.epoch + _last_start(run) / run.knobs.n)
    row = {
        "epoch": run.clock.epoch + 1,
        "samples": run.clock.samples,
        "updates": run.clock.updates,
        **knobs,
        **run.knobs.scales(knobs),
        "train_loss": loss / images,
        "train_error": 100 * wrong / images,
    }
    for penalty in _having(run.penalty, "figures"):
        row |= penalty.figures(run.model)
    return row


def _last_start(run: Run) -> int:
    return max(start for start, _ in run.knobs.batches(run.clock.epoch))


def _each(change: Callable[[Tensor], Tensor], drawn: Any) -> Any:
    """A table is a tensor, or a tuple of them."""
    return tuple(map(change, drawn)) if isinstance(drawn, tuple) else change(drawn)


def _having(tricks: Any, method: str) -> list[Any]:
    return [trick for trick in tricks.values() if hasattr(trick, method)]
