"""The sets of torchvision: read where they are whole, never replaced where they are not, never unpickled unchecked.

Tiny files stand in for the originals, with torchvision's MD5 tables changed to theirs.
"""

import gzip
import hashlib
import io
import pickle
import socket
import struct
import tarfile
from dataclasses import replace

import numpy as np
import pytest
import torch
from torchvision import datasets

from tests.data import sets
from tests.data.sets import config
from tricktable.runner import data
from tricktable.runner.data import contents
from tricktable.runner.data.source import Origin
from tricktable.runner.errors import DataProblem

SETS = ("cifar10", "cifar100", "svhn", "mnist", "fashion_mnist")


def problem(name, **keys):
    with pytest.raises(DataProblem) as error:
        data.load(config(name, **keys))
    text = str(error.value)
    assert "\n" not in text
    return text


def md5(content):
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """As on a machine without one; what was asked for."""
    asked = []

    def refuse(host, *_, **__):
        asked.append(host)
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    return asked


@pytest.fixture
def cifar(tmp_path, monkeypatch):
    """CIFAR-10 with five batches of 4 images, its archive, and the tables that describe them."""
    rng, source = np.random.default_rng(0), datasets.CIFAR10
    pixels = rng.integers(0, 256, (6, 4, 3072), np.uint8)
    labels = rng.integers(0, 10, (6, 4)).tolist()
    names = [*(name for name, _ in source.train_list), *(name for name, _ in source.test_list)]
    files = {n: pickle.dumps({"data": p, "labels": y}) for n, p, y in zip(names, pixels, labels, strict=True)}
    files["batches.meta"] = pickle.dumps({"label_names": list(sets.CIFAR)})
    root = tmp_path / "cifar"
    sets.write_tree(root / source.base_folder, files)
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        tar.add(root / source.base_folder, source.base_folder)
    monkeypatch.setattr(source, "train_list", [[name, md5(files[name])] for name in names[:5]])
    monkeypatch.setattr(source, "test_list", [[names[5], md5(files[names[5]])]])
    monkeypatch.setattr(source, "meta", {**source.meta, "md5": md5(files["batches.meta"])})
    monkeypatch.setattr(source, "tgz_md5", md5(file.getvalue()))
    return root, file.getvalue(), pixels.reshape(6, 4, 3, 32, 32), torch.tensor(labels)


def check_cifar(source, pixels, labels):
    assert np.array_equal(source.train_images.numpy(), np.concatenate(pixels[:5]))
    assert np.array_equal(source.test_images.numpy(), pixels[5])
    assert torch.equal(source.train_labels, labels[:5].flatten()) and torch.equal(source.test_labels, labels[5])
    assert source.classes == sets.CIFAR and source.title == "cifar10"
    official = datasets.CIFAR10
    archive = f"cifar-10-python.tar.gz (MD5 {official.tgz_md5}), {official.url}"
    assert source.origin == Origin("cifar10", complete=True, archive=archive)


@pytest.mark.parametrize("download", [True, False])
@pytest.mark.parametrize("inner", ["", "cifar-10-batches-py"])
def test_what_is_whole_is_read_without_a_network(cifar, download, inner, no_network):
    root, _, pixels, labels = cifar
    check_cifar(data.load(config("cifar10", path=root / inner, download=download)), pixels, labels)
    assert not no_network


def test_the_cache_folder_is_where_it_is_looked_for(cifar, cache):
    root, _, pixels, labels = cifar
    root.rename(cache)
    check_cifar(data.load(config("cifar10")), pixels, labels)


def test_an_archive_that_is_there_is_extracted_without_a_network(cifar, tmp_path, no_network):
    _, archive, pixels, labels = cifar
    root = sets.write_tree(tmp_path / "new", {"cifar-10-python.tar.gz": archive})
    check_cifar(data.load(config("cifar10", path=root, download=False)), pixels, labels)
    check_cifar(data.load(config("cifar10", path=root / "cifar-10-python.tar.gz")), pixels, labels)
    assert not no_network
    assert sorted(p.name for p in root.iterdir()) == ["cifar-10-batches-py", "cifar-10-python.tar.gz"]


def test_a_download_is_moved_into_place(cifar, tmp_path, monkeypatch, capsys):
    _, archive, pixels, labels = cifar

    def fetch(url, filename, chunk_size=0):
        with open(filename, "wb") as file:
            file.write(archive)

    monkeypatch.setattr(datasets.utils, "_get_redirect_url", lambda url, max_hops: url)
    monkeypatch.setattr(datasets.utils, "_urlretrieve", fetch)
    root = tmp_path / "new"
    check_cifar(data.load(config("cifar10", path=root)), pixels, labels)
    assert [p.name for p in root.iterdir()] == ["cifar-10-batches-py"]
    assert not capsys.readouterr().out
    archive = archive[: len(archive) // 2]
    text = problem("cifar10", path=tmp_path / "cut")
    assert "failed" in text and not list((tmp_path / "cut").iterdir())


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("download", [True, False])
def test_what_is_absent_and_cannot_be_had_is_one_line_of_advice(name, download, cache, no_network):
    text = problem(name, download=download)
    assert str(cache) in text and "MD5" in text and "data=digits" in text and "http" in text
    assert ("failed" in text) == download == bool(no_network)
    assert not cache.exists() or not [p for p in cache.rglob("*") if p.is_file()]


class Payload:
    """A pickle that leaves a mark when it is loaded."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return open, (str(self.mark), "w")


@pytest.mark.parametrize("name", ["data_batch_1", "test_batch", "batches.meta"])
@pytest.mark.parametrize("download", [True, False])
def test_a_batch_with_another_checksum_is_neither_unpickled_nor_replaced(cifar, tmp_path, name, download, no_network):
    root, archive, _, _ = cifar
    sets.write_tree(root, {"cifar-10-python.tar.gz": archive})
    evil = pickle.dumps(Payload(tmp_path / "mark"))
    path = root / "cifar-10-batches-py" / name
    path.write_bytes(evil)
    text = problem("cifar10", path=root, download=download)
    assert str(path) in text and md5(evil) in text and "delete it" in text
    assert path.read_bytes() == evil and not (tmp_path / "mark").exists() and not no_network


def test_an_archive_with_another_checksum_is_neither_extracted_nor_replaced(tmp_path, no_network):
    root = sets.write_tree(tmp_path / "new", {"cifar-10-python.tar.gz": b"half"})
    assert md5(b"half") in problem("cifar10", path=root)
    assert [p.name for p in root.iterdir()] == ["cifar-10-python.tar.gz"] and not no_network


@pytest.fixture
def mnist(tmp_path, monkeypatch):
    rng, files, raw = np.random.default_rng(0), {}, []
    for prefix, n in (("train", 5), ("t10k", 3)):
        images, labels = rng.integers(0, 256, (n, 28, 28), np.uint8), rng.integers(0, 10, n).astype(np.uint8)
        raw += [images, labels]
        files[f"{prefix}-images-idx3-ubyte.gz"] = gzip.compress(struct.pack(">4I", 2051, n, 28, 28) + images.tobytes())
        files[f"{prefix}-labels-idx1-ubyte.gz"] = gzip.compress(struct.pack(">2I", 2049, n) + labels.tobytes())
    for source in (datasets.MNIST, datasets.FashionMNIST):
        monkeypatch.setattr(source, "resources", [(name, md5(content)) for name, content in files.items()])
    return files, raw


@pytest.mark.parametrize(("name", "kind"), [("mnist", "MNIST"), ("fashion_mnist", "FashionMNIST")])
def test_mnist_is_read_from_the_files_that_are_checked(tmp_path, mnist, name, kind):
    files, raw = mnist
    folder = sets.write_tree(tmp_path / kind / "raw", files)
    # What torchvision reads without a check: an unpacked file, and the old processed ones.
    (folder / "train-labels-idx1-ubyte").write_bytes(b"other")
    processed = tmp_path / kind / "processed"
    processed.mkdir()
    for old in ("training.pt", "test.pt"):
        torch.save((torch.zeros(1, 28, 28, dtype=torch.uint8), torch.zeros(1, dtype=torch.int64)), processed / old)
    source = data.load(config(name, path=tmp_path))
    arrays = source.train_images[:, 0], source.train_labels, source.test_images[:, 0], source.test_labels
    for array, expected in zip(arrays, raw, strict=True):
        assert np.array_equal(array.numpy(), expected)
    assert source.train_images.shape == (5, 1, 28, 28) and len(source.classes) == 10
    (folder / "t10k-labels-idx1-ubyte.gz").write_bytes(b"other")
    assert "t10k-labels-idx1-ubyte.gz" in problem(name, path=tmp_path)


def test_svhn(tmp_path, monkeypatch):
    import scipy.io

    rng, table, parts = np.random.default_rng(0), {}, {}
    for split, n in (("train", 6), ("test", 4)):
        images, labels = rng.integers(0, 256, (32, 32, 3, n), np.uint8), (np.arange(n) % 10 + 9).clip(max=10)
        file = io.BytesIO()
        scipy.io.savemat(file, {"X": images, "y": labels[:, None].astype(np.uint8)})
        url, name, _ = datasets.SVHN.split_list[split]
        table[split] = [url, name, md5(file.getvalue())]
        (tmp_path / name).write_bytes(file.getvalue())
        parts[split] = images.transpose(3, 2, 0, 1), labels % 10
    monkeypatch.setattr(datasets.SVHN, "split_list", table)
    source = data.load(config("svhn", path=tmp_path, download=False))
    assert np.array_equal(source.train_images.numpy(), parts["train"][0])
    assert np.array_equal(source.test_labels.numpy(), parts["test"][1])
    (tmp_path / "test_32x32.mat").unlink()
    assert "test_32x32.mat" in problem("svhn", path=tmp_path)
    (tmp_path / "train_32x32.mat").write_bytes(b"x")
    assert "train_32x32.mat" in problem("svhn", path=tmp_path)


@pytest.mark.parametrize(("kind", "copy"), [("JPEG", "JPEG copy"), ("WEBP", "lossy copy"), ("PNG", None)])
@pytest.mark.parametrize("form", ["tree", "set.zip"])
def test_images_of_cifar10_are_known_by_what_they_are(tmp_path, kind, copy, form, monkeypatch):
    """The set is a made one. Its copy in another format is known by its means, and what is only called so by nothing."""
    monkeypatch.setattr(contents, "CLOSE", 20.0)
    original = sets.images(sets.CIFAR, 2, size=(32, 32))
    write = sets.write_tree if form == "tree" else sets.write_zip
    path = write(tmp_path / form, sets.images(sets.CIFAR, 2, size=(32, 32), kind=kind))
    unknown = data.load(config("cifar10", path=path))
    archive = None if form == "tree" else f"set.zip (SHA-256 {hashlib.sha256(path.read_bytes()).hexdigest()})"
    assert unknown.title == "cifar10 (unknown copy) of 20 + 10 images" and unknown.origin == Origin(archive=archive)
    assert unknown.classes == sets.CIFAR and unknown.mean == (0.4914, 0.4822, 0.4465)
    known = known_as(sets.load(sets.write_tree(tmp_path / "original", original)))
    monkeypatch.setattr(contents, "KNOWN", (known,))
    monkeypatch.setattr(contents, "CIFAR10", known)
    found = data.load(config("cifar10", path=path))
    assert found.title == (f"cifar10 ({copy})" if copy else "cifar10")
    assert found.origin == Origin("cifar10", copy, complete=True, archive=archive)
    other = write(tmp_path / f"other-{form}", sets.images(sets.CIFAR, 2, size=(32, 32), kind=kind, seed=1))
    monkeypatch.setattr(contents, "CLOSE", 1e-3)
    found = data.load(config("cifar10", path=other))
    assert found.title == "cifar10 (unknown copy)" and replace(found.origin, archive=None) == Origin()


def known_as(source):
    splits = (source.train_images, source.train_labels), (source.test_images, source.test_labels)
    return contents.KnownSet(
        "cifar10",
        tuple(len(labels) for _, labels in splits),
        tuple(contents.digest(*split) for split in splits),
        tuple(tuple(map(tuple, contents.class_means(*split, 10).tolist())) for split in splits),
    )


def test_a_digest_is_of_the_images_with_their_labels_in_any_order():
    images = torch.randint(0, 256, (8, 3, 4, 4), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    labels, order = torch.arange(8) % 3, torch.tensor([3, 1, 0, 2, 7, 6, 5, 4])
    assert contents.digest(images, labels) == contents.digest(images[order], labels[order])
    assert contents.digest(images, labels) != contents.digest(images[order], labels)
    changed = images.clone()
    changed[5, 1, 2, 3] ^= 1
    assert contents.digest(images, labels) != contents.digest(changed, labels)


def test_images_that_are_not_cifar10_s_are_refused(tmp_path):
    few = sets.write_tree(tmp_path / "few", sets.images(sets.CIFAR[:9], 2, size=(32, 32)))
    assert "found others (truck)" in problem("cifar10", path=few)
    small = sets.write_tree(tmp_path / "small", sets.images(sets.CIFAR, 2, size=(31, 32)))
    assert "found 31x32" in problem("cifar10", path=small)
    grey = sets.images(sets.CIFAR, 2, size=(32, 32)) | {"train/cat/00.png": sets.encode(np.zeros((32, 32), np.uint8))}
    assert "mode L, RGB" in problem("cifar10", path=sets.write_tree(tmp_path / "grey", grey))
    assert "nothing there" in problem("cifar10", path=tmp_path / "absent.tar.xz")


@pytest.mark.shared
def test_the_jpeg_copy_of_cifar10():
    from tests.conftest import SHARED

    source = data.load(config("cifar10", path=SHARED / "data" / "cifar10-jpeg.tar.xz"))
    assert source.title == "cifar10 (JPEG copy)"
    assert replace(source.origin, archive=None) == Origin("cifar10", "JPEG copy", complete=True)
    assert source.origin.archive.startswith("cifar10-jpeg.tar.xz (SHA-256 "), "its name, and no folder"
    assert source.train_images.shape == (50_000, 3, 32, 32) and source.test_images.shape == (10_000, 3, 32, 32)
    assert set(source.train_labels.bincount().tolist()) == {5000}
    assert set(source.test_labels.bincount().tolist()) == {1000}
    pixels = source.train_images.float().mean((0, 2, 3)) / 255
    assert torch.allclose(pixels, torch.tensor(source.mean), atol=0.002)
