"""Images of your own: a folder or archive of train/<class>/<image> and test/<class>/<image>."""

import hashlib
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import torch

from runner.data import cache, contents, members, pictures, worker
from runner.data.members import Member
from runner.data.source import Arrays, Files, Origin, memory_limit
from runner.errors import BadInput, DataProblem
from runner.machine import cores

STREAM = "as evaluated, or the crop that was asked for"  # runs made before it always cropped: they are not continued
IMAGENET = (1000, 1_281_167, 50_000)  # classes, training images, validation images
SETS = {"imagenet": (IMAGENET[1], IMAGENET[0])}  # known sets: training images, classes
IMAGENETTE = (10, 9_469, 3_925)
IMAGENETTE_IDS = (
    *("n01440764", "n02102040", "n02979186", "n03000684", "n03028079"),
    *("n03394916", "n03417042", "n03425413", "n03445777", "n03888257"),
)


def image_folder(
    path: str | None = None,
    stream: bool | None = None,
    size: int | None = None,
    resize: int | None = None,
    grayscale: bool = False,
) -> Arrays | Files:
    """The images below `path` (a folder, .tar, .tar.gz, .tar.xz or .zip; the splits may lie in one folder below it).

    `size`: short side resized to it (to `resize`, where that is given) and centre cropped; null: all images have one
    size already. The test split is test, val, valid or validation, the first of these that is there. A folder that
    would not fit in memory is streamed, to the same images.
    """
    if path is None:
        raise BadInput(f"data.path: image_folder needs a folder or archive of {members.SHAPE}")
    if size is not None and not 1 <= size <= 4096:
        raise BadInput(f"data.size: expected 1 to 4096 pixels, got {size}")
    if resize is not None and (size is None or not size <= resize <= 4096):
        least = "nothing, for data.size is null" if size is None else f"{size} (data.size) to 4096 pixels"
        raise BadInput(f"data.resize: expected {least}, got {resize}")
    where = pictures.resolve(path)
    channels = 1 if grayscale else 3
    if stream and not where.is_dir():
        raise BadInput(f"data.stream: streaming needs an extracted tree, and {where} is an archive; extract it")
    if stream or (stream is None and where.is_dir() and _too_large(where, size, channels)):
        if not stream:
            print(f"{where}: too large to decode at once; decoded while training (data.stream)", file=sys.stderr)
        return _files(where, size, resize, channels)
    images = pictures.decoded(where, size, channels, None if stream is False else memory_limit(), resize)
    known = _origin(images.classes, len(images.train_labels), len(images.test_labels))
    return Arrays(
        images.train_images,
        images.train_labels,
        images.test_images,
        images.test_labels,
        images.classes,
        _title(where),
        fingerprint=images.fingerprint,
        origin=replace(known if known.dataset else contents.origin(images), archive=pictures.archive(where)),
    )


def _origin(classes: tuple[str, ...], train: int, test: int) -> Origin:
    """ImageNet (ILSVRC 2012) or Imagenette, by their classes' WordNet ids and their numbers of images."""
    numbers = len(classes), train, test
    if numbers == IMAGENET and all(re.fullmatch(r"n[0-9]{8}", name) for name in classes):
        return Origin("imagenet", complete=True)
    if numbers == IMAGENETTE and classes == IMAGENETTE_IDS:
        return Origin("imagenette", complete=True)
    return Origin()


def _title(where: Path) -> str:
    """The folder's own name, or the archive's without its suffixes."""
    name = where.resolve().name
    for suffix in (".gz", ".xz", ".bz2", ".tar", ".tgz", ".txz", ".zip"):
        name = name.removesuffix(suffix) if where.is_file() else name
    return members.shown(name) or "image_folder"


def _too_large(where: Path, size: int | None, channels: int) -> bool:
    """Whether a folder's images would take more than memory allows, judged by their number and the first one's size."""
    train, test, _ = members.layout(members.tree(where), where)
    if size is None:
        first = next(members.read_tree(where, train[:1]))
        try:
            width, height = worker.open_image(first.data, channels)[0].size
        except ValueError as error:
            raise DataProblem(f"{where}: {train[0].name}: {error}; replace or remove it") from None
    else:
        width = height = size
    return (len(train) + len(test)) * channels * width * height > memory_limit()


def _files(where: Path, size: int | None, resize: int | None, channels: int) -> Files:
    if size is None:
        raise BadInput("data.size: images that are decoded while training need a size, such as 224")
    found = members.tree(where)
    train, test, classes = members.layout(found, where)
    names = [at.name for at in (*train, *test)]
    index = {label: i for i, label in enumerate(classes)}
    return Files(
        root=where,
        train_names=tuple(names[: len(train)]),
        train_labels=torch.tensor([index[at.label] for at in train]),
        test_names=tuple(names[len(train) :]),
        test_labels=torch.tensor([index[at.label] for at in test]),
        size=size,
        channels=channels,
        classes=classes,
        title=_title(where),
        fingerprint=cache.remembered("files", pictures.state(found), lambda: _fingerprint(where, [*train, *test])),
        origin=_origin(classes, len(train), len(test)),
        resize=resize,
    )


def _fingerprint(where: Path, places: list[Member]) -> str:
    """«sha256:...» of STREAM, the names (below the folder that holds both splits) and the files' own digests."""

    def digest(at: Member) -> str:
        try:
            return cache.digest(where / at.name)
        except OSError as error:
            raise DataProblem(f"{where / at.name}: expected a file that can be read, found {error.strerror}") from None

    total = hashlib.sha256(STREAM.encode())
    with ThreadPoolExecutor(cores()) as pool:  # hashing leaves the interpreter to others
        for at, each in zip(places, pool.map(digest, places), strict=True):
            total.update(f"{at.split}/{at.label}/{at.file}\0{each}\n".encode())
    return f"sha256:{total.hexdigest()}"
