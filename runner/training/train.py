"""The loop: it yields one row per epoch, and others write them down."""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from tricktable.runner import randomness
from tricktable.runner.config.abilities import Figures, having
from tricktable.runner.config.places import DecoupledPenalty, EpochHook, StepHook
from tricktable.runner.disk.epoch import EpochRow
from tricktable.runner.training import augmented
from tricktable.runner.training.divergence import divergence_of
from tricktable.runner.training.evaluate import every_epoch, figures_of, pick
from tricktable.runner.training.gradients import Batch
from tricktable.runner.training.run import Run

Edge = Callable[[], None]


def train(run: Run, edge: Edge) -> Iterator[EpochRow]:
    """Train to the last epoch from wherever the run stands, and yield a row after each epoch, diverged or not.

    `edge` is called between steps, where the run's state is whole: it may save, and it may raise.
    """
    while run.clock.epoch < run.epochs and not run.stopped:
        started, before = time.monotonic(), run.clock.position
        train_epoch(run, edge)
        if run.compute.device.type == "cuda":
            torch.cuda.synchronize()
        speed = (run.clock.position - before) / max(time.monotonic() - started, 1e-9)
        run.update_evaluated(edge)
        _, module = every_epoch(run)
        pick(run, module)
        row = _row(run, figures_of(run, module, edge), speed)
        run.divergence = divergence_of(run, row)
        for _, hook in having(run.hook, EpochHook):
            hook.on_epoch(run, row.plain())
        run.sums.zero()
        run.clock.epoch, run.clock.position = run.clock.epoch + 1, 0
        yield row
        if run.divergence:
            return


def train_epoch(run: Run, edge: Edge) -> None:
    """Take the steps of the open epoch that are still to be taken. Nothing in it waits for the device."""
    run.model.train()
    run.counters.read()
    epoch, n = run.clock.epoch, run.knobs.n
    order = torch.randperm(n, generator=randomness.generator(run.seed, "order", epoch))
    tables, crop = augmented.begin(run, order, epoch)
    batches = list(run.knobs.batches(epoch, run.clock.position))
    drawn = run.processes.drawn(run.splits.train, batches, order, crop)
    for (start, stop), (images, labels) in zip(batches, drawn, strict=True):
        size = run.knobs.image_size(epoch + start / n)
        step(run, Batch(images, labels, augmented.rows(tables, start, stop), size))
        run.clock.position = stop
        run.clock.updates += 1
        run.clock.samples += stop - start
        for _, hook in having(run.hook, StepHook):
            hook.on_step(run)
        edge()


def step(run: Run, batch: Batch) -> None:
    """Make one update from one batch."""
    run.set_knobs()
    asked = 0

    def closure() -> Tensor:
        nonlocal asked
        # An optimizer that asks again (SAM) does so with other weights, of which running averages are to know nothing.
        with _unmoved_buffers(run) if asked else contextlib.nullcontext():
            outcome = run.processes.whole(run, batch.shape, run.gradients(run, batch))
        if not asked:
            run.sums.add(outcome.loss, outcome.wrong, len(batch.labels))
        asked += 1
        if run.scaler is not None:
            run.scaler.unscale_(run.optimizer)
        for change in run.gradient.values():
            change(run.parameters)
        return outcome.total

    taken = _update(run, closure)
    for _, penalty in having(run.penalty, DecoupledPenalty) if taken else ():
        penalty.after_step(run.model, run.learning_rates())


@contextlib.contextmanager
def _unmoved_buffers(run: Run) -> Iterator[None]:
    """Set the model's buffers back, at the end, to what they were at the beginning."""
    buffers, counts = list(run.model.buffers()), run.counters.counts.copy()
    before = [buffer.clone() for buffer in buffers]
    yield
    if before:
        torch._foreach_copy_(buffers, before)
    run.counters.counts = counts


def _update(run: Run, closure: Callable[[], Tensor]) -> bool:
    """Take the step; whether it was taken, and not left out because a gradient overflowed.

    On a GPU the host does not know: what would have to is refused (rehearse.overflow).
    """
    if run.scaler is None:
        run.optimizer.step(closure)  # type: ignore[arg-type]  # torch's stub wants a float, its optimizers do not
        return True
    with torch.enable_grad():
        closure()
    on_cpu = run.compute.device.type == "cpu"
    scale = run.scaler.get_scale() if on_cpu else 0.0
    run.scaler.step(run.optimizer)
    run.scaler.update()
    return not on_cpu or run.scaler.get_scale() >= scale


def _row(run: Run, evaluated: Mapping[str, float | None], images_per_second: float) -> EpochRow:
    """Return the row of the epoch that has just been trained and evaluated."""
    totals = run.sums.read()
    knobs = run.knobs.at(run.clock.epoch + _last_start(run) / run.knobs.n)
    figures: dict[str, float] = {}
    for _, penalty in having(run.penalty, Figures):
        figures |= penalty.figures(run.evaluated)
    row: dict[str, Any] = {**knobs, **run.knobs.scales(knobs), **evaluated}
    return EpochRow(
        epoch=run.clock.epoch + 1,
        samples=run.clock.samples,
        updates=run.clock.updates,
        train_loss=totals.mean_loss,
        train_error=totals.error,
        figures=figures,
        images_per_second=images_per_second,
        **row,
    )


def _last_start(run: Run) -> int:
    return max(start for start, _ in run.knobs.batches(run.clock.epoch))
