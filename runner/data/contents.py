"""Known sets are known by what their images are, and by their numbers; never by what a folder or a class is called."""

import hashlib
from dataclasses import dataclass

import torch
from torch import Tensor

from tricktable.runner.data.decode import Decoded
from tricktable.runner.data.source import Origin

CLOSE = 0.5  # grey levels, to which a class's mean pixel stays itself where an image format loses something

Means = tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class KnownSet:
    """A set as its authors published it. Per split: the number of images, their digest, and each class's mean pixel."""

    dataset: str
    counts: tuple[int, int]
    digests: tuple[str, str]
    means: tuple[Means, Means]


CIFAR10 = KnownSet(
    "cifar10",
    (50_000, 10_000),
    (
        "809d4d1288382a92b958103cb15f6ef500388a431dcd39feee7ec38c6a54d8c2",
        "ac8d5ea0bd9a4fd11c7fbe685f6fe04da32ca07c1fed81d06e166e335d30f5c9",
    ),
    (
        (
            (134.04, 142.88, 150.17), (120.15, 115.91, 114.04), (124.76, 125.33, 108.13), (126.35, 116.39, 105.96),
            (120.26, 118.63, 96.44), (127.48, 118.48, 106.22), (119.86, 111.79, 88.03), (128.00, 122.37, 106.31),
            (125.01, 133.98, 141.44), (127.16, 123.76, 121.91),
        ),
        (
            (136.12, 145.86, 154.53), (120.02, 115.92, 114.35), (124.93, 126.22, 109.20), (125.81, 116.09, 106.08),
            (118.58, 117.14, 94.51), (129.88, 121.01, 108.41), (121.11, 112.78, 88.23), (128.80, 123.28, 108.51),
            (126.13, 133.78, 140.97), (128.86, 125.02, 123.76),
        ),
    ),
)  # fmt: skip
MNIST = KnownSet(
    "mnist",
    (60_000, 10_000),
    (
        "5c24d1a15f23873c522b5d25bf79d097b4e16fe5b7dc92d59edc5459af110470",
        "94e825cf0c49c1760026ceb88503088feb83526c0eb6fea39a62099f3b0a95fe",
    ),
    (
        ((44.22,), (19.38,), (37.99,), (36.09,), (30.95,), (32.83,), (35.01,), (29.20,), (38.29,), (31.26,)),
        ((43.94,), (19.57,), (38.30,), (36.54,), (31.28,), (33.67,), (36.61,), (29.30,), (39.05,), (31.94,)),
    ),
)  # fmt: skip
KNOWN = (CIFAR10, MNIST)


def origin(images: Decoded) -> Origin:
    """Which known set decoded image files are: its very pixels, in any order, or a copy in a format that loses some.

    A part of a set is not known: nothing says that its images are the set's.
    """
    splits = (images.train_images, images.train_labels), (images.test_images, images.test_labels)
    for known in KNOWN:
        if tuple(len(labels) for _, labels in splits) != known.counts or len(images.classes) != len(known.means[0]):
            continue
        if tuple(digest(*split) for split in splits) == known.digests:
            return Origin(known.dataset, complete=True)
        close = (_close(*split, means) for split, means in zip(splits, known.means, strict=True))
        if images.lossy and all(close):
            copy = "JPEG copy" if set(images.formats) <= {"JPEG", "MPO"} else "lossy copy"
            return Origin(known.dataset, copy, complete=True)
    return Origin()


def digest(images: Tensor, labels: Tensor) -> str:
    """SHA-256 of the sorted SHA-256 of each image's label and pixels (C H W): of a split in whatever order."""
    pairs = zip(images.numpy(), labels.tolist(), strict=True)
    each = sorted(hashlib.sha256(label.to_bytes(2, "big") + image.tobytes()).digest() for image, label in pairs)
    return hashlib.sha256(b"".join(each)).hexdigest()


def _close(images: Tensor, labels: Tensor, means: Means) -> bool:
    """Whether each class's mean pixel is within CLOSE of that of the known set."""
    found = class_means(images, labels, len(means))
    expected = torch.tensor(means, dtype=torch.float64)
    return found.shape == expected.shape and bool(((found - expected).abs() < CLOSE).all())


def class_means(images: Tensor, labels: Tensor, classes: int) -> Tensor:
    """The mean pixel of each class: float64 K x C."""
    return torch.stack([images[labels == k].float().mean((0, 2, 3)).double() for k in range(classes)])
