"""A folder or archive of images, decoded once and then read from the cache."""

import os
from dataclasses import replace
from pathlib import Path

from tricktable.runner.data import cache, contents, decode, members
from tricktable.runner.data.contents import KnownSet
from tricktable.runner.data.decode import Decoded, TooLarge
from tricktable.runner.data.layout import Share, layout
from tricktable.runner.data.members import Member
from tricktable.runner.data.source import Arrays
from tricktable.runner.errors import BadInput, DataProblem


def resolve(path: str) -> Path:
    """A path that a config names; DataProblem where there is nothing that can be read as images."""
    where = Path(os.path.expanduser(path))
    if not os.path.exists(where):
        raise DataProblem(
            f"{where}: expected {members.SHAPE}, found nothing there; set data.path to a folder or archive"
        )
    if not where.is_dir() and not (where.is_file() and members.is_archive(where)):
        raise DataProblem(f"{where}: expected a folder or a .tar, .tar.gz, .tar.xz or .zip, found another file")
    return where


def state(found: dict[Member, os.stat_result]) -> str:
    """What says that a folder's files are the same as before, without reading them.

    The time of the last status change is in it, because unpacking gives two different files of one size one mtime.
    """
    rows = sorted((at.name, s.st_size, s.st_mtime_ns, s.st_ctime_ns) for at, s in found.items())
    return cache.key("files", rows)


def archive(where: Path) -> str | None:
    """An archive's name and SHA-256, as a table may have it; None of a folder."""
    return f"{members.shown(where.name)} (SHA-256 {cache.digest(where)})" if where.is_file() else None


def decoded(
    where: Path,
    size: int | None,
    channels: int,
    limit: int | None = None,
    resize: int | None = None,
    share: Share | None = None,
) -> Decoded:
    """The images below `where`, as arrays; BadInput where they would take more than `limit` bytes.

    `size` and `resize` as in worker.centre; `share`: of a set that is not split.
    """
    found = members.tree(where, share is not None) if where.is_dir() else None
    try:
        content = state(found) if found is not None else cache.digest(where)
        more = [each for each in (resize, share) if each is not None]
        name = cache.key(content, size, channels, *more)
    except OSError as error:
        raise DataProblem(f"{where}: expected a file that can be read, found: {error.strerror}") from None
    try:
        images = cache.decoded(name, lambda: _decode(where, found, size, channels, limit, resize, share))
        if limit is not None and images.train_images.nbytes + images.test_images.nbytes > limit:
            raise TooLarge
    except TooLarge:
        raise BadInput(
            f"data.stream: {where} does not fit in memory ({limit} bytes), and streaming needs an extracted tree; "
            "extract it and set data.path to the folder (or data.stream=false to decode it all the same)"
        ) from None
    return images


def named(
    where: Path, images: Decoded, known: KnownSet, mean: tuple[float, ...], std: tuple[float, ...]
) -> Arrays:  # fmt: skip
    """Images in a known set's classes: the set, or a copy of it, by what they are (contents.py), else an unknown copy.

    The title says which, and how many there are where some are missing. `mean`, `std`: as of Arrays.
    """
    origin = contents.origin(images)
    copy = origin.copy if origin.dataset == known.dataset else "unknown copy"
    title = f"{known.dataset} ({copy})" if copy else known.dataset
    counts = len(images.train_labels), len(images.test_labels)
    return Arrays(
        images.train_images,
        images.train_labels,
        images.test_images,
        images.test_labels,
        images.classes,
        title if counts == known.counts else f"{title} of {counts[0]} + {counts[1]} images",
        mean,
        std,
        images.fingerprint,
        replace(origin, archive=archive(where)),
        images.test_names,
    )


def _decode(
    where: Path,
    found: dict[Member, os.stat_result] | None,
    size: int | None,
    channels: int,
    limit: int | None,
    resize: int | None,
    share: Share | None,
) -> Decoded:
    if found is None:
        items = members.read_archive(where, share is not None)
    else:
        train, test, _ = layout(found, where, share)
        items = members.read_tree(where, [*train, *test])
    places, batches = decode.decode(items, size, channels, where, limit, resize)
    return decode.assemble(places, batches, where, share)
