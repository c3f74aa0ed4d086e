"""the accuracy of each class on test images, with its interval and the number of its images, the lowest first

Of n images of a class a share s = right / n is right; Wilson 1927 has the 95% interval

    (s + z^2 / 2n ± z sqrt(s (1 - s) / n + z^2 / 4n^2)) / (1 + z^2 / n)

which is of the sampling of test images alone: seeds differ by more. Of several runs, each is a mark of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tricktable.runner.disk.runs import StoredRun
from tricktable.runner.errors import BadInput
from tricktable.runner.explore.reevaluate import Request
from tricktable.runner.figures.confusion import LETTER, LONGEST, counted
from tricktable.runner.figures.figure import Figure, shown
from tricktable.runner.papers.intervals import wilson
from tricktable.runner.report.drawing import PER_FIGURE, Colours, Plot, prepare, short


@dataclass(frozen=True)
class Accuracy:
    """A class's images, how many of these a run is right on, and that in percent with its interval."""

    images: int
    right: int

    @property
    def percent(self) -> float:
        """Right ones in a hundred."""
        return 100 * self.right / self.images

    @property
    def interval(self) -> tuple[float, float]:
        """(low, high), in percent."""
        low, high = wilson(self.right, self.images)
        return 100 * low, 100 * high


def per_class(runs: Sequence[StoredRun], images: Request, classes: int = 50) -> Figure:
    """Draw the accuracies of each run's final model by its first inference; the CSV has every class.

    classes: at most so many are drawn, those with the lowest accuracies, 1 or more. BadInput for more runs than a plot
    has marks.
    """
    if classes < 1:
        raise BadInput(f"classes: expected 1 or more, got {classes}")
    if len(runs) > PER_FIGURE:
        raise BadInput(f"per_class: a figure of at most {PER_FIGURE} runs, got {len(runs)}")
    found: dict[str, list[Accuracy]] = {}
    names: tuple[str, ...] = ()
    for stored in runs:
        counts, own = counted([stored], images)
        if names and own != names:
            raise BadInput(f"per_class: {stored.id} has other classes than {runs[0].id}")
        names, totals, right = own, counts.sum(1).tolist(), counts.diagonal().tolist()
        found[stored.id] = [Accuracy(n, r) for n, r in zip(totals, right, strict=True)]
    order = [i for i in range(len(names)) if all(each[i].images for each in found.values())]
    order.sort(key=lambda i: sum(each[i].percent for each in found.values()))
    records = [
        {
            "run": run,
            "class": names[i],
            "images": each[i].images,
            "right": each[i].right,
            "accuracy": each[i].percent,
            "low": each[i].interval[0],
            "high": each[i].interval[1],
        }
        for run, each in found.items()
        for i in order
    ]
    return Figure((_plot(found, names, order, classes),), tuple(records))


def _plot(found: dict[str, list[Accuracy]], names: Sequence[str], order: Sequence[int], most: int) -> Plot:
    drawn = order[:most]
    labels = [f"{short(names[i], LONGEST)} ({_images(found, i)})" for i in drawn]
    rows = len(drawn)

    def draw(figure: Any, colours: Colours) -> None:
        panel = prepare(figure.subplots(), colours, "accuracy, % (bar: 95% interval)", "")
        for number, each in enumerate(found.values()):
            shift = (number - (len(found) - 1) / 2) * min(0.24, 0.8 / len(found))
            for y, i in enumerate(drawn):
                colour = colours.rows[number]
                panel.plot(each[i].interval, [y + shift] * 2, color=colour, linewidth=1.6, alpha=0.5)
                panel.plot([each[i].percent], [y + shift], "o", color=colour, markersize=3.5, clip_on=False)
        panel.set_yticks(range(rows), labels, parse_math=False, fontsize=8)
        panel.set_ylim(rows - 0.4, -0.6)
        panel.set_xlim(right=100)

    part = "" if rows == len(order) else f": the lowest {rows} of {len(order)} classes"
    first = next(iter(found))
    words = "; ".join(f"{names[i]}: {found[first][i].percent:.1f}% of {found[first][i].images}" for i in drawn)
    keys = tuple(shown(run, 32) for run in found) if len(found) > 1 else ()
    step = 0.2 if len(found) < 3 else 0.07 * len(found)
    width = 3.4 + LETTER * max(map(len, labels))
    return Plot(f"Accuracy by class (images){part}", f"{first}: {words}.", keys, draw, 0.8 + step * rows, width=width)


def _images(found: dict[str, list[Accuracy]], i: int) -> str:
    """How many images a class has: one number where all runs have the same."""
    return "/".join(dict.fromkeys(f"{each[i].images:,}" for each in found.values()))
