"""CIFAR-10.1 (Recht et al. 2018): a new test set of CIFAR-10's classes, 32x32 pixels; there are no training images."""

import shutil
import urllib.request
from pathlib import Path

import numpy as np
import torch
from numpy.lib import format as npy

from tricktable.runner.data import official
from tricktable.runner.data.source import Arrays, Origin
from tricktable.runner.data.sources.cifar10 import CLASSES
from tricktable.runner.errors import BadInput, DataProblem

ADDRESS = "https://github.com/modestyachts/CIFAR-10.1/raw/master/datasets"
FILES = {  # of each version the images and the labels, with the SHA-256 of the authors' files
    "v4": {
        "cifar10.1_v4_data.npy": "5aaedc268df8f4cffca2ac0cf9e608ae1897a8cddb630c7a850a2ea8f6558e75",
        "cifar10.1_v4_labels.npy": "1f9544300ded199539b6662364ce7fe6c2e1ea9f87408f06db4b1a6184cffb18",
    },
    "v6": {
        "cifar10.1_v6_data.npy": "2997188e5816f5bd545dc77771b6227828c28146049fcecf3fa10775474cacc6",
        "cifar10.1_v6_labels.npy": "ae40beda001693674edc94d925ee8268cfe68905f8f9aff800c8dcdfcd6c9448",
    },
}
DATASETS = {"v4": "cifar10_1", "v6": "cifar10_1_v6"}  # as papers' facts have them: the figures of 2018 are of v4


def cifar10_1(path: str | None = None, download: bool = True, version: str = "v4") -> Arrays:
    """The authors' two files of a version, in the folder `path`: images uint8 N 32 32 3, labels N.

    BadInput for another version; DataProblem where a file is absent and cannot be had, or is not the authors' own.
    """
    if version not in FILES:
        raise BadInput(f"data.version: expected {' or '.join(FILES)}, got {version!r}")
    root, files = official.folder(path), FILES[version]

    def get(into: Path) -> None:
        for name in files:
            with urllib.request.urlopen(f"{ADDRESS}/{name}") as answer, open(into / name, "wb") as file:
                shutil.copyfileobj(answer, file)

    wanted = " and ".join(f"{name} (SHA-256 {digest})" for name, digest in files.items())
    official.ensure(root, files, get if download else None, f"put {wanted} from {ADDRESS} into {root}")
    pixels, labels = (_array(root / name) for name in files)
    if pixels.dtype != np.uint8 or pixels.shape[1:] != (32, 32, 3) or labels.shape != pixels.shape[:1]:
        raise DataProblem(f"{root}: expected images uint8 N 32 32 3 and N labels, found {pixels.shape}, {labels.shape}")
    images = torch.from_numpy(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)))
    return Arrays(
        images[:0],
        torch.zeros(0, dtype=torch.int64),
        images,
        torch.from_numpy(labels.astype(np.int64)),
        CLASSES,
        f"cifar10.1 {version}",
        origin=Origin(DATASETS[version], complete=True),
    )


def _array(path: Path) -> np.ndarray:
    """The array of a .npy file of numbers; one of pickled objects is refused by numpy."""
    with open(path, "rb") as file:
        return npy.read_array(file)
