"""which classes are taken for which: the confusion matrix on test images, and the most frequent confusions

    C[i, j] = #{images of class i whose likeliest class is j}

of each run's final model by its first inference; of several runs the sum, so that a mean over runs is C / n.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from tricktable.runner import terminal
from tricktable.runner.disk.runs import StoredRun
from tricktable.runner.errors import BadInput
from tricktable.runner.explore import reevaluate
from tricktable.runner.explore.reevaluate import Request
from tricktable.runner.figures.figure import Figure
from tricktable.runner.report.colour_map import on, shades
from tricktable.runner.report.drawing import Colours, Plot, prepare, short
from tricktable.runner.training import evaluate

NUMBERED = 20  # classes up to which each cell has its number
NAMED = 60  # classes up to which each row has its name
LONGEST = 24  # characters of a name
TICKS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100)  # percent
LETTER = 0.075  # inches of a name's letter


def confusion(runs: Sequence[StoredRun], images: Request, pairs: int = 20) -> Figure:
    """Draw the counts of one run, or the sum over several on the same test images.

    pairs: how many of the most frequent confusions are listed, 1 or more. BadInput where runs have other test images.
    """
    if pairs < 1:
        raise BadInput(f"pairs: expected 1 or more, got {pairs}")
    counts, names = counted(runs, images)
    said = f"{int(counts.sum()):,} predictions of {len(runs)} {'run' if len(runs) == 1 else 'runs'}"
    off = _most_frequent(counts)
    plots = [_matrix(counts, names, said)]
    if off and len(names) > 2:
        plots.append(_list(off[:pairs], counts, names))
    totals = counts.sum(1).tolist()
    records = [
        {
            "class": names[i],
            "predicted_class": names[j],
            "images": n,
            "share": n / totals[i] if totals[i] else None,
        }
        for i, row in enumerate(counts.tolist())
        for j, n in enumerate(row)
        if n or len(names) <= NAMED
    ]
    return Figure(tuple(plots), tuple(records))


def counted(runs: Sequence[StoredRun], images: Request) -> tuple[Tensor, tuple[str, ...]]:
    """The sum of the runs' counts, int64 K K, and the classes' names, fit for a drawing."""
    counts, fingerprint = torch.zeros(0), ""
    names: tuple[str, ...] = ()
    for stored in runs:
        run = reevaluate.rebuilt(stored, images)
        if names and (run.splits.classes, run.splits.fingerprint) != (names, fingerprint):
            raise BadInput(f"{stored.id} has other test images ({run.splits.title}) than {runs[0].id}")
        found = evaluate.predictions(run).confusion()
        counts = counts + found if names else found
        names, fingerprint = run.splits.classes, run.splits.fingerprint
    return counts, tuple(map(terminal.clean, names))


def _most_frequent(counts: Tensor) -> list[tuple[int, int]]:
    """(class, predicted) of what is wrong, the most frequent first, of equals the first class."""
    found = [(-n, i, j) for i, row in enumerate(counts.tolist()) for j, n in enumerate(row) if n and i != j]
    return [(i, j) for _, i, j in sorted(found)]


def _matrix(counts: Tensor, names: Sequence[str], said: str) -> Plot:
    """Rows are classes, each with its shares; a cell without an image is left empty, so that no confusion is lost."""
    k = len(names)
    shares = (100 * counts.double() / counts.sum(1, keepdim=True).clamp(min=1)).tolist()
    labels = [short(name, LONGEST) for name in names]
    cell = 0.34 if k <= NUMBERED else 0.16 if k <= NAMED else max(0.012, 6 / k)
    margin = 0.6 + (LETTER * max(map(len, labels)) if k <= NAMED else 0.3)

    def draw(figure: Any, colours: Colours) -> None:
        panel = prepare(figure.subplots(), colours, "predicted", "class")
        panel.grid(visible=False)
        panel.spines["bottom"].set_visible(False)
        some = [share for row in shares for share in row if share]
        map_ = shades(min(some), max(some))
        seen = [[share or math.nan for share in row] for row in shares]
        drawn = panel.imshow(seen, cmap=map_.cmap, norm=map_.norm, interpolation="nearest")
        if k <= NUMBERED:
            _numbers(panel, counts.tolist(), [[on(map_.to_rgba(share)) for share in row] for row in shares])
        if k <= NAMED:
            size, turn = 8 if k <= NUMBERED else 7, 90 if max(map(len, labels)) > 3 else 0
            panel.set_xticks(range(k), labels, parse_math=False, rotation=turn, fontsize=size)
            panel.set_yticks(range(k), labels, parse_math=False, fontsize=size)
        ticks = [tick for tick in TICKS if min(some) <= tick <= max(some)]
        bar = figure.colorbar(drawn, ax=panel, shrink=0.7, ticks=ticks, format="%g")
        bar.outline.set_visible(False)
        bar.ax.minorticks_off()
        bar.ax.tick_params(colors=colours.muted, length=0)
        bar.set_label("share of the class, %", color=colours.muted)

    right = 100 * int(counts.diagonal().sum()) / max(int(counts.sum()), 1)
    words = f"{said}; on the diagonal, {right:.2f}% of them, they are right."
    return Plot(
        f"Confusion: {said}", words, (), draw, max(2.6, margin + cell * k), width=max(4.6, margin + cell * k + 1.1)
    )


def _numbers(panel: Any, counts: list[list[int]], inks: list[list[str]]) -> None:
    for i, row in enumerate(counts):
        for j, n in enumerate(row):
            if n:
                panel.text(j, i, str(n), ha="center", va="center", fontsize=6.5 if n > 999 else 7.5, color=inks[i][j])


def _list(pairs: Sequence[tuple[int, int]], counts: Tensor, names: Sequence[str]) -> Plot:
    """The most frequent confusions as bars, each named."""
    totals = counts.sum(1).tolist()
    numbers = [int(counts[i, j]) for i, j in pairs]
    shares = [100 * n / totals[i] for n, (i, _) in zip(numbers, pairs, strict=True)]
    labels = [f"{short(names[i], LONGEST)} → {short(names[j], LONGEST)}" for i, j in pairs]

    def draw(figure: Any, colours: Colours) -> None:
        panel = prepare(figure.subplots(), colours, "share of the class, %", "")
        panel.barh(range(len(pairs)), shares, color=colours.rows[0], height=0.62)
        for y, (share, n) in enumerate(zip(shares, numbers, strict=True)):
            panel.text(share, y, f" {n}", va="center", fontsize=7.5, color=colours.muted)
        panel.set_yticks(range(len(pairs)), labels, parse_math=False, fontsize=8)
        panel.set_ylim(len(pairs) - 0.4, -0.6)
        panel.set_xlim(0, 1.12 * max(shares))
        panel.grid(axis="y", visible=False)

    words = "; ".join(f"{label}: {n}" for label, n in zip(labels, numbers, strict=True))
    width = 3.2 + LETTER * max(map(len, labels))
    return Plot(
        "The most frequent confusions: class → predicted", words, (), draw, 0.9 + 0.21 * len(pairs), width=width
    )
