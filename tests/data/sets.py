"""Small sets on disk, and the `data` part of a config, for the tests of this folder."""

import io
import os
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tricktable.runner import data
from tricktable.runner.config.schema import DataConfig
from tricktable.runner.errors import DataProblem

CLASSES = ("ant", "bee", "cow")
CIFAR = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def config(name, **keys):
    """The keys of `data:` as configs/train.yaml has them, but for these; unknown ones are the source's arguments."""
    common = {
        "path": None,
        "download": True,
        "validation": 0.0,
        "split_seed": 0,
        "subset": None,
        "test_subset": None,
        "test_share": None,
        "last_batch": "keep",
        "normalize": "computed",
        "stream": None,
        "workers": None,
    }
    own = {key: value for key, value in keys.items() if key not in common}
    given = {key: str(v) if isinstance(v, Path) else v for key, v in keys.items() if key in common}
    return DataConfig(name=name, arguments=own, **{**common, **given})


def load(path, **keys):
    """The images of a folder or archive."""
    return data.load(config("image_folder", path=path, **keys))


def problem(path, kind=DataProblem, **keys):
    """The one line that loading this ends with."""
    with pytest.raises(kind) as error:
        load(path, **keys)
    text = str(error.value)
    assert "\n" not in text
    if kind is DataProblem:
        assert str(path) in text
    return text


def encode(pixels, kind="PNG", **options):
    """An H W C uint8 array (H W for grey) as the bytes of an image file."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


def images(classes=CLASSES, per_class=4, test="test", size=(6, 5), kind="PNG", seed=0):
    """{relative name: bytes}: per_class training images per class, and half as many for testing. `size` is (W, H)."""
    rng = np.random.default_rng(seed)
    suffix = {"PNG": "png", "JPEG": "jpg", "WEBP": "webp", "BMP": "bmp", "PPM": "ppm"}[kind]
    return {
        f"{split}/{label}/{i:02}.{suffix}": encode(rng.integers(0, 256, (size[1], size[0], 3), np.uint8), kind)
        for split, n in (("train", per_class), (test, per_class // 2))
        for label in classes
        for i in range(n)
    }


def write_tree(root, files):
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


def write_tar(path, files, *members):
    """A tar (compressed as its suffix says) of these files, in this order, with further members as they are."""
    mode = {".xz": "w:xz", ".gz": "w:gz"}.get(path.suffix, "w")
    with tarfile.open(path, mode) as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        for member in members:
            tar.addfile(member)
    return path


def write_zip(path, files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def die(*_, **__):
    """What a decoding process does that is killed."""
    os._exit(1)


def pixels(data):
    """An image file's bytes as C H W."""
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).transpose(2, 0, 1)
