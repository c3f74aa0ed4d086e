"""A run that has ended -> its summary."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from tricktable.runner.data import thumbnails
from tricktable.runner.disk.epoch import EpochRow
from tricktable.runner.disk.predicted import PNGS, SIDE, WORST, Predicted, Worst
from tricktable.runner.disk.summary import ComputeSummary, DataSummary, Environment, Result, Summary
from tricktable.runner.machine import environment
from tricktable.runner.training.predictions import Predictions
from tricktable.runner.training.run import Run


def summarise(run: Run, results: Sequence[Result], last: EpochRow | None) -> Summary:
    """A run's summary, as yet without its name and state, from its results and its last epoch.

    There is one result per variant and inference, the run's own first. A run that diverged has no final figures:
    neither results nor a last epoch.
    """
    return Summary(
        results=tuple(results),
        train_loss=last.train_loss if last else None,
        train_error=last.train_error if last else None,
        diverged_at=run.diverged,
        seed=run.seed,
        epochs=run.clock.epoch,
        updates=run.clock.updates,
        samples=run.clock.samples,
        params=run.cost.params,
        madds=run.cost.madds,
        data=_data(run),
        weights_sha256=weights_sha256(run.evaluated.state_dict()),
        compute=ComputeSummary(**run.compute.plain()),
        environment=Environment(**environment(run.compute.device)),
    )


def _data(run: Run) -> DataSummary:
    splits = run.splits
    return DataSummary(
        title=splits.title,
        fingerprint=splits.fingerprint,
        **vars(splits.origin),
        train=splits.train.n,
        validation=splits.validation.n if splits.validation else 0,
        test=splits.test.n,
        classes=len(splits.classes),
        shape=list(splits.train.shape),
        class_names=list(splits.classes),
        mean=splits.mean.tolist(),
        std=splits.std.tolist(),
    )


def of_test_images(run: Run, predictions: Predictions) -> Predicted:
    """What is kept of a run's own predictions: counts by class, and the images with the largest loss as pictures."""
    confusion = predictions.confusion()
    rows = predictions.worst(WORST).tolist()
    names = run.splits.test.names
    worst, size = [], 0
    for row, image in zip(rows, thumbnails.pixels(run.splits.test, rows), strict=True):
        png = thumbnails.png(image, SIDE)
        size += len(png)
        if size > PNGS:
            break
        worst.append(
            Worst(
                index=row,
                name=names[row] if names else "",
                label=int(predictions.labels[row]),
                predicted=int(predictions.predicted[row]),
                probability=float(predictions.probabilities[row, 0]),
                loss=float(predictions.losses[row]),
                png=base64.b64encode(png).decode("ascii"),
            )
        )
    return Predicted(images=confusion.sum(1).tolist(), right=confusion.diagonal().tolist(), worst=tuple(worst))


def weights_sha256(state: Mapping[str, Tensor]) -> str:
    """SHA-256 over every parameter and buffer: name, type, shape and bytes, in the order of the names."""
    digest = hashlib.sha256()
    for name, value in sorted(state.items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def outcome(summary: Summary, root: str) -> str:
    """A finished run in one line: errors in percent."""
    final = summary.final
    assert final is not None and final.test_error is not None and final.test_loss is not None, "a complete run has both"
    figures = f"test error {final.test_error:.2f}%  loss {final.test_loss:.4f}"
    return f"{figures}  {Path(root) / summary.study / summary.id}"
