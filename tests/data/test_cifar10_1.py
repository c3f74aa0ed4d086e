"""CIFAR-10.1: the authors' two files of a version, by their SHA-256; a test set, which nothing trains on."""

import hashlib
import io

import numpy as np
import pytest
import torch

from tests.data import sets
from tests.data.sets import config
from tricktable.runner import data
from tricktable.runner.data.source import Origin
from tricktable.runner.data.sources import cifar10, cifar10_1
from tricktable.runner.data.split import only_test, split
from tricktable.runner.errors import BadInput, DataProblem

NAMES = ("cifar10.1_v6_data.npy", "cifar10.1_v6_labels.npy")


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


@pytest.fixture
def files(monkeypatch):
    """Four images of version 6 in the form of the authors' files, whose digests are then expected."""
    rng = np.random.default_rng(0)
    pixels, labels = rng.integers(0, 256, (4, 32, 32, 3), np.uint8), np.array([3, 0, 9, 3], np.int32)
    contents = dict(zip(NAMES, (npy(pixels), npy(labels)), strict=True))
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    monkeypatch.setattr(cifar10_1, "FILES", {**cifar10_1.FILES, "v6": digests})
    return contents, pixels, labels


def test_the_test_images_are_the_files_and_there_are_no_others(files, tmp_path):
    contents, pixels, labels = files
    source = data.load(config("cifar10_1", path=sets.write_tree(tmp_path / "own", contents), version="v6"))
    assert np.array_equal(source.test_images.numpy(), pixels.transpose(0, 3, 1, 2))
    assert source.test_labels.tolist() == labels.tolist() and source.test_labels.dtype == torch.int64
    assert source.train_images.shape == (0, 3, 32, 32) and source.classes == cifar10.CLASSES
    assert source.title == "cifar10.1 v6" and source.origin == Origin("cifar10_1_v6", complete=True)
    alone = only_test(source, config("cifar10_1"))
    assert alone.n == 4 and torch.equal(next(iter(alone.draw([(0, 4)])))[0], source.test_images)


def test_the_version_of_the_papers_figures_is_the_one_that_facts_mean():
    assert cifar10_1.DATASETS["v4"] == "cifar10_1" and set(cifar10_1.DATASETS) == set(cifar10_1.FILES)


def test_nothing_trains_on_it(files, tmp_path):
    source = data.load(config("cifar10_1", path=sets.write_tree(tmp_path / "own", files[0]), version="v6"))
    with pytest.raises(BadInput, match="no training images; evaluate finished runs on it: tricktable evaluate"):
        split(source, config("cifar10_1"))


def test_another_file_is_refused_by_its_digest_and_left_as_it_is(files, tmp_path):
    contents = {**files[0], NAMES[1]: files[0][NAMES[1]] + b"0"}
    root = sets.write_tree(tmp_path / "own", contents)
    with pytest.raises(DataProblem, match=r"labels.npy: expected the official file \(SHA-256 "):
        data.load(config("cifar10_1", path=root, version="v6"))
    assert (root / NAMES[1]).read_bytes() == contents[NAMES[1]]


def test_what_is_absent_is_fetched_or_advised(files, tmp_path, monkeypatch):
    contents, asked = files[0], []

    def answer(url):
        asked.append(url)
        return io.BytesIO(contents[url.rpartition("/")[2]])

    monkeypatch.setattr(cifar10_1.urllib.request, "urlopen", answer)
    with pytest.raises(DataProblem, match=f"put {NAMES[0]} ") as error:
        data.load(config("cifar10_1", path=tmp_path / "new", download=False, version="v6"))
    assert "data.download is false" in str(error.value) and not asked
    data.load(config("cifar10_1", path=tmp_path / "new", version="v6"))
    assert asked == [f"{cifar10_1.ADDRESS}/{name}" for name in NAMES]
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == sorted(NAMES)


def test_an_unknown_version_is_one_line():
    with pytest.raises(BadInput, match=r"^data.version: expected v4 or v6, got 'v5'$"):
        data.load(config("cifar10_1", version="v5"))
