"""`tricktable show --images`: some images of a run's first batch, before and after its augmentations, as a picture."""

import io
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tricktable.runner import data, randomness, terminal
from tricktable.runner.config.compose import compose
from tricktable.runner.data import thumbnails
from tricktable.runner.disk import atomic
from tricktable.runner.errors import BadInput
from tricktable.runner.training import augmented, job
from tricktable.runner.training.run import Run

COLUMNS, BLOCKS = 6, 2  # images side by side; rows of them, each before and after
SMALL = 0.005  # a share of a target that is not worth a word


@dataclass(frozen=True, eq=False)
class Pair:
    """An image as stored and as the network sees it, uint8 H W C; what it is, and what the network is told."""

    before: Any
    after: Any
    label: str
    target: str


def show(overrides: Sequence[str], path: Path) -> Path:
    """Draw the images and write the picture; its path. BadInput where the run cannot be, or the file is no .png."""
    if path.suffix.lower() != ".png":
        raise BadInput(f"--images: expected the name of a .png file, got {terminal.clean(str(path))}")
    config = compose(overrides)
    run, _ = job.prepare(config, data.load(config.data))
    pairs = first_batch(run, COLUMNS * BLOCKS)
    size = "x".join(map(str, run.splits.train.shape[1:]))
    title = f"{run.splits.title}: the first batch of {config.label}"
    small = run.knobs.image_size(0)
    done = ", ".join(run.augment) or f"no augmentation{'' if small else ', so both rows are alike'}"
    if small:
        done += f" and at {small[0]}x{small[1]} pixels (schedule.size)"
    whole = next(run.knobs.batches(0))[1]
    caption = (
        f"{len(pairs)} of the {whole:,} images of the first batch, {size} pixels. Upper row: as "
        f"stored; lower row: as the network sees it, after {done}, with what it is told."
    )
    if _bright(pairs) > 1:
        caption += " It has few grey levels, and is shown brighter."
    with atomic.storage(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    atomic.replace(path, picture(pairs, title, caption))
    return path


def first_batch(run: Run, n: int) -> list[Pair]:
    """The first n images of a run's first batch, by the draws of its training: the whole batch is augmented."""
    order = torch.randperm(run.knobs.n, generator=randomness.generator(run.seed, "order", 0))
    drawn, crop = augmented.begin(run, order, 0)
    batch = next(run.knobs.batches(0))
    images, labels = next(iter(run.splits.train.draw([batch], order, crop)))
    stored, _ = next(iter(run.splits.train.draw([batch], order)))
    x, y = augmented.batch(run, images, labels, augmented.rows(drawn, *batch), run.knobs.image_size(0))
    seen = (x * run.splits.std.view(-1, 1, 1) + run.splits.mean.view(-1, 1, 1)).round().clamp(0, 255).to(torch.uint8)
    names = run.splits.classes
    return [
        Pair(_pixels(before), _pixels(after), names[int(label)], _told(target, names))
        for before, after, label, target in zip(stored[:n], seen[:n], labels[:n], y[:n], strict=True)
    ]


def _pixels(image: Tensor) -> Any:
    """C H W as H W C, of three channels."""
    return image.cpu().expand(3, -1, -1).permute(1, 2, 0).numpy()


def _told(target: Tensor, names: Sequence[str]) -> str:
    """A distribution over the classes in words: its largest shares."""
    shares, classes = target.sort(descending=True)
    several = [(float(s), names[int(c)]) for s, c in zip(shares[:2], classes[:2], strict=True) if s > SMALL]
    if len(several) == 1 and several[0][0] > 1 - SMALL:
        return several[0][1]
    return "\n".join(f"{share:.2f} {name}" for share, name in several)


def picture(pairs: Sequence[Pair], title: str, caption: str) -> bytes:
    """A PNG: blocks of two rows, each image below its label or what the network is told."""
    from matplotlib.figure import Figure

    across = min(COLUMNS, len(pairs))
    blocks = -(-len(pairs) // across)
    figure = Figure(figsize=(max(1.5 * across, 6), 1.2 + 3.9 * blocks), dpi=150, layout="constrained")
    panels = figure.subplots(2 * blocks, across, squeeze=False)
    for panel in panels.flat:
        panel.set_axis_off()
    bright = _bright(pairs)
    for i, pair in enumerate(pairs):
        row, column = 2 * (i // across), i % across
        for panel, pixels, words in (
            (panels[row, column], pair.before, pair.label),
            (panels[row + 1, column], pair.after, pair.target),
        ):
            panel.imshow((pixels * (bright / 255)).clip(0, 1), interpolation="nearest")
            panel.set_title(_plain(words), fontsize=9, parse_math=False)
    letters = int(12 * figure.get_figwidth())
    figure.suptitle(textwrap.fill(terminal.clean(title), letters), fontsize=11, parse_math=False)
    figure.supxlabel(textwrap.fill(terminal.clean(caption), letters), fontsize=9, parse_math=False)
    png = io.BytesIO()
    figure.savefig(png, format="png")
    return png.getvalue()


def _bright(pairs: Sequence[Pair]) -> float:
    """What pixels are multiplied by so that they are seen: all alike, by those that are stored."""
    return thumbnails.stretch(max(int(pair.before.max()) for pair in pairs))


def _plain(words: str) -> str:
    """Text from anybody's folders, line by line."""
    return "\n".join(terminal.clean(line) for line in words.split("\n"))
