"""Batches of a split that does not fit in memory: image files, decoded while training by torch's DataLoader."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from tricktable.runner import machine
from tricktable.runner.data import worker
from tricktable.runner.data.draw import Crop
from tricktable.runner.errors import DataProblem


def default_workers(available: int) -> int:
    """Decoding processes where the config names no number: none where there would be no core left for them."""
    return 0 if available <= 2 else min(available - 1, 16)


@dataclass(frozen=True, eq=False)
class Stream:
    """A split as files below `root`, with labels int64 N on the device; images C x size x size are made on the CPU.

    `resize`: as in worker.centre, by which images are made where nothing else is asked for.
    """

    root: Path
    names: tuple[str, ...]
    labels: Tensor
    size: int
    channels: int
    resize: int | None = None
    workers: int = 0
    device: torch.device | str = "cpu"

    def __post_init__(self) -> None:
        assert len(self.names) == len(self.labels), "a label for each image"

    @property
    def n(self) -> int:
        """The number of images."""
        return len(self.names)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of an image."""
        return self.channels, self.size, self.size

    @property
    def streamed(self) -> bool:
        """They are decoded as they are drawn."""
        return True

    def to(self, device: torch.device | str) -> "Stream":
        """The same split, whose batches come out on this device."""
        return replace(self, labels=self.labels.to(device), device=device)

    def take(self, rows: Tensor) -> "Stream":
        """The split of some of the images only (int64 indices, on the CPU)."""
        return replace(self, names=tuple(self.names[row] for row in rows.tolist()), labels=self.labels[rows])

    def draw(
        self, batches: Iterable[tuple[int, int]], order: Tensor | None = None, crop: Crop | None = None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """As draw.Split.draw. DataProblem names the files that cannot be decoded.

        With `crop`: that of each image's whole picture, resized. Without: the image as it is evaluated. Each depends on
        its file and on the crop's row of its position in the epoch alone.
        """
        from torch.utils.data import DataLoader

        rows = torch.arange(self.n) if order is None else order
        slices = list(batches)
        loader: DataLoader[Any] = DataLoader(
            _Epoch(self, rows, crop),  # type: ignore[arg-type]  # asked for whole batches only
            batch_sampler=[range(start, stop) for start, stop in slices],  # type: ignore[misc]  # as good as lists
            num_workers=min(self.workers, len(slices)),
            collate_fn=_as_it_is,  # of what __getitems__ returns
            pin_memory=torch.device(self.device).type == "cuda",
            generator=torch.Generator().manual_seed(0),  # it would draw from torch's own; nothing here depends on it
        )
        on_device = rows.to(self.device, non_blocking=True)
        broken: list[str] = []
        with machine.stops_held():  # the parent's affair, who is still to finish a step: its processes end when it does
            decoded = iter(loader)
        for (start, stop), images in zip(slices, decoded, strict=True):
            if isinstance(images, list):
                broken += images
            if broken and order is not None:  # a training step waits for these
                break
            if broken:  # a pass over all images finds all that are broken
                continue
            labels = self.labels.index_select(0, on_device[start:stop])
            yield images.to(self.device, non_blocking=True), labels
        if broken:
            raise DataProblem(worker.broken_images(broken))


class _Epoch:
    """The images of an epoch, by position: what a decoding process needs of a Stream."""

    def __init__(self, split: Stream, rows: Tensor, crop: Crop | None) -> None:
        self.root, self.names, self.size, self.channels = split.root, split.names, split.size, split.channels
        self.resize, self.rows, self.crop = split.resize, rows, crop

    def __len__(self) -> int:
        return len(self.rows)

    def __getitems__(self, positions: Iterable[int]) -> Tensor | list[str]:
        """The images at these positions, uint8 B C H W; or a sentence on each file that cannot be used.

        Sentences and not an error, because a DataLoader's process would wrap it into a page.
        """
        images, broken = [], []
        for position in positions:
            path = self.root / self.names[int(self.rows[position])]
            try:
                if path.stat().st_size > worker.MAX_BYTES:
                    raise ValueError(f"expected at most {worker.MAX_BYTES} bytes, found more")
                image, _, _ = worker.open_image(path.read_bytes(), self.channels)
            except OSError as error:
                broken.append(f"{path}: expected a file that can be read, found: {error.strerror}")
            except ValueError as error:
                broken.append(f"{path}: {' '.join(str(error).split())}")
            else:
                images.append(self._sized(image, position))
        return broken or torch.stack(images)

    def _sized(self, picture: Image.Image, position: int) -> Tensor:
        if self.crop is None:
            image = worker.centre(picture, self.size, self.resize)
        else:
            box = self.crop.of(position, picture.height, picture.width)
            image = worker.resized_crop(picture, box, self.size, self.crop.interpolation)
        return torch.from_numpy(worker.planes(image, self.channels).copy())


def _as_it_is(images: Tensor | list[str]) -> Tensor | list[str]:
    return images
