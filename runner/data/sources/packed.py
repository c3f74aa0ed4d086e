"""A set that `tricktable pack` made of a folder of images: decoded, in one file, which is mapped into memory."""

import os
from pathlib import Path

from tricktable.runner.data import cache
from tricktable.runner.data.packed import read
from tricktable.runner.data.source import Arrays, Origin
from tricktable.runner.data.sources import image_folder
from tricktable.runner.errors import BadInput, DataProblem


def packed(path: str | None = None) -> Arrays:
    """The images of a packed file; they need not fit in memory.

    All of it is read once, to see that its bytes are those that were packed, and again when the file has changed.
    DataProblem where they are not, or where it is another file.
    """
    if path is None:
        raise BadInput("data.path: packed needs the file that `tricktable pack FOLDER --size 64` made")
    where = Path(os.path.expanduser(path))
    if not where.is_file():
        raise DataProblem(f"{where}: expected the file that `tricktable pack` made, found no file there")
    found = read(where)
    state = where.stat()
    name = cache.key(str(where.resolve()), state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns)
    if not cache.remembered("packed", name, found.whole):
        raise DataProblem(f"{where}: its images are not those that were packed; pack it again")
    train_images, train_labels, test_images, test_labels = found.arrays
    classes = tuple(found.facts["classes"])
    numbers = len(train_labels), len(test_labels)
    return Arrays(
        train_images,
        train_labels,
        test_images,
        test_labels,
        classes,
        found.facts["title"],
        fingerprint=found.fingerprint,
        origin=Origin() if found.facts["drawn"] else image_folder.origin(classes, *numbers),
        test_names=found.names[1],
        mapped=True,
    )
