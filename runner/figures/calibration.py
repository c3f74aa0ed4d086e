"""how far confidence is right: the reliability diagram, the calibration error and the confidence histogram

Guo et al. 2017, arXiv:1706.04599, section 2 and equation 3: the n test images fall into M bins by their confidence,
the largest probability; bin m has those with confidence in ((m - 1) / M, m / M]

    acc(B_m)  = mean over i in B_m of [prediction_i = label_i]
    conf(B_m) = mean over i in B_m of confidence_i
    ECE = sum_m |B_m| / n * |acc(B_m) - conf(B_m)|
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from tricktable.runner.disk.runs import StoredRun
from tricktable.runner.errors import BadInput
from tricktable.runner.explore import reevaluate
from tricktable.runner.explore.reevaluate import Request
from tricktable.runner.figures.figure import Figure, shown
from tricktable.runner.report.drawing import PER_FIGURE, Colours, Plot, dash, prepare
from tricktable.runner.training import evaluate
from tricktable.runner.training.run import Run


@dataclass(frozen=True)
class Bin:
    """The images whose confidence lies in (low, high]; accuracy and mean confidence are NaN where there are none."""

    low: float
    high: float
    images: int
    share: float  # of all images
    accuracy: float
    confidence: float


@dataclass(frozen=True)
class _Line:
    run: str
    variant: str
    inference: str
    bins: tuple[Bin, ...]

    @property
    def error(self) -> float:
        return calibration_error(self.bins)


def calibration(runs: Sequence[StoredRun], images: Request, bins: int = 15) -> Figure:
    """Draw the test predictions of one run's variants and inferences, or of several runs, a line each.

    One run: each variant by each inference that takes it. Several: each run's final model by its first inference.
    bins: M, 1 or more. BadInput where there would be more lines than a plot has.
    """
    if bins < 1:
        raise BadInput(f"bins: expected 1 or more, got {bins}")
    if len(runs) > PER_FIGURE:
        raise BadInput(f"calibration: a figure of at most {PER_FIGURE} runs, got {len(runs)}")
    if len(runs) == 1:
        run = reevaluate.rebuilt(runs[0], images)
        found = [(variant, *each) for variant, models in run.variants.items() for each in evaluate.taking(run, models)]
        if len(found) > PER_FIGURE:
            limit = f"calibration: a figure of at most {PER_FIGURE} variants and inferences, got {len(found)}"
            raise BadInput(f"{limit}; choose fewer with inference=[...]")
        lines = [_Line(runs[0].id, v, i, _bins_of(run, module, bins)) for v, i, module in found]
        return Figure((_plot(lines, [f"{line.variant}, {line.inference}" for line in lines]),), tuple(_records(lines)))
    lines = []
    for stored in runs:
        run = reevaluate.rebuilt(stored, images)
        inference, module = evaluate.every_epoch(run)
        lines.append(_Line(stored.id, "final", inference, _bins_of(run, module, bins)))
    return Figure((_plot(lines, [shown(line.run, 32) for line in lines]),), tuple(_records(lines)))


def _bins_of(run: Run, module: nn.Module, bins: int) -> tuple[Bin, ...]:
    """Of a Module's predictions on the test images."""
    evaluate.pick(run, module)
    parts = list(evaluate.outputs(run, module, run.splits.test))
    return binned(torch.cat([logits for logits, _ in parts]), torch.cat([labels for _, labels in parts]), bins)


def binned(logits: Tensor, labels: Tensor, bins: int) -> tuple[Bin, ...]:
    """The bins of logits (or logs of probabilities) N K with labels int64 N, from the least confidence to the most."""
    confidence, predicted = torch.softmax(logits.double().cpu(), 1).max(1)
    right = (predicted == labels.cpu()).double()
    edges = torch.linspace(0, 1, bins + 1, dtype=torch.float64)
    place = torch.bucketize(confidence, edges[1:-1])  # a confidence on an edge belongs below it
    counts, accuracies, confidences = (
        torch.bincount(place, weights, minlength=bins).tolist() for weights in (None, right, confidence)
    )
    n, lows, highs = len(labels), edges[:-1].tolist(), edges[1:].tolist()
    found = zip(lows, highs, counts, accuracies, confidences, strict=True)
    return tuple(
        Bin(low, high, count, count / n, *((a / count, c / count) if count else (math.nan, math.nan)))
        for low, high, count, a, c in found
    )


def calibration_error(bins: Sequence[Bin]) -> float:
    """The expected calibration error, a share in [0, 1]."""
    return sum(each.share * abs(each.accuracy - each.confidence) for each in bins if each.images)


def _records(lines: Sequence[_Line]) -> Iterator[dict[str, Any]]:
    """A row for each bin of each line; the calibration error is its line's, in percent."""
    for line in lines:
        for each in line.bins:
            yield {
                "run": line.run,
                "variant": line.variant,
                "inference": line.inference,
                "calibration_error": 100 * line.error,
                **vars(each),
            }


def _plot(lines: Sequence[_Line], labels: Sequence[str]) -> Plot:
    def draw(figure: Any, colours: Colours) -> None:
        above, below = figure.subplots(2, sharex=True, height_ratios=(1, 2))
        prepare(above, colours, "", "images, %")
        prepare(below, colours, "confidence, % (diagonal: calibrated)", "accuracy, %")
        below.plot([0, 100], [0, 100], color=colours.muted, linewidth=0.8)
        for i, line in enumerate(lines):
            style = {"color": colours.rows[i], "linestyle": dash(i), "linewidth": 1.5}
            edges = [100 * each.low for each in line.bins] + [100 * line.bins[-1].high]
            above.stairs([100 * each.share for each in line.bins], edges, **style)
            points = [(100 * b.confidence, 100 * b.accuracy) for b in line.bins if b.images]
            below.plot(*zip(*points, strict=True), marker="o", markersize=3, **style)
        above.set_ylim(bottom=0)
        below.set_xlim(-1, 101)
        below.set_ylim(-3, 103)

    errors = [f"{label}: calibration error {100 * line.error:.2f}%" for label, line in zip(labels, lines, strict=True)]
    words = f"Test images by confidence, and the accuracy of each of {len(lines[0].bins)} bins. {'; '.join(errors)}."
    keys = tuple(f"ECE {100 * line.error:.2f}%: {label}" for label, line in zip(labels, lines, strict=True))
    return Plot("Confidence and accuracy on test images", words, keys, draw, 4.2)
