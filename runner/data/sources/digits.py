"""scikit-learn's digits: 1,797 handwritten digits of 8x8 pixels, from the file that scikit-learn installs."""

import gzip
import importlib.util
from pathlib import Path

import numpy as np
import torch

from tricktable.runner.data.source import Arrays, Origin
from tricktable.runner.errors import DataProblem

SHAPE = (1797, 65)  # 64 pixels and the label
EVERY = 5

KNOWN = (1_442, (1, 8, 8), 10)  # training images, their shape, classes
WHITE = 16  # the largest value of a pixel, where it is not 255


def digits() -> Arrays:
    """1 x 8 x 8 images with the file's own values, 0 to 16; `normalize` brings them to any other scale.

    The split can never change, because nothing is drawn: of the images of each class, in the file's order, every fifth
    (the 5th, 10th, 15th ...) is a test image. So 355 are for testing and 1,442 for training, a fifth of each class.
    """
    path = _file()
    try:
        text = gzip.decompress(path.read_bytes()).decode("ascii")
        table = np.array([row.split(",") for row in text.split()], dtype=np.float64)
    except (OSError, EOFError, ValueError) as error:
        raise _problem(path, " ".join(str(error).split())) from None
    if table.shape != SHAPE or not np.isin(table, np.arange(17)).all() or set(table[:, 64]) != set(range(10)):
        raise _problem(path, f"a table of shape {table.shape} with other values")
    images = torch.from_numpy(table[:, :64].astype(np.uint8)).reshape(-1, 1, 8, 8)
    labels = torch.from_numpy(table[:, 64].astype(np.int64))
    ranks = torch.empty_like(labels)
    for label in range(10):
        ranks[labels == label] = torch.arange(int((labels == label).sum()))
    test = ranks % EVERY == EVERY - 1
    classes = tuple(str(label) for label in range(10))
    return Arrays(
        images[~test],
        labels[~test],
        images[test],
        labels[test],
        classes,
        "digits",
        origin=Origin("digits", complete=True),
    )


def _file() -> Path:
    """Where scikit-learn keeps the digits. It is not imported: that would take longer than a short training."""
    spec = importlib.util.find_spec("sklearn")
    if spec is None or not spec.submodule_search_locations:
        raise DataProblem("digits: expected scikit-learn to be installed, found none; pip install scikit-learn")
    return Path(spec.submodule_search_locations[0]) / "datasets" / "data" / "digits.csv.gz"


def _problem(path: Path, found: str) -> DataProblem:
    return DataProblem(f"{path}: expected {SHAPE[0]} rows of digits, found: {found}; install scikit-learn again")
