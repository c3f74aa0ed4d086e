"""Figures on a split: of the model as it stands, or of every variant x inference at the end of a run."""

import contextlib
import functools
import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tricktable.runner.config.abilities import Candidates
from tricktable.runner.disk.epoch import EpochRow
from tricktable.runner.disk.summary import Result
from tricktable.runner.errors import BadInput
from tricktable.runner.training.predictions import Collector, Predictions
from tricktable.runner.training.run import Run

FIGURES = ("val_loss", "val_error", "test_loss", "test_error")
BATCH = 1000  # images; the figures do not depend on it beyond rounding


@torch.no_grad()
def evaluate(
    run: Run,
    module: nn.Module,
    split: Any,
    edge: Callable[[], None] = lambda: None,
    collector: Collector | None = None,
) -> tuple[float, float]:
    """Return a Module's cross-entropy and error in percent on a split. It stays in evaluation mode.

    `collector` gets the outputs of every batch, where there is one.
    """
    processes = run.processes
    mine = slice(None) if collector is not None else slice(processes.rank, None, processes.size)
    batches = _batches(split.n)
    sums = torch.zeros(len(batches), 2, dtype=torch.float64, device=run.compute.device)
    for row, (logits, labels) in zip(sums[mine], outputs(run, module, split, batches=batches[mine]), strict=True):
        row.copy_(_batch_sums(logits, labels))
        if collector is not None:
            collector.add(logits, labels)
        if processes.size == 1:
            edge()
    if collector is None:
        sums = processes.added(sums)
    if processes.size > 1:  # they have other numbers of batches, and stop after the same step or at the same edge
        edge()
    loss, wrong = (functools.reduce(operator.add, column) for column in zip(*sums.tolist(), strict=True))
    return loss / split.n, 100 * wrong / split.n


def _batches(n: int) -> list[tuple[int, int]]:
    return [(start, min(start + BATCH, n)) for start in range(0, n, BATCH)]


@torch.no_grad()
def outputs(
    run: Run,
    module: nn.Module,
    split: Any,
    order: Tensor | None = None,
    batches: Sequence[tuple[int, int]] | None = None,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield a Module's outputs, float32 B K, with the labels, int64 B, by batches of a split; it is set to evaluation.

    `order`: the images to take, int64 on the CPU; None is all of them, in their own order. `batches`: of these (start,
    stop) alone.
    """
    module.eval()
    if batches is None:
        batches = _batches(split.n if order is None else len(order))
    for images, labels in split.draw(batches, order):
        with run.compute.autocast():
            logits = module(run.prepare(images))
        yield logits.float(), labels


def _batch_sums(outputs: Tensor, labels: Tensor) -> Tensor:
    loss = F.cross_entropy(outputs, labels, reduction="sum")
    return torch.stack((loss, (outputs.argmax(1) != labels).sum())).double()


def every_epoch(run: Run) -> tuple[str, nn.Module]:
    """Return the inference by which the model is evaluated after each epoch: the first that takes one model."""
    return next((name, module) for name, module in taking(run, [run.evaluated]))


def results(run: Run, last: EpochRow | None) -> list[Result]:
    """One result per variant and inference that takes it: figures on test, and on validation where there is one.

    `last` is the last epoch's row, if the run has just trained: it has the figures of the model as it stands, by the
    inference of every epoch.
    """
    return [result for result, _ in predicted(run, last)]


def predicted(run: Run, last: EpochRow | None) -> list[tuple[Result, Predictions]]:
    """The results, each with what its Module says of every test image."""
    rows = []
    first = every_epoch(run)[0] if last else None
    for variant, models in run.variants.items():
        for name, module in taking(run, models):
            picked, collector = pick(run, module), Collector()
            if last and models == [run.evaluated] and name == first:
                figures = {key: getattr(last, key) for key in FIGURES}
                evaluate(run, module, run.splits.test, collector=collector)
            else:
                figures = figures_of(run, module, collector=collector)
            predictions = collector.read()
            more = {**picked, **figures, "test_top5_error": predictions.top5_error}
            rows.append((Result(variant=variant, inference=name, **more), predictions))
    return rows


def predictions(run: Run) -> Predictions:
    """What the model as it stands says of every test image, by the inference of every epoch."""
    _, module = every_epoch(run)
    pick(run, module)
    collector = Collector()
    evaluate(run, module, run.splits.test, collector=collector)
    return collector.read()


def taking(run: Run, models: list[nn.Module]) -> Iterator[tuple[str, nn.Module]]:
    """Yield the inferences that take so many models, by name, each as its Module; the build has told the others."""
    for name, inference in run.inference.items():
        with contextlib.suppress(BadInput):
            yield name, inference(models)


def pick(run: Run, module: nn.Module) -> dict[str, float]:
    """Choose the candidate with the smallest validation loss, the first of equals; nothing where there are none."""
    if not isinstance(module, Candidates) or not module.candidates:
        return {}
    losses = {}
    for candidate in module.candidates:
        module.choose(candidate)
        losses[candidate], _ = evaluate(run, module, run.splits.validation)
    best = min(losses, key=lambda c: losses[c])
    module.choose(best)
    return {"picked": best}


def figures_of(
    run: Run, module: nn.Module, edge: Callable[[], None] = lambda: None, collector: Collector | None = None
) -> dict[str, float | None]:
    """Return a Module's losses and errors in percent, on validation (None without one) and test.

    `collector` gets its outputs on test.
    """
    figures: dict[str, float | None] = {}
    for name, split, kept in (("val", run.splits.validation, None), ("test", run.splits.test, collector)):
        loss, error = evaluate(run, module, split, edge, kept) if split is not None else (None, None)
        figures |= {f"{name}_loss": loss, f"{name}_error": error}
    return figures
