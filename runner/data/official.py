"""The sets that torchvision downloads: found, fetched and checked here, read by torchvision.datasets.

Every file is compared with torchvision's own MD5 table before anything in it is read (CIFAR's batches are pickles), or
with the SHA-256 that a source gives. A
download goes into a folder of its own, and each file is moved into place once it is whole; none is ever replaced.
"""

import contextlib
import gzip
import hashlib
import os
import socket
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tricktable.runner import terminal
from tricktable.runner.data.cache import cache_folder
from tricktable.runner.data.source import Arrays, Origin
from tricktable.runner.errors import DataProblem

TIMEOUT = 60  # seconds without an answer, after which a download has failed
INSTEAD = "or use data=digits or data=synthetic, which need no file"

Constants = tuple[float, ...] | None


def cifar(
    kind: str, path: str | None, download: bool, *, title: str, mean: Constants, std: Constants, instead: str = INSTEAD
) -> Arrays:
    """CIFAR10 or CIFAR100 (torchvision's names): 3 x 32 x 32."""
    from torchvision import datasets

    source = getattr(datasets, kind)
    root = folder(path, source.base_folder, source.filename)
    archive = root / source.filename
    parts = [*source.train_list, *source.test_list, [source.meta["filename"], source.meta["md5"]]]
    files = {f"{source.base_folder}/{name}": md5 for name, md5 in parts}

    def get(into: Path) -> None:
        if archive.exists():  # torchvision extracts what it finds whole, and downloads what it does not
            _expect(archive, source.tgz_md5)
            (into / source.filename).symlink_to(archive.resolve())
        source(into, download=True)

    wanted = f"{source.filename} ({source.url}, MD5 {source.tgz_md5})"
    ensure(root, files, get if download or archive.exists() else None, f"put {wanted} into {root}, {instead}")
    train, test = source(root, train=True), source(root, train=False)
    images = [torch.from_numpy(np.ascontiguousarray(part.data.transpose(0, 3, 1, 2))) for part in (train, test)]
    labels = [torch.tensor(part.targets, dtype=torch.int64) for part in (train, test)]
    came = f"{source.filename} (MD5 {source.tgz_md5}), {source.url}"
    return _whole(images, labels, train.classes, title, mean, std, came)


def svhn(path: str | None, download: bool, *, title: str) -> Arrays:
    """SVHN's train and test (not extra): 3 x 32 x 32; the label of a digit is the digit."""
    from torchvision import datasets

    table = [datasets.SVHN.split_list[split] for split in ("train", "test")]  # url, file name, MD5
    root = folder(path)

    def get(into: Path) -> None:
        for split, (_, name, _) in zip(("train", "test"), table, strict=True):
            if not (root / name).exists():
                datasets.SVHN(into, split, download=True)

    wanted = " and ".join(f"{name} (MD5 {md5}), {url}" for url, name, md5 in table)
    files = {name: md5 for _, name, md5 in table}
    ensure(root, files, get if download else None, f"put {wanted} into {root}, {INSTEAD}")
    train, test = datasets.SVHN(root, "train"), datasets.SVHN(root, "test")
    images = [torch.from_numpy(np.ascontiguousarray(part.data)) for part in (train, test)]
    labels = [torch.from_numpy(part.labels) for part in (train, test)]
    return _whole(images, labels, map(str, range(10)), title, came=wanted)


def mnist(
    kind: str, path: str | None, download: bool, *, title: str, mean: Constants = None, std: Constants = None
) -> Arrays:
    """MNIST or FashionMNIST (torchvision's names): 1 x 28 x 28.

    torchvision's table is of the compressed files, and it never checks the others: so these four are what is read, and
    unpacked for torchvision in a temporary folder.
    """
    from torchvision import datasets

    source = getattr(datasets, kind)
    root = folder(path, kind)
    files = {f"{kind}/raw/{name}": md5 for name, md5 in source.resources}
    wanted = ", ".join(f"{name} (MD5 {md5})" for name, md5 in source.resources) + f", from {source.mirrors[0]}"
    get = (lambda into: source(into, download=True)) if download else None
    ensure(root, files, get, f"put {wanted}, into {root / kind / 'raw'}, {INSTEAD}")
    with tempfile.TemporaryDirectory() as temporary:
        raw = Path(temporary, kind, "raw")
        raw.mkdir(parents=True)
        for name in files:
            (raw / Path(name).stem).write_bytes(gzip.decompress((root / name).read_bytes()))
        train, test = source(temporary, train=True), source(temporary, train=False)
    images = [part.data.unsqueeze(1) for part in (train, test)]
    labels = [part.targets.long() for part in (train, test)]
    return _whole(images, labels, train.classes, title, mean, std, wanted)


def _whole(
    images: Sequence[Tensor],
    labels: Sequence[Tensor],
    classes: Iterable[str],
    title: str,
    mean: Constants = None,
    std: Constants = None,
    came: str | None = None,
) -> Arrays:
    """The training and the test images of an original set, which is vouched for: every file of it has been checked."""
    origin = Origin(title, complete=True, archive=came)
    return Arrays(images[0], labels[0], images[1], labels[1], tuple(classes), title, mean, std, origin=origin)


def folder(path: str | None, *inner: str) -> Path:
    """Where the files stand: the cache, or what the config names, or what is above that where it is an `inner` name."""
    if path is None:
        return cache_folder()
    where = Path(os.path.expanduser(path))
    return where.parent if where.name in inner else where


def ensure(root: Path, files: Mapping[str, str], get: Callable[[Path], object] | None, advice: str) -> None:
    """That each file (relative name: digest) is below `root` and whole; `get(folder)` makes what is absent elsewhere.

    DataProblem where a file is not what it should be (it is left as it is), or is absent and cannot be had.
    """
    absent = [name for name in files if not os.path.exists(root / name)]
    for name in files:
        if name not in absent:
            _expect(root / name, files[name])
    if not absent:
        return
    if get is None:
        raise DataProblem(f"{root / absent[0]}: expected this file, found none, and data.download is false; {advice}")
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".download-", dir=root) as temporary:
            drawn = terminal.drawing(sys.stderr)  # a download's progress
            with contextlib.redirect_stdout(drawn), contextlib.redirect_stderr(drawn), _timeout(TIMEOUT):
                get(Path(temporary))
            for name in absent:
                _expect(Path(temporary, name), files[name])
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                os.replace(Path(temporary, name), root / name)
    except DataProblem:
        raise
    except Exception as error:  # a network fails in too many ways to list: URLError, HTTPException, RuntimeError ...
        reason = " ".join(str(error).split())
        text = f"{root / absent[0]}: expected this file, found none, and fetching it failed ({reason}); {advice}"
        raise DataProblem(text) from None


DIGESTS = {32: ("md5", "MD5"), 64: ("sha256", "SHA-256")}  # by their hexadecimal digits


def _expect(path: Path, digest: str) -> None:
    """That a file has this MD5 or SHA-256."""
    algorithm, kind = DIGESTS[len(digest)]
    if not path.is_file():
        raise DataProblem(f"{path}: expected the official file, found a folder, a pipe or a device")
    try:
        with open(path, "rb") as file:
            found = hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False)).hexdigest()
    except OSError as error:
        raise DataProblem(f"{path}: expected a file that can be read, found: {error.strerror}") from None
    if found != digest:
        raise DataProblem(
            f"{path}: expected the official file ({kind} {digest}), found another or a part of it ({kind} {found}); "
            "delete it to have it fetched again"
        )


@contextlib.contextmanager
def _timeout(seconds: float) -> Iterator[None]:
    """Sockets that give up: torchvision opens them without a limit, and a dead line would hang the run."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
