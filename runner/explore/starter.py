"""`tricktable init`: what is in a folder of images, and a first study of it to be edited and run."""

import os
import statistics
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tricktable.runner import machine, terminal
from tricktable.runner.config import written
from tricktable.runner.data import members, pictures, worker
from tricktable.runner.data.layout import Share, layout
from tricktable.runner.data.members import Member
from tricktable.runner.errors import BadInput, DataProblem

SIZES = (32, 64, 96, 128, 160, 224)  # that networks are made for, in pixels
SMALL = 64  # up to which a network for small images fits
ON_CPU = 32  # pixels of images, without a GPU: a run is then minutes, and not hours
SHARE = 0.2  # drawn for testing where a folder is not split
EPOCHS, SEEDS, BATCH = 30, 3, 128


@dataclass(frozen=True)
class Look:
    """What a folder holds: images per class, of both splits together; sizes (W, H); what is wrong with which image."""

    where: Path
    split: bool
    train: int
    test: int
    classes: Counter[str]
    sizes: Counter[tuple[int, int]]
    grey: bool
    broken: tuple[str, ...]

    @property
    def size(self) -> int | None:
        """The side of the squares to be made of the images; None where all have one size that is small already."""
        if len(self.sizes) == 1 and max(max(size) for size in self.sizes) <= SIZES[-1]:
            return None
        short = statistics.median_low([min(size) for size in self.sizes.elements()])
        return max((size for size in SIZES if size <= short), default=SIZES[0])


def look(text: str) -> Look:
    """Open every image of a folder. DataProblem where it is no folder of images."""
    where = pictures.resolve(text)
    if not where.is_dir():
        raise BadInput(f"{where}: expected a folder; unpack the archive, or name it in data.path")
    found = members.tree(where)
    split = any(at.split in members.TESTS for at in found)
    if not split:
        found = members.tree(where, unsplit=True)
    if not found:
        raise DataProblem(f"{where}: expected {members.UNSPLIT}, or {members.SHAPE}; found no image in such a place")
    train, test, _ = layout(found, where, None if split else Share(SHARE, 0))
    places = [*train, *test]
    with ThreadPoolExecutor(machine.cores()) as pool:
        opened = list(pool.map(lambda at: _opened(where, at), places))
    return Look(
        where=where,
        split=split,
        train=len(train),
        test=len(test),
        classes=Counter(at.label for at in places),
        sizes=Counter(each[0] for each in opened if isinstance(each, tuple)),
        grey=all(each[1] for each in opened if isinstance(each, tuple)),
        broken=tuple(each for each in opened if isinstance(each, str)),
    )


def _opened(where: Path, at: Member) -> tuple[tuple[int, int], bool] | str:
    """An image's size (W, H) and whether it is grey; a sentence where it is broken."""
    try:
        item = next(members.read_tree(where, [at]))
        image, _, mode = worker.open_image(item.data, 3)
    except (ValueError, DataProblem) as error:
        return terminal.clean(f"{at.name}: {error}")
    return image.size, mode in ("L", "1", *worker.DEEP)


def write(text: str, to: Path | None) -> list[str]:
    """Look at a folder and write its first study; what to say of both. BadInput where the file is there already."""
    seen = look(text)
    path = Path(f"{_name(seen.where)}.yaml") if to is None else to
    said = list(_said(seen))
    if not seen.sizes:
        raise DataProblem(f"{seen.where}: {worker.broken_images(seen.broken)}")
    try:
        with open(path, "x", encoding="utf-8") as file:
            file.write("\n".join(study(seen)) + "\n")
    except FileExistsError:
        raise BadInput(f"{path}: is there already, and is never overwritten; name another file with --to") from None
    except OSError as error:
        raise BadInput(f"{path}: cannot be written ({error.strerror})") from None
    return [*said, f"{path}", f"edit it, then: tricktable study {path}"]


def _name(where: Path) -> str:
    """A folder's name as a study may have it."""
    kept = "".join(c if c.isascii() and (c.isalnum() or c in "_-") else "_" for c in where.resolve().name)
    return kept.lstrip("_-") or "images"


def _said(seen: Look) -> Iterator[str]:
    counts = seen.classes.most_common()
    yield f"{terminal.clean(str(seen.where))}: {seen.train:,} training and {seen.test:,} test images" + (
        "" if seen.split else f" ({SHARE:.0%} of each class drawn: the folder is not split)"
    )
    (most, largest), (least, smallest) = counts[0], counts[-1]
    yield f"{len(counts)} classes, from {smallest:,} images ({terminal.clean(least)}) to {largest:,} ({most})"
    if len(counts) == 1:
        yield "warning: one class: there is nothing to tell apart, and an error of 0.00% means nothing"
    if largest >= 3 * smallest:
        share = largest / sum(seen.classes.values())
        yield f"warning: the classes are not balanced: always saying {most} is right for {share:.0%} of them"
    for (width, height), number in seen.sizes.most_common(1):
        others = "all of them" if len(seen.sizes) == 1 else f"{number:,} of them; {len(seen.sizes):,} sizes"
        yield f"{width}x{height} pixels ({others}), {'grey' if seen.grey else 'in colour'}"
    if seen.broken:
        yield f"warning: {worker.broken_images(seen.broken)}"


def study(seen: Look) -> list[str]:
    """The lines of the study's file."""
    path = written.typed("data.path", os.path.abspath(seen.where))
    keys: list[tuple[str, str]] = [
        ("data=image_folder", "images of your own"),
        (path, "where they lie"),
    ]
    if not seen.split:
        keys.append((f"data.test_share={SHARE}", "the folder is not split: this share of each class is for testing"))
    side = seen.size or max(max(size) for size in seen.sizes)
    if not machine.gpu() and side > ON_CPU:
        side = ON_CPU
        keys.append(
            (f"data.size={side}", "squares of so many pixels: there is no GPU here, and a run is to be minutes")
        )
    elif seen.size is not None:
        keys.append((f"data.size={side}", "the images differ in size, or are large: squares of so many pixels"))
    if seen.grey:
        keys.append(("data.grayscale=true", "all of them are grey: one channel is enough"))
    model = ("resnet20", "made for small images") if side <= SMALL else ("resnet18", "made for large images")
    if not machine.gpu():
        model = ("resnet8", "small, and made for small images")
    keys.append((f"model={model[0]}", f"{model[1]}; `tricktable list model` has others"))
    keys.append((f"batch_size={min(BATCH, max(1, seen.train // 4))}", "at least four steps an epoch"))
    keys.append((f"epochs={EPOCHS}", "enough for a first look; more for a figure to rely on"))
    width = max(len(_item(key)) for key, _ in keys)
    return [
        f"# A first study of {len(seen.classes)} classes, {seen.train} training and {seen.test} test images.",
        f"study: {_name(seen.where)}",
        f"n: {SEEDS}            # seeds of each row: one says little, for the next may differ by as much as a trick",
        "baseline: plain   # the row that the others are compared with",
        "shared:           # what is typed for every row",
        *(f"  - {_item(key):<{width}}   # {why}" for key, why in keys),
        "rows:             # what each row changes",
        "  plain: []       # the images as they are",
        "  crop and flip: ['augment=[crop,flip]']   # no flip where left and right differ, as in digits or text",
        "  mixup: ['augment=[crop,flip,mixup]']     # pairs of images and their labels are blended",
    ]


def _item(key: str) -> str:
    """An override as an item of a YAML list."""
    return "'" + key.replace("'", "''") + "'"
