"""CIFAR-10 (Krizhevsky 2009): 50,000 training and 10,000 test images of 32x32 pixels in 10 classes."""

import os
from pathlib import Path

from tricktable.runner.data import contents, members, official, pictures
from tricktable.runner.data.source import Arrays
from tricktable.runner.errors import DataProblem

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
OFFICIAL = ("cifar-10-batches-py", "cifar-10-python.tar.gz")  # what torchvision downloads

INSTEAD = "or set data.path to a folder or archive of its images (train/<class>/<image>), or use data=digits"

# The training set's, of all pixels: fb.resnet.torch, datasets/cifar10.lua (125.3, 123.0, 113.9 and 63.0, 62.1, 66.7).
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)

KNOWN = (50_000, (3, 32, 32), 10)  # training images, their shape, classes


def cifar10(path: str | None = None, download: bool = True) -> Arrays:
    """The original through torchvision, or images: `path` may be a folder or archive of split/class/image.

    The title says which of them it is, and how many images there are where some are missing. Images are the set's, or a
    copy of it, by what they are (contents.py): whatever else has its classes' names is an unknown copy.
    """
    if path is not None:
        where = Path(os.path.expanduser(path))
        original = where.name in OFFICIAL or any(os.path.exists(where / name) for name in OFFICIAL)
        if not original and (members.is_archive(where) or os.path.isfile(where) or members.is_tree(where)):
            return _images(pictures.resolve(path))
    return official.cifar("CIFAR10", path, download, title="cifar10", mean=MEAN, std=STD, instead=INSTEAD)


def _images(where: Path) -> Arrays:
    images = pictures.decoded(where, None, 3)
    shape = tuple(images.train_images.shape[1:])
    if images.classes != CLASSES:
        odd = sorted(set(images.classes) ^ set(CLASSES))
        raise DataProblem(
            f"{where}: expected CIFAR-10's classes ({', '.join(CLASSES)}), found others ({', '.join(odd[:5])}); "
            "use data=image_folder"
        )
    if shape != (3, 32, 32) or images.modes != ("RGB",):
        found = f"{shape[2]}x{shape[1]} in mode {', '.join(images.modes)}"
        raise DataProblem(f"{where}: expected 32x32 RGB images, found {found}; use data=image_folder")
    return pictures.named(where, images, contents.CIFAR10, MEAN, STD)
