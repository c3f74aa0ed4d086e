"""`tricktable pack`: a folder of images decoded once into one file, for sets that are larger than memory."""

import contextlib
import json
import math
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from torch import Tensor

from tricktable.runner import machine
from tricktable.runner.data import decode, packed
from tricktable.runner.data.draw import watched
from tricktable.runner.data.source import Files, fingerprint
from tricktable.runner.data.sources import image_folder
from tricktable.runner.data.stream import Stream
from tricktable.runner.errors import BadInput, StorageProblem

BATCH, BATCH_BYTES = 256, 16 * 2**20  # images that are decoded at once, and their decoded bytes
SPARE = 2**20  # bytes that the disk keeps beside the file
SUFFIX = ".safetensors"

Shapes = dict[str, tuple[str, tuple[int, ...]]]


def pack(
    folder: str,
    to: Path | None,
    size: int,
    resize: int | None = None,
    grayscale: bool = False,
    test_share: float | None = None,
    split_seed: int = 0,
) -> tuple[Path, str]:
    """Write the images of a folder as one file, by default <folder>-<size>.safetensors beside it; the file, and a line.

    The arguments are data=image_folder's, and so are the pixels. BadInput where the file is there already;
    StorageProblem where it does not fit the disk, before an image is decoded. It appears whole or not at all.
    """
    root = Path(os.path.expanduser(folder))
    path = _beside(root, size) if to is None else to
    _check(path, root)
    source = image_folder.image_folder(folder, True, size, resize, grayscale, test_share, split_seed)
    assert isinstance(source, Files), "what is streamed"
    names = _bytes(source.train_names), _bytes(source.test_names)
    shapes = _shapes(source, names)
    needed = sum(packed.SIZES[kind] * math.prod(shape) for kind, shape in shapes.values())
    free = shutil.disk_usage(path.parent).free
    if needed + SPARE > free:
        raise StorageProblem(f"{path}: it takes {needed / 1e6:,.1f} MB, and the disk has {free / 1e6:,.1f} MB free")
    drawn = test_share is not None
    facts = json.dumps({"classes": source.classes, "title": source.title, "drawn": drawn, "source": source.fingerprint})
    with _whole(path) as temporary:
        _write(temporary, source, shapes, facts, names)
    numbers = f"{len(source.train_names):,} training and {len(source.test_names):,} test images"
    shape = "x".join(map(str, shapes["train_images"][1][1:]))
    return path, f"{numbers} of {shape} in {len(source.classes)} classes, {needed / 1e6:,.1f} MB"


def _beside(root: Path, size: int) -> Path:
    named = root if root.name not in ("", "..") else Path(os.path.abspath(root))  # «.» has no name and no folder above
    return named.with_name(f"{named.name}-{size}{SUFFIX}")


def _check(path: Path, root: Path) -> None:
    if root.is_file():
        raise BadInput(f"{root}: expected a folder; extract the archive")
    if path.suffix != SUFFIX:
        raise BadInput(f"--to: expected a name that ends with {SUFFIX}, got {path.name}")
    if path.exists():
        raise BadInput(f"{path} is there already; remove it, or name another with --to")
    if not path.parent.is_dir():
        raise BadInput(f"--to: expected a name in a folder that is there, got {path}")
    if path.resolve().is_relative_to(root.resolve()):
        raise BadInput(f"--to: expected a name outside {root}, whose images are packed, got {path}")


def _bytes(names: tuple[str, ...]) -> bytes:
    return "\n".join(names).encode()


def _shapes(source: Files, names: tuple[bytes, bytes]) -> Shapes:
    """Each array's type, in safetensors' words, and shape, in the file's order."""
    image = source.channels, source.size, source.size
    shapes: Shapes = {}
    for split, labels in (("train", source.train_labels), ("test", source.test_labels)):
        shapes[f"{split}_images"] = "U8", (len(labels), *image)
        shapes[f"{split}_labels"] = "I64", (len(labels),)
    assert tuple(shapes) == packed.ARRAYS, "in the order of the fingerprint"
    return shapes | {name: ("U8", (len(text),)) for name, text in zip(packed.NAMES, names, strict=True)}


def _write(path: Path, source: Files, shapes: Shapes, facts: str, names: tuple[bytes, bytes]) -> None:
    """The file, with the fingerprint of what was read back from it."""
    total = len(source.train_names) + len(source.test_names)

    def head(found: str) -> bytes:
        return packed.header(shapes, facts, found, packed.seal(facts, names, found))

    with open(path, "wb") as file, decode.progress(source.root) as advance:
        file.write(head(packed.UNKNOWN))
        done = 0
        for split, labels in ((source.train_names, source.train_labels), (source.test_names, source.test_labels)):
            for images in _decoded(source, split, labels):
                file.write(images.contiguous().numpy().data)
                done += len(images)
                advance(done / total)
            file.write(labels.numpy().astype("<i8").data)
        for text in names:
            file.write(text)
        _flush(file)
    found = fingerprint(*packed.read(path).arrays)
    with open(path, "r+b") as again:
        again.write(head(found))
        _flush(again)


def _decoded(source: Files, names: tuple[str, ...], labels: Tensor) -> Iterator[Tensor]:
    """Batches of images, in the names' order. DataProblem names those that are broken, all of them."""
    workers = machine.cores() if machine.cores() > 1 else 0
    split = Stream(source.root, names, labels, source.size, source.channels, source.resize, workers)
    step = max(1, min(BATCH, BATCH_BYTES // math.prod(split.shape)))
    batches = [(start, min(start + step, split.n)) for start in range(0, split.n, step)]
    with watched():
        for images, _ in split.draw(batches):
            yield images


def _flush(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())


@contextlib.contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """A temporary file beside `path`, which takes its place once it is whole; a full disk is one line."""
    temporary = path.with_name(f".{path.stem}-{os.getpid()}.tmp")
    try:
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        raise StorageProblem(f"{path}: it cannot be written ({error.strerror or error})") from None
    finally:
        temporary.unlink(missing_ok=True)
