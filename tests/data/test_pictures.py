"""What is made of a picture that is turned, transparent or of 16 bits; and of many that are broken."""

import io

import numpy as np
import pytest
from PIL import Image

from tests.data import sets
from tests.data.sets import config, load, problem
from tricktable.runner.data import decode, worker
from tricktable.runner.data.split import split
from tricktable.runner.errors import DataProblem


def made(data, channels=3):
    return np.asarray(worker.open_image(data, channels)[0])


# EXIF 2.32, «Orientation»: which side of the picture the 0th row and the 0th column are.
TURNED = {
    1: lambda a: a, 2: lambda a: a[:, ::-1], 3: lambda a: a[::-1, ::-1], 4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2), 6: lambda a: np.rot90(a, -1), 7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a, 1),
}  # fmt: skip


@pytest.mark.parametrize("orientation", TURNED)
def test_a_picture_is_turned_as_its_exif_data_says(orientation):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert np.array_equal(made(sets.encode(pixels, exif=exif)), TURNED[orientation](pixels))


@pytest.mark.parametrize("channels", [3, 1])
def test_what_is_transparent_lies_on_white(channels):
    pixels = np.zeros((1, 3, 4), np.uint8)
    pixels[0, :, 3] = (0, 128, 255)  # black, from clear to opaque: a x + (1 - a) 255
    assert made(sets.encode(pixels), channels).reshape(3, -1)[:, 0].tolist() == [255, 127, 0]


@pytest.mark.parametrize("mode", ["P", "L", "RGB"])
def test_a_colour_that_is_declared_transparent_lies_on_white_too(mode):
    file = io.BytesIO()
    Image.fromarray(np.zeros((2, 2, 3), np.uint8)).convert(mode).save(
        file, "PNG", transparency=(0, 0, 0) if mode == "RGB" else 0
    )
    assert (made(file.getvalue()) == 255).all()


@pytest.mark.parametrize("kind", ["PNG", "PPM"])
@pytest.mark.parametrize("channels", [3, 1])
def test_16_bits_become_8_over_their_full_range(kind, channels):
    values = np.arange(0, 65536, 257, dtype=np.uint16).reshape(16, 16)
    found = made(sets.encode(values, kind), channels).reshape(256, -1)
    assert (found == np.arange(256)[:, None]).all()
    between = np.array([[128, 129, 65535 - 129, 65535 - 128]], np.uint16)  # halves of a step of 257
    assert made(sets.encode(between), 1).tolist() == [[0, 1, 254, 255]]


def test_floats_are_refused_by_name(tmp_path):
    file = b"Pf\n2 2\n-1.0\n" + np.ones(4, np.float32).tobytes()
    text = problem(sets.write_tree(tmp_path / "tree", sets.images() | {"train/ant/00.ppm": file}), size=4)
    assert "train/ant/00.ppm" in text and "8 or 16 bits" in text


def broken(n):
    return sets.images(per_class=30) | {f"train/bee/{i:02}.png": b"no image" for i in range(n)}


@pytest.mark.parametrize("batch", [4, 512])
@pytest.mark.parametrize("size", [None, 4])
def test_all_broken_images_are_listed_and_the_first_twenty_by_name(tmp_path, batch, size, monkeypatch):
    monkeypatch.setattr(decode, "BATCH", batch)
    monkeypatch.setattr(decode, "_pool", lambda: None)
    text = problem(sets.write_tree(tmp_path / "tree", broken(25)), size=size)
    assert "25 images cannot be used" in text and text.endswith("; and 5 more; replace or remove them")
    assert [f"train/bee/{i:02}.png" in text for i in range(25)] == [True] * 20 + [False] * 5
    few = problem(sets.write_zip(tmp_path / "few.zip", broken(2)), size=size)
    assert "2 images cannot be used: train/bee/00.png: expected" in few and "more" not in few


def test_a_broken_first_image_hides_no_other(tmp_path):
    files = sets.images() | {"train/ant/00.png": b"", "test/cow/01.png": b""}
    assert "2 images cannot be used" in problem(sets.write_tree(tmp_path / "tree", files))


@pytest.mark.parametrize("workers", [0, 1])
def test_a_pass_over_streamed_images_lists_all_that_are_broken(tmp_path, workers):
    root = sets.write_tree(tmp_path / "tree", broken(3))
    source = load(root, stream=True, size=4)
    with pytest.raises(DataProblem, match=r"3 images cannot be used: .*bee/00\.png.*bee/01\.png.*bee/02\.png"):
        split(source, config("image_folder", workers=workers))


def test_one_class_is_warned_of(tmp_path, tree, capsys):
    files = {name: content for name, content in sets.images().items() if "/ant/" in name}
    alone = sets.write_tree(tmp_path / "alone", files)
    for stream in (False, True):
        load(alone, stream=stream, size=4)
        said = capsys.readouterr().err
        assert said.startswith("warning: ") and "one class, ant: an error of 0.00% means nothing" in said
    load(tree)
    assert "class" not in capsys.readouterr().err
