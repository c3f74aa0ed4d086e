"""Image files -> arrays, on all cores. What is read is bounded: a few batches of encoded images wait at any time."""

import contextlib
import functools
import itertools
import math
import multiprocessing
import os
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tricktable.runner import terminal
from tricktable.runner.data import worker
from tricktable.runner.data.layout import Share, layout
from tricktable.runner.data.members import Item, Member
from tricktable.runner.data.source import fingerprint
from tricktable.runner.data.worker import Batch
from tricktable.runner.errors import DataProblem
from tricktable.runner.machine import cores

BATCH = 512  # images that a process decodes at once
BATCH_BYTES = 8 * 2**20  # and the encoded bytes after which a batch is closed earlier
BATCH_DECODED = 64 * 2**20  # and the decoded ones: a few batches are there at once before the limit of all is looked at


@dataclass(frozen=True, eq=False)
class Decoded:
    """A decoded set (as source.Arrays), the formats and modes (PIL's words) of its files, and the test files' names."""

    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor
    classes: tuple[str, ...]
    formats: tuple[str, ...]
    modes: tuple[str, ...]
    fingerprint: str
    test_names: tuple[str, ...] = ()

    @property
    def lossy(self) -> bool:
        """Whether some file's format does not keep pixels as they were (WebP can, but its files do not say so)."""
        return not {"PNG", "BMP", "PPM"}.issuperset(self.formats)


class TooLarge(Exception):
    """The decoded images exceed the limit that was given."""


def decode(
    items: Iterable[Item],
    size: int | None,
    channels: int,
    where: Path,
    limit: int | None = None,
    resize: int | None = None,
) -> tuple[list[Member], list[Batch]]:
    """Decode images in any order: their places, and batches of images in the same order, all of one shape.

    DataProblem names the images that are broken, all of them; TooLarge ends it where more than `limit` bytes of images
    are decoded.
    """
    places: list[Member] = []
    batches: list[Batch] = []
    broken: list[str] = []
    total = 0
    make = functools.partial(worker.decode, size=size, channels=channels, resize=resize)
    groups = _grouped(items, functools.partial(_number, size=size, channels=channels))
    with contextlib.closing(_results(groups, make, where)) as results, progress(where) as advance:
        for group, batch in results:
            if isinstance(batch, list):
                broken += batch
            if broken:  # what else is broken is still to be found; its images are not kept
                batches.clear()
                advance(group[-1].done)
                continue
            assert isinstance(batch, Batch), "no list of broken images"
            if batches and batch.images.shape[1:] != batches[0].images.shape[1:]:
                sizes = batches[0].images.shape[2:], batch.images.shape[2:]
                text = worker.different(places[0].name, sizes[0], group[0].place.name, sizes[1])
                raise DataProblem(f"{where}: {text}")
            places += [item.place for item in group]
            batches.append(batch)
            total += batch.images.nbytes
            if limit is not None and total > limit:
                raise TooLarge
            advance(group[-1].done)
    if broken:
        raise DataProblem(f"{where}: {worker.broken_images(broken)}")
    return places, batches


def assemble(places: list[Member], batches: list[Batch], where: Path, share: Share | None = None) -> Decoded:
    """The sorted arrays of both splits. Empties `batches` as it goes, so that the set is not held twice."""
    train, test, classes = layout(places, where, share)
    formats = tuple(sorted({name for batch in batches for name in batch.formats}))
    modes = tuple(sorted({name for batch in batches for name in batch.modes}))
    row = {at: i for i, at in enumerate((*train, *test))}
    rows = np.array([row.get(at, -1) for at in places])  # -1: in another folder than the two that are used
    images = np.empty((len(row), *batches[0].images.shape[1:]), np.uint8)
    batches.reverse()
    start = 0
    while batches:
        batch = batches.pop()
        into = rows[start : start + len(batch.images)]
        images[into[into >= 0]] = batch.images[into >= 0]
        start += len(batch.images)
    everything = torch.from_numpy(images)
    index = {label: i for i, label in enumerate(classes)}
    labels = torch.tensor([index[at.label] for at in (*train, *test)])
    arrays = everything[: len(train)], labels[: len(train)], everything[len(train) :], labels[len(train) :]
    return Decoded(*arrays, classes, formats, modes, fingerprint(*arrays), tuple(at.name for at in test))


def _grouped(items: Iterable[Item], number: Callable[[bytes], int]) -> Iterator[list[Item]]:
    """Batches of images: as many as `number` has for the first image's bytes, for all are to be of its size."""
    group: list[Item] = []
    size, most = 0, None
    for item in items:
        most = most or number(item.data)
        group.append(item)
        size += len(item.data)
        if len(group) >= most or size >= BATCH_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group


def _number(first: bytes, size: int | None, channels: int) -> int:
    """How many images like the first are decoded at once."""
    try:
        pixels = size * size if size is not None else math.prod(worker.dimensions(first))
    except ValueError:  # it is broken, and is named when its turn comes
        pixels = 1
    return min(max(BATCH_DECODED // (channels * pixels), 1), BATCH)


def _results(
    groups: Iterator[list[Item]], make: Callable[[list[str], list[bytes]], Batch | list[str] | str], where: Path
) -> Generator[tuple[list[Item], Batch | list[str]], None, None]:
    """Each group in order, with its images or what is broken; by processes where there is more than one group."""
    first = list(itertools.islice(groups, 2))
    groups = itertools.chain(first, groups)
    pool = _pool() if len(first) > 1 else None
    if pool is None:
        for group in groups:
            yield group, _whole(make(*_columns(group)), where)
        return
    waiting: deque[tuple[list[Item], Future[Batch | list[str] | str]]] = deque()
    try:
        for group in groups:
            waiting.append((group, pool.submit(make, *_columns(group))))
            if len(waiting) > 2 * cores():
                yield waiting[0][0], _whole(waiting.popleft()[1].result(), where)
        while waiting:
            yield waiting[0][0], _whole(waiting.popleft()[1].result(), where)
    except BrokenProcessPool:
        raise DataProblem(f"{where}: a process that decoded its images died; is there memory enough?") from None
    finally:
        pool.shutdown(cancel_futures=True)


def _pool() -> ProcessPoolExecutor | None:
    """Decoding processes, or None where none can start: one core, a daemon, a script without a `__main__` guard."""
    main = sys.modules["__main__"]
    file = getattr(main, "__file__", None)
    from_stdin = main.__spec__ is None and file is not None and not os.path.exists(file)  # a child could not read it
    if cores() == 1 or multiprocessing.current_process().daemon or from_stdin:
        return None
    context = multiprocessing.get_context("spawn")  # forking a process with threads (torch's) can hang it
    pool = ProcessPoolExecutor(cores(), context, worker.start)
    try:
        pool.submit(os.getpid).result()
    except (BrokenProcessPool, OSError):
        pool.shutdown(cancel_futures=True)
        return None
    return pool


def _columns(group: list[Item]) -> tuple[list[str], list[bytes]]:
    return [item.place.name for item in group], [item.data for item in group]


def _whole(batch: Batch | list[str] | str, where: Path) -> Batch | list[str]:
    if isinstance(batch, str):
        raise DataProblem(f"{where}: {batch}")
    return batch


@contextlib.contextmanager
def progress(where: Path) -> Iterator[Callable[[float], None]]:
    """A bar on stderr, where that is a terminal; it is moved by the share that is done."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.progress import Progress

    with Progress(console=terminal.quiet_console(sys.stderr), transient=True) as bar:
        task = bar.add_task(f"decoding {where.name}", total=1.0)
        yield lambda done: bar.update(task, completed=done)
