"""Batches of a split. Small images live on the device as uint8, once, and a batch is an index."""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from tricktable.runner.errors import DataProblem


@dataclass(frozen=True, eq=False)
class Crop:
    """What a pass of training cuts out of pictures while they are decoded: abilities.PictureCrop with its table.

    `boxes` takes a picture's height and width, and its row of `drawn`, on the CPU, whose rows are the pass's positions.
    """

    boxes: Callable[[int, int, Tensor], Tensor]
    drawn: Tensor
    interpolation: str

    def of(self, position: int, height: int, width: int) -> tuple[int, ...]:
        """(top, left, height, width) in pixels, for the picture at this position."""
        return tuple(self.boxes(height, width, self.drawn[position : position + 1])[0].tolist())


class Split(Protocol):
    """Images with labels, of which batches are drawn: in memory (Resident), or from files (stream.Stream)."""

    @property
    def n(self) -> int:
        """The number of images."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of an image."""

    @property
    def labels(self) -> Tensor:
        """int64 N, on the device."""

    @property
    def names(self) -> tuple[str, ...]:
        """The images' files, with «/», relative to the set; none where the source knows no files."""

    @property
    def streamed(self) -> bool:
        """Whether images are decoded as they are drawn, so that `draw` can take a crop of their pictures."""

    def to(self, device: torch.device | str) -> "Split":
        """The same split, whose batches come out on this device."""

    def draw(
        self, batches: Iterable[tuple[int, int]], order: Tensor | None = None, crop: Crop | None = None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """For each (start, stop): images (uint8 B C H W) and labels (int64 B) at these positions of the epoch's order.

        `order` is int64, on the CPU; None is the natural one. `crop` is a streamed split's alone; without it images are
        as they are evaluated. Nothing waits for the device. A batch may be a view of the split: it is to be read, not
        written.
        """


@dataclass(frozen=True, eq=False)
class Absent:
    """A split that is known by its number and shape alone, of a finished run whose images are not read."""

    n: int
    shape: tuple[int, int, int]
    device: torch.device | str = "cpu"

    @property
    def labels(self) -> Tensor:
        """Zeros."""
        return torch.zeros(self.n, dtype=torch.int64, device=self.device)

    @property
    def names(self) -> tuple[str, ...]:
        """None are known."""
        return ()

    @property
    def streamed(self) -> bool:
        """There is nothing to be decoded."""
        return False

    def to(self, device: torch.device | str) -> "Absent":
        """The same on this device."""
        return Absent(self.n, self.shape, device)

    def draw(
        self, batches: Iterable[tuple[int, int]], order: Tensor | None = None, crop: Crop | None = None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """DataProblem: who wants images has to read them."""
        raise DataProblem("the run's images are wanted, and they were not read")


class Resident:
    """A split as tensors on the device: images uint8 N C H W, labels int64 N; and the images' names, all or none."""

    def __init__(self, images: Tensor, labels: Tensor, names: tuple[str, ...] = ()) -> None:
        assert len(images) == len(labels), "a label for each image"
        assert len(names) in (0, len(labels)), "a name for each image, or none"
        self.images, self.labels, self.names = images, labels, names

    @property
    def n(self) -> int:
        """The number of images."""
        return len(self.labels)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of an image."""
        channels, height, width = self.images.shape[1:]
        return channels, height, width

    @property
    def streamed(self) -> bool:
        """They lie in memory."""
        return False

    def to(self, device: torch.device | str) -> "Resident":
        """The same split on this device."""
        return Resident(self.images.to(device), self.labels.to(device), self.names)

    def draw(
        self, batches: Iterable[tuple[int, int]], order: Tensor | None = None, crop: Crop | None = None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """As Split.draw."""
        assert crop is None, "these are decoded already"
        if order is not None:
            order = order.to(self.images.device, non_blocking=True)
        for start, stop in batches:
            if order is None:
                yield self.images[start:stop], self.labels[start:stop]
            else:
                rows = order[start:stop]
                yield self.images.index_select(0, rows), self.labels.index_select(0, rows)


@contextlib.contextmanager
def watched() -> Iterator[None]:
    """DataProblem where a decoding process died: torch raises its own error, wherever the main process stands then."""
    try:
        yield
    except RuntimeError as error:
        if not str(error).startswith("DataLoader worker"):
            raise
        words = "was killed, as where memory runs out" if "killed by signal" in str(error) else "ended"
        more = "data.workers=0 decodes in the run's own process"
        raise DataProblem(f"a decoding process {words}; the same command goes on from the last save, {more}") from error
