"""Images of your own: a folder or archive of train/<class>/<image> and test/<class>/<image>."""

import contextlib
import hashlib
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import torch

from tricktable.runner.data import cache, contents, members, pictures, worker
from tricktable.runner.data.decode import Decoded
from tricktable.runner.data.layout import Share, layout
from tricktable.runner.data.members import Member
from tricktable.runner.data.source import Arrays, Files, Origin, memory_limit
from tricktable.runner.errors import BadInput, DataProblem
from tricktable.runner.machine import cores

STREAM = "as evaluated, or the crop that was asked for; upright, opaque, of 8 bits"  # else: runs of another making
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
    test_share: float | None = None,
    split_seed: int = 0,
) -> Arrays | Files:
    """The images below `path` (a folder, .tar, .tar.gz, .tar.xz or .zip; the splits may lie in one folder below it).

    `size`: short side resized to it (to `resize`, where that is given) and centre cropped; null: all images have one
    size already. The test split is test, val, valid or validation, the first of these that is there. A folder that
    would not fit in memory is streamed, to the same images. `test_share`: of a set that is not split (<class>/<image>),
    this share of each class is for testing, drawn by `split_seed`.
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
    share = None if test_share is None else Share(test_share, split_seed)
    if stream and not where.is_dir():
        raise BadInput(f"data.stream: streaming needs an extracted tree, and {where} is an archive; extract it")
    if stream or (stream is None and where.is_dir() and _too_large(where, size, channels, share)):
        if not stream:
            print(f"{where}: too large to decode at once; decoded while training (data.stream)", file=sys.stderr)
        return _several(_files(where, size, resize, channels, share))
    images = pictures.decoded(where, size, channels, None if stream is False else memory_limit(), resize, share)
    known = Origin() if share is not None else _decoded_origin(images)  # no split that was drawn here is known
    return _several(
        Arrays(
            images.train_images,
            images.train_labels,
            images.test_images,
            images.test_labels,
            images.classes,
            _title(where, share),
            fingerprint=images.fingerprint,
            origin=replace(known, archive=pictures.archive(where)),
            test_names=images.test_names,
        )
    )


def _several(source: Arrays | Files) -> Arrays | Files:
    """The source, with a warning where there is nothing to tell apart."""
    if len(source.classes) == 1:
        print(
            f"warning: {source.title} has one class, {source.classes[0]}: an error of 0.00% means nothing",
            file=sys.stderr,
        )
    return source


def _decoded_origin(images: Decoded) -> Origin:
    """Of a split that is the set's own."""
    known = origin(images.classes, len(images.train_labels), len(images.test_labels))
    return known if known.dataset is not None else contents.origin(images)


def origin(classes: tuple[str, ...], train: int, test: int) -> Origin:
    """ImageNet (ILSVRC 2012) or Imagenette, by their classes' WordNet ids and their numbers of images."""
    numbers = len(classes), train, test
    if numbers == IMAGENET and all(re.fullmatch(r"n[0-9]{8}", name) for name in classes):
        return Origin("imagenet", complete=True)
    if numbers == IMAGENETTE and classes == IMAGENETTE_IDS:
        return Origin("imagenette", complete=True)
    return Origin()


def _title(where: Path, share: Share | None) -> str:
    """The folder's own name, or the archive's without its suffixes; and how it was split, where it was not."""
    name = where.resolve().name
    for suffix in (".gz", ".xz", ".bz2", ".tar", ".tgz", ".txz", ".zip"):
        name = name.removesuffix(suffix) if where.is_file() else name
    drawn = f" ({share.share:.4g} of each class drawn for testing, split_seed {share.seed})" if share else ""
    return (members.shown(name) or "image_folder") + drawn


def _too_large(where: Path, size: int | None, channels: int, share: Share | None) -> bool:
    """Whether a folder's images would take more than memory allows, judged by their number and one's size."""
    train, test, _ = layout(members.tree(where, share is not None), where, share)
    if size is None:
        width = height = 0
        for item in members.read_tree(where, train):
            with contextlib.suppress(ValueError):  # what is broken is said where all are decoded
                width, height = worker.open_image(item.data, channels)[0].size
                break
    else:
        width = height = size
    return (len(train) + len(test)) * channels * width * height > memory_limit()


def _files(where: Path, size: int | None, resize: int | None, channels: int, share: Share | None) -> Files:
    if size is None:
        raise BadInput("data.size: images that are decoded while training need a size, such as 224")
    found = members.tree(where, share is not None)
    train, test, classes = layout(found, where, share)
    content = cache.key(pictures.state(found), STREAM, *([] if share is None else [share]))
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
        title=_title(where, share),
        fingerprint=cache.remembered("files", content, lambda: _fingerprint(where, train, test)),
        origin=origin(classes, len(train), len(test)) if share is None else Origin(),
        resize=resize,
    )


def _fingerprint(where: Path, train: list[Member], test: list[Member]) -> str:
    """«sha256:...» of STREAM, the names (below the folder that holds both splits) and the files' own digests.

    An image's split is in its name, or it is said in its place where it was drawn.
    """
    places = [("train", at) for at in train] + [("test", at) for at in test]

    def digest(at: Member) -> str:
        try:
            return cache.digest(where / at.name)
        except OSError as error:
            raise DataProblem(f"{where / at.name}: expected a file that can be read, found {error.strerror}") from None

    total = hashlib.sha256(STREAM.encode())
    with ThreadPoolExecutor(cores()) as pool:  # hashing leaves the interpreter to others
        for (drawn, at), each in zip(places, pool.map(digest, [*train, *test]), strict=True):
            total.update(f"{at.split or drawn}/{at.label}/{at.file}\0{each}\n".encode())
    return f"sha256:{total.hexdigest()}"
