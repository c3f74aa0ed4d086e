"""What a data source hands on: decoded arrays, or the files of a set that is decoded while training."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from tricktable.runner.machine import memory


@dataclass(frozen=True)
class Origin:
    """What a data source vouches for: which known set its images are, and whether they are all of it.

    `dataset` is the set's name as papers' facts have it (`cifar10`), None where the images are of no known set. `copy`
    says which copy it is where the pixels are not the original's (`JPEG copy`); `complete` that no image is missing.
    `archive` names the file, or files, that the images come from, with checksum, and where they are fetched from where
    the source knows that: in words, without the folder that they lie in. None where it is a folder of images.
    """

    dataset: str | None = None
    copy: str | None = None
    complete: bool = False
    archive: str | None = None


@dataclass(frozen=True, eq=False)
class Arrays:
    """A decoded set, on the CPU: images uint8 N C H W, labels int64 N in [0, K).

    `title` is what tables print («cifar10 (JPEG copy)»); what is decided is decided by `origin`. `mean` and `std` are
    the paper's constants, one per channel, in the [0, 1] pixel scale. `fingerprint` is that of the four arrays,
    computed where it is not given. `test_names`: the test images' files, where the images come from files. `mapped`:
    the images lie in a file that is mapped into memory, and need not fit there.
    """

    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor
    classes: tuple[str, ...]
    title: str
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    fingerprint: str = ""
    origin: Origin = Origin()
    test_names: tuple[str, ...] = ()
    mapped: bool = False

    def __post_init__(self) -> None:
        """Check what every reader of the arrays relies on (a source's own mistake, not a user's)."""
        for images, labels in ((self.train_images, self.train_labels), (self.test_images, self.test_labels)):
            assert images.dtype == torch.uint8 and images.ndim == 4, "images are uint8 N C H W"
            assert labels.dtype == torch.int64 and labels.shape == images.shape[:1], "labels are int64 N"
            assert not len(labels) or 0 <= int(labels.min()) <= int(labels.max()) < len(self.classes), "a label"
        assert self.train_images.shape[1:] == self.test_images.shape[1:], "train and test have one shape"
        if not self.fingerprint:
            arrays = (self.train_images, self.train_labels, self.test_images, self.test_labels)
            object.__setattr__(self, "fingerprint", fingerprint(*arrays))


@dataclass(frozen=True, eq=False)
class Files:
    """A set of image files below `root` that is decoded while training; names are relative, with «/», and sorted.

    Labels int64 N. Images come out as `channels` x `size` x `size`; `resize` as in worker.centre. `fingerprint` is of
    the names and encoded bytes, and of the way in which images are made of them.
    """

    root: Path
    train_names: tuple[str, ...]
    train_labels: Tensor
    test_names: tuple[str, ...]
    test_labels: Tensor
    size: int
    channels: int
    classes: tuple[str, ...]
    title: str
    fingerprint: str
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    origin: Origin = Origin()
    resize: int | None = None


def fingerprint(*arrays: Tensor) -> str:
    """«sha256:...» of the arrays' types, shapes and bytes (little-endian), in this order."""
    digest = hashlib.sha256()
    for array in arrays:
        values = array.contiguous().numpy()
        values = values.astype(values.dtype.newbyteorder("<"), copy=False)
        digest.update(f"{values.dtype.name}{tuple(values.shape)}".encode())
        digest.update(values.reshape(-1).view("uint8").data)
    return f"sha256:{digest.hexdigest()}"


def memory_limit() -> int:
    """Bytes of decoded images that are kept at once: half of the memory."""
    return memory() // 2
