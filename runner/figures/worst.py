"""the test images with the largest loss, each with its class and what it was taken for

    loss_i = -log p_i[label_i],    the largest first

of a run's final model by its first inference: mislabelled images, and what the network has not learnt, come first.
"""

import textwrap
from collections.abc import Sequence
from typing import Any

from tricktable.runner import terminal
from tricktable.runner.data import thumbnails
from tricktable.runner.disk.runs import StoredRun
from tricktable.runner.errors import BadInput
from tricktable.runner.explore import reevaluate
from tricktable.runner.explore.reevaluate import Request
from tricktable.runner.figures.figure import Figure, one
from tricktable.runner.report.drawing import Colours, Plot, short
from tricktable.runner.training import evaluate

MOST = 100  # images that a picture has room for
ACROSS = 6
SIDE, TEXT = 1.4, 0.5  # inches of an image, and of the words above it
LETTERS = 22  # of a line above an image
FONT = 7


def worst(runs: Sequence[StoredRun], images: Request, count: int = 24) -> Figure:
    """Draw the images of one run, as they are evaluated. count: how many of them, 1 to 100."""
    if not 1 <= count <= MOST:
        raise BadInput(f"count: expected 1 to {MOST}, got {count}")
    stored = one(runs, "worst")
    run = reevaluate.rebuilt(stored, images)
    predictions = evaluate.predictions(run)
    rows = predictions.worst(count).tolist()
    names = [terminal.clean(name) for name in run.splits.classes]
    files = run.splits.test.names
    records: list[dict[str, Any]] = []
    for row in rows:
        label, predicted = int(predictions.labels[row]), int(predictions.predicted[row])
        records.append(
            {
                "index": row,
                **({"name": files[row]} if files else {}),
                "class": names[label],
                "predicted_class": names[predicted],
                "probability": float(predictions.probabilities[row, 0]),
                "loss": float(predictions.losses[row]),
            }
        )
    return Figure((_plot(thumbnails.pixels(run.splits.test, rows), records, run.splits.title),), tuple(records))


def _plot(pictures: Sequence[Any], records: Sequence[dict[str, Any]], title: str) -> Plot:
    across = min(ACROSS, len(pictures))
    lines = -(-len(pictures) // across)

    def draw(figure: Any, colours: Colours) -> None:
        panels = figure.subplots(lines, across, squeeze=False).flat
        for panel in panels:
            panel.set_axis_off()
        for panel, picture, record in zip(figure.axes, pictures, records, strict=False):
            panel.imshow(picture, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
            right = record["class"] == record["predicted_class"]
            colour = colours.ink if right else colours.theirs
            panel.set_title(told(record), fontsize=FONT, color=colour, parse_math=False, linespacing=1.1)

    words = "; ".join(told(record).replace("\n", " ") for record in records)
    width = max(4.0, SIDE * across + 0.2)
    head = textwrap.shorten(f"{terminal.clean(title)}: the test images with the largest loss", int(13 * width))
    return Plot(head, words, (), draw, 0.5 + (SIDE + TEXT) * lines, width=width)


def told(record: dict[str, Any]) -> str:
    """An image in three lines: its class, what it was taken for, and with which probability."""
    taken = short(record["predicted_class"], LETTERS - 2)
    return f"{short(record['class'], LETTERS)}\n→ {taken}\n{100 * record['probability']:.0f}%"
