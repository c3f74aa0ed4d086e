"""MNIST (LeCun et al. 1998): 60,000 training and 10,000 test handwritten digits of 28x28 pixels, one channel."""

import os
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
    return pictures.named(where, images, contents.MNIST, MEAN, STD)
