"""A source's images as what a run trains on, selects on and tests on, with what normalises them."""

import hashlib
import math
import sys
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from tricktable.runner import randomness
from tricktable.runner.config.schema import DataConfig
from tricktable.runner.data.draw import Resident, Split
from tricktable.runner.data.mapped import Mapped
from tricktable.runner.data.source import Arrays, Files, Origin
from tricktable.runner.data.stratify import per_class, stratified
from tricktable.runner.errors import BadInput
from tricktable.runner.machine import cores


@dataclass(frozen=True, eq=False)
class Splits:
    """The three splits. `mean` and `std` are float32, C, of the raw pixels: `(x.float() - mean) / std` normalises.

    `fingerprint` is that of the whole source, whatever part of it is trained on.
    """

    train: Split
    validation: Split | None
    test: Split
    mean: Tensor
    std: Tensor
    classes: tuple[str, ...]
    title: str
    fingerprint: str
    origin: Origin

    @cached_property
    def one_hot(self) -> Tensor:
        """float32 K x K, on the device: its rows are the classes' targets."""
        return torch.eye(len(self.classes), device=self.mean.device)


def split(source: Arrays | Files, data: DataConfig, device: torch.device | str = "cpu") -> Splits:
    """Carve the validation split and the subset out of the training images, and put all on the device.

    `data.validation`: 0 none, below 1 a share (rounded), else a number of images; as many of each class as its share of
    the training set, to within one. Then `data.subset` images per class out of what is left. The test split is whole.
    """
    if not len(source.train_labels):
        raise BadInput(
            f"data: {source.title} has no training images; evaluate finished runs on it: tricktable evaluate"
        )
    total = _held_out(data.validation, len(source.train_labels))
    k = len(source.classes)
    labels = source.train_labels
    validation = stratified(labels, total, k, randomness.generator(data.split_seed, "validation"))
    kept = torch.ones(len(labels), dtype=torch.bool)
    kept[validation] = False
    train = kept.nonzero().flatten()
    if data.subset is not None:
        rng = randomness.generator(data.split_seed, "subset")
        train = train[per_class("data.subset", data.subset, "training", labels[train], source.classes, rng)]
    parts = _parts(source, train, validation, data.workers)
    mean, std = _normalisation(source, data, parts[0], train)
    return Splits(
        train=parts[0].to(device),
        validation=parts[1].to(device) if total else None,
        test=parts[2].to(device),
        mean=mean.to(device),
        std=std.to(device),
        classes=source.classes,
        title=source.title,
        fingerprint=source.fingerprint,
        origin=source.origin,
    )


def only_test(source: Arrays | Files, data: DataConfig, device: torch.device | str = "cpu") -> Split:
    """The test images alone, on the device: all that a finished run is evaluated on."""
    none = torch.zeros(0, dtype=torch.int64)
    return _parts(source, none, none, data.workers)[2].to(device)


def _held_out(validation: float, n: int) -> int:
    """The number of images that `data.validation` asks for, of n."""
    total = round(validation * n) if validation < 1 else int(validation)
    if total != validation and validation >= 1:
        raise BadInput(f"data.validation: expected a share below 1 or a whole number of images, got {validation}")
    if total >= n or (validation > 0 and total == 0):
        raise BadInput(f"data.validation: expected 1 to {n - 1} of the {n} training images, got {total}")
    return total


def _parts(
    source: Arrays | Files, train: Tensor, validation: Tensor, workers: int | None
) -> tuple[Split, Split, Split]:
    """Train, validation (perhaps empty) and test, on the CPU."""
    if isinstance(source, Files):
        from tricktable.runner.data.stream import Stream, default_workers  # with what decodes

        workers = default_workers(cores()) if workers is None else workers
        settings = source.size, source.channels, source.resize, workers
        stream = Stream(source.root, source.train_names, source.train_labels, *settings)
        test = Stream(source.root, source.test_names, source.test_labels, *settings)
        return stream.take(train), stream.take(validation), test
    if source.mapped:
        every = Mapped.whole(source.train_images, source.train_labels)
        tested = Mapped.whole(source.test_images, source.test_labels, source.test_names)
        return every.take(train), every.take(validation), tested
    whole = Resident(source.train_images, source.train_labels)
    some = whole if len(train) == whole.n else Resident(whole.images[train], whole.labels[train])
    held = Resident(whole.images[validation], whole.labels[validation])
    return some, held, Resident(source.test_images, source.test_labels, source.test_names)


def _normalisation(source: Arrays | Files, data: DataConfig, train: Split, rows: Tensor) -> tuple[Tensor, Tensor]:
    """(mean, std), float32, C, of the raw pixels."""
    if data.normalize == "paper":
        if source.mean is None or source.std is None:
            raise BadInput(f"data.normalize: {source.title} has no paper's constants; use computed")
        return 255 * torch.tensor(source.mean), 255 * torch.tensor(source.std)
    if isinstance(train, Resident):
        return mean_std(histogram(train).tolist())
    from tricktable.runner.data import cache

    # A pass over all files: kept, by what it depends on.
    drawn = hashlib.sha256(rows.numpy().tobytes()).hexdigest()
    made = source.resize if isinstance(source, Files) else "packed"
    name = cache.key(source.fingerprint, drawn, train.shape, made)
    return mean_std(cache.remembered("pixels", name, lambda: _counted(train, source.title)))


def _counted(train: Split, title: str) -> list[list[int]]:
    print(f"{title}: reading {train.n} images once, for their mean and standard deviation", file=sys.stderr)
    return histogram(train).tolist()


def histogram(split: Split) -> Tensor:
    """How often each channel has each value in a split as it is evaluated: int64 C x 256."""
    counts = torch.zeros(split.shape[0], 256, dtype=torch.int64)
    step = 1024
    for images, _ in split.draw([(start, min(start + step, split.n)) for start in range(0, split.n, step)]):
        for channel in range(len(counts)):
            counts[channel] += torch.bincount(images[:, channel].flatten(), minlength=256)
    return counts


def mean_std(counts: list[list[int]]) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (of the population) of each channel from C x 256 counts; exact sums of integers.

    The deviation of a channel that never changes is taken as 1: it becomes 0, and not a division by zero.
    """
    means, deviations = [], []
    for row in counts:
        n = sum(row)
        total = sum(value * count for value, count in enumerate(row))
        squares = sum(value * value * count for value, count in enumerate(row))
        means.append(total / n)
        deviations.append(math.sqrt(n * squares - total * total) / n or 1.0)
    return torch.tensor(means), torch.tensor(deviations)
