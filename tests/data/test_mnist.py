"""MNIST as a folder or archive of its images, which are known by what they are."""

from dataclasses import replace

import numpy as np
import pytest

from tests.data import sets
from tests.data.sets import config
from tests.data.test_official import known_as
from tricktable.runner import data
from tricktable.runner.data import contents
from tricktable.runner.data.source import Origin
from tricktable.runner.errors import DataProblem


def digits(side=28, folders="0123456789", seed=0):
    """Grey images of two splits, by their names."""
    rng, found = np.random.default_rng(seed), {}
    for split, n in (("train", 2), ("test", 1)):
        for digit in folders:
            for i in range(n):
                found[f"{split}/{digit}/{i}.png"] = sets.encode(rng.integers(0, 256, (side, side), np.uint8))
    return found


def test_images_of_mnist_are_known_by_what_they_are(tmp_path, monkeypatch):
    path = sets.write_tree(tmp_path / "tree", digits())
    unknown = data.load(config("mnist", path=path))
    assert unknown.title == "mnist (unknown copy) of 20 + 10 images" and unknown.origin == Origin()
    assert unknown.train_images.shape == (20, 1, 28, 28) and unknown.classes == tuple("0123456789")
    assert (unknown.mean, unknown.std) == ((0.1307,), (0.3081,))
    known = replace(known_as(sets.load(path, grayscale=True)), dataset="mnist")
    monkeypatch.setattr(contents, "KNOWN", (known,))
    monkeypatch.setattr(contents, "MNIST", known)
    found = data.load(config("mnist", path=path))
    assert found.title == "mnist" and found.origin == Origin("mnist", complete=True)
    other = data.load(config("mnist", path=sets.write_zip(tmp_path / "set.zip", digits(seed=1))))
    assert other.title == "mnist (unknown copy)" and other.origin.dataset is None


@pytest.mark.parametrize(("side", "folders"), [(27, "0123456789"), (28, "012")])
def test_other_images_are_not_taken_for_mnist(tmp_path, side, folders):
    path = sets.write_tree(tmp_path / "tree", digits(side, folders))
    found = f"found {side}x{side} images in {len(folders)} folders"
    with pytest.raises(DataProblem, match=f"expected 28x28 images in the folders 0 to 9, {found}"):
        data.load(config("mnist", path=path))
