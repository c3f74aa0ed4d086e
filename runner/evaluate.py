"""Figures on a split: of the model as it stands, or of every variant x inference at the end of a run."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from runner.run import Run

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


def results(run: Run) -> list[dict[str, Any]]:
    """One row for every variant x inference: its test figures, and validation figures where there is such a split."""
    rows = []
    for variant, models in run.variants.items():
        for name, inference in run.inference.items():
            module = inference(models)
            row: dict[str, Any] = {"variant": variant, "inference": name}
            for part, split in (("val", run.splits.validation), ("test", run.splits.test)):
                if split is not None:
                    row[f"{part}_loss"], row[f"{part}_error"] = evaluate(run, module, split)
            rows.append(row)
    return rows
