"""MNIST (LeCun et al. 1998): 60,000 training and 10,000 test handwritten digits of 28x28 pixels, one channel."""

import os
from dataclasses import replace
from pathlib import Path

from tricktable.runner.data import contents, members, official, pictures
from tricktable.runner.data.source import Arrays
from tricktable.runner.errors import DataProblem

DIGITS = tuple("0123456789")

# The training set's, of all pixels: pytorch/examples, mnist/main.py.
MEAN, STD = (0.1307,), (0.3081,)

KNOWN = (60_000, (1, 28, 28), 10)  # training images, their shape, classes


def mnist(path: str | None = None, download: bool = True) -> Arrays:
    """The original through torchvision, or images: `path` may be a folder or archive of split/digit/image.

    Images are the set's, or a copy of it, by what they are (contents.py); the title says which.
    """
    if path is not None:
        where = Path(os.path.expanduser(path))
        if members.is_archive(where) or members.is_tree(where):
            return _images(pictures.resolve(path))
    return official.mnist("MNIST", path, download, title="mnist", mean=MEAN, std=STD)


def _images(where: Path) -> Arrays:
    images = pictures.decoded(where, None, 1)
    shape = tuple(images.train_images.shape[1:])
    if images.classes != DIGITS or shape != KNOWN[1]:
        found = f"{shape[2]}x{shape[1]} images in {len(images.classes)} folders ({', '.join(images.classes[:3])}, ...)"
        raise DataProblem(f"{where}: expected 28x28 images in the folders 0 to 9, found {found}; use data=image_folder")
    origin = contents.origin(images)
    copy = origin.copy if origin.dataset == contents.MNIST.dataset else "unknown copy"
    counts = len(images.train_labels), len(images.test_labels)
    title = f"mnist ({copy})" if copy else "mnist"
    return Arrays(
        images.train_images,
        images.train_labels,
        images.test_images,
        images.test_labels,
        DIGITS,
        title if counts == contents.MNIST.counts else f"{title} of {counts[0]} + {counts[1]} images",
        MEAN,
        STD,
        images.fingerprint,
        replace(origin, archive=pictures.archive(where)),
        images.test_names,
    )
