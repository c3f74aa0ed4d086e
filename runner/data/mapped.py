"""Batches of a split that lies in a file: it is mapped into memory, and what a batch needs is read as it is drawn."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from tricktable.runner.data.draw import Crop


@dataclass(frozen=True, eq=False)
class Mapped:
    """Some images of a mapped set: `images` uint8 M C H W are all of it, `rows` int64 N which of them the split has.

    `labels` int64 N are those of the rows, on the device; `images` and `rows` stay on the CPU. The system keeps in
    memory what fits, once for all processes that draw from the same file.
    """

    images: Tensor
    rows: Tensor
    labels: Tensor
    names: tuple[str, ...] = ()
    device: torch.device | str = "cpu"

    def __post_init__(self) -> None:
        assert len(self.rows) == len(self.labels), "a label for each image"
        assert len(self.names) in (0, len(self.labels)), "a name for each image, or none"

    @classmethod
    def whole(cls, images: Tensor, labels: Tensor, names: tuple[str, ...] = ()) -> "Mapped":
        """All of a mapped set."""
        return cls(images, torch.arange(len(labels)), labels, names)

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
        """They are decoded already."""
        return False

    def to(self, device: torch.device | str) -> "Mapped":
        """The same split, whose batches come out on this device."""
        return replace(self, labels=self.labels.to(device), device=device)

    def take(self, rows: Tensor) -> "Mapped":
        """The split of some of the images only (int64 indices into this one, on the CPU)."""
        names = tuple(self.names[row] for row in rows.tolist()) if self.names else ()
        return replace(self, rows=self.rows[rows], labels=self.labels[rows.to(self.labels.device)], names=names)

    def draw(
        self, batches: Iterable[tuple[int, int]], order: Tensor | None = None, crop: Crop | None = None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """As draw.Split.draw."""
        assert crop is None, "these are decoded already"
        places = torch.arange(self.n) if order is None else order
        on_device = places.to(self.device, non_blocking=True)
        for start, stop in batches:
            images = self._read(self.rows[places[start:stop]])
            yield images.to(self.device, non_blocking=True), self.labels.index_select(0, on_device[start:stop])

    def _read(self, rows: Tensor) -> Tensor:
        """These images of the file, in this order; read in the file's own, in which a disk is fastest."""
        ascending = rows.argsort()
        pinned = torch.device(self.device).type == "cuda"
        images = torch.empty((len(rows), *self.shape), dtype=torch.uint8, pin_memory=pinned)
        read = self.images.index_select(0, rows[ascending])
        return torch.index_select(read, 0, ascending.argsort(), out=images)
