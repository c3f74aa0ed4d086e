"""Batches of a split that does not fit in memory: image files, decoded while training by torch's DataLoader."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from runner import randomness
from runner.data import worker
from runner.errors import DataProblem

SCALE = (0.08, 1.0)  # of the image's area, and
RATIO = (3 / 4, 4 / 3)  # width to height, of a random crop: Szegedy et al. 2014 (arXiv:1409.4842), section 6
TRIES = 10
CROP = 224 / 256  # what an evaluated image keeps of its resized short side


def default_workers(available: int) -> int:
    """Decoding processes where the config names no number: none where there would be no core left for them."""
    return 0 if available <= 2 else min(available - 1, 16)


@dataclass(frozen=True, eq=False)
class Stream:
    """A split as files below `root`, with labels int64 N on the device; images C x size x size are made on the CPU."""

    root: Path
    names: tuple[str, ...]
    labels: Tensor
    size: int
    channels: int
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

    def to(self, device: torch.device | str) -> "Stream":
        """The same split, whose batches come out on this device."""
        return replace(self, labels=self.labels.to(device), device=device)

    def take(self, rows: Tensor) -> "Stream":
        """The split of some of the images only (int64 indices, on the CPU)."""
        return replace(self, names=tuple(self.names[row] for row in rows.tolist()), labels=self.labels[rows])

    def draw(
        self, batches: Iterable[tuple[int, int]], order: Tensor | None = None, key: int | None = None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """As draw.Split.draw. DataProblem names the file that cannot be decoded.

        With `key`: a random crop of 8 to 100 % of the image, resized. Without: short side resized to size * 256/224,
        and centre cropped. Each image depends on its file, `key` and its position in the epoch alone.
        """
        import torchvision.transforms.v2.functional  # noqa: F401  # before the processes fork, so that they need not
        from torch.utils.data import DataLoader

        rows = torch.arange(self.n) if order is None else order
        slices = list(batches)
        loader: DataLoader[Any] = DataLoader(
            _Epoch(self, rows, key),  # type: ignore[arg-type]  # asked for whole batches only
            batch_sampler=[range(start, stop) for start, stop in slices],  # type: ignore[misc]  # as good as lists
            num_workers=min(self.workers, len(slices)),
            collate_fn=_as_it_is,  # type: ignore[arg-type]  # of what __getitems__ returns
            pin_memory=torch.device(self.device).type == "cuda",
            generator=torch.Generator().manual_seed(0),  # it would draw from torch's own; nothing here depends on it
        )
        on_device = rows.to(self.device, non_blocking=True)
        for (start, stop), images in zip(slices, loader, strict=True):
            if isinstance(images, str):
                raise DataProblem(images)
            labels = self.labels.index_select(0, on_device[start:stop])
            yield images.to(self.device, non_blocking=True), labels


class _Epoch:
    """The images of an epoch, by position: what a decoding process needs of a Stream."""

    def __init__(self, split: Stream, rows: Tensor, key: int | None) -> None:
        self.root, self.names, self.size, self.channels = split.root, split.names, split.size, split.channels
        self.rows, self.key = rows, key

    def __len__(self) -> int:
        return len(self.rows)

    def __getitems__(self, positions: Iterable[int]) -> Tensor | str:
        """The images at these positions, uint8 B C H W; or one line on the file that cannot be used.

        A line and not an error, because a DataLoader's process would wrap it into a page.
        """
        images = []
        for position in positions:
            path = self.root / self.names[int(self.rows[position])]
            try:
                if path.stat().st_size > worker.MAX_BYTES:
                    return f"{path}: expected at most {worker.MAX_BYTES} bytes, found more; replace or remove it"
                image, _, _ = worker.open_image(path.read_bytes(), self.channels)
            except OSError as error:
                return f"{path}: expected a file that can be read, found: {error.strerror}; put it back"
            except ValueError as error:
                return f"{path}: {' '.join(str(error).split())}; replace or remove it"
            images.append(self._sized(image, position))
        return torch.stack(images)

    def _sized(self, picture: object, position: int) -> Tensor:
        from torchvision.transforms.v2 import functional

        image = functional.pil_to_tensor(picture)
        size = [self.size, self.size]
        if self.key is None:
            short = max(self.size, round(self.size / CROP))
            return functional.center_crop(functional.resize(image, [short], antialias=True), size)
        top, left, height, width = random_crop(
            image.shape[1], image.shape[2], randomness.generator(self.key, "crop", position)
        )
        return functional.resized_crop(image, top, left, height, width, size, antialias=True)


def random_crop(height: int, width: int, rng: torch.Generator) -> tuple[int, int, int, int]:
    """(top, left, height, width) of a crop with a random share of the area and a random ratio of the sides.

    The first of TRIES draws that lies within the image; the largest centred crop of an allowed ratio where none does.
    """
    for area, ratio, down, right in torch.rand(TRIES, 4, generator=rng, dtype=torch.float64).tolist():
        target = height * width * (SCALE[0] + (SCALE[1] - SCALE[0]) * area)
        aspect = math.exp(math.log(RATIO[0]) + (math.log(RATIO[1]) - math.log(RATIO[0])) * ratio)
        w, h = round(math.sqrt(target * aspect)), round(math.sqrt(target / aspect))
        if 0 < w <= width and 0 < h <= height:
            return int(down * (height - h + 1)), int(right * (width - w + 1)), h, w
    h = min(height, round(width / RATIO[0]))
    w = min(width, round(height * RATIO[1]))
    return (height - h) // 2, (width - w) // 2, h, w


def _as_it_is(images: Tensor | str) -> Tensor | str:
    return images
