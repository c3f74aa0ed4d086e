"""Figures on a split: of the model as it stands, or of every variant x inference at the end of a run."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from runner.run import Run

FIGURES = ("val_loss", "val_error", "test_loss", "test_error")
BATCH = 1000  # images; the figures do not depend on it beyond rounding


@torch.no_grad()
def evaluate(run: Run, module: nn.Module, split: Any, edge: Callable[[], None] = lambda: None) -> tuple[float, float]:
    """(cross-entropy, error in percent) of a Module on a split. Leaves it in evaluation mode."""
    module.eval()
    sums = torch.zeros(2, dtype=torch.float64, device=run.compute.device)
    batches = [(start, min(start + BATCH, split.n)) for start in range(0, split.n, BATCH)]
    for images, labels in split.draw(batches):
        with run.compute.autocast():
            outputs = module(run.prepare(images))
        sums += _batch_sums(outputs.float(), labels)
        edge()
    loss, wrong = sums.tolist()
    return loss / split.n, 100 * wrong / split.n


def _batch_sums(outputs: Tensor, labels: Tensor) -> Tensor:
    loss = F.cross_entropy(outputs, labels, reduction="sum")
    return torch.stack((loss, (outputs.argmax(1) != labels).sum())).double()


def results(run: Run, last: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One row for every variant x inference: its test figures, and validation figures where there is such a split.

    `last` is the last epoch's row: it has the figures of the model as it stands, by the first inference.
    """
    rows = []
    first = next(iter(run.inference))
    for variant, models in run.variants.items():
        for name, inference in run.inference.items():
            known = models == [run.model] and name == first
            figures = last if known else figures_of(run, inference(models))
            shown = {k: figures[k] for k in FIGURES if figures[k] is not None}
            rows.append({"variant": variant, "inference": name, **shown})
    return rows


def figures_of(run: Run, module: nn.Module, edge: Callable[[], None] = lambda: None) -> dict[str, float | None]:
    """A Module's figures on validation (None without one) and test: losses, and errors in percent."""
    figures: dict[str, float | None] = {}
    for name, split in (("val", run.splits.validation), ("test", run.splits.test)):
        loss, error = evaluate(run, module, split, edge) if split is not None else (None, None)
        figures |= {f"{name}_loss": loss, f"{name}_error": error}
    return figures
