"""`tricktable init`: what is said of a folder, and the study that is written of it."""

import numpy as np
import pytest
import yaml

from tests.data import sets
from tricktable.runner import machine
from tricktable.runner.config.compose import compose
from tricktable.runner.errors import BadInput, DataProblem
from tricktable.runner.explore import starter
from tricktable.runner.papers import study_file


def picture(width, height, channels=3):
    return sets.encode(np.zeros((height, width, 3)[: 2 + (channels == 3)], np.uint8))


@pytest.fixture
def pets(tmp_path):
    files = {
        f"{label}/{i:02}.png": picture(70 + i % 3, 66) for label, n in (("cat", 20), ("dog's", 5)) for i in range(n)
    }
    return sets.write_tree(tmp_path / "my pets", files | {"cat/99.png": b"no image"})


def test_what_a_folder_holds_is_said_and_the_study_can_be_read(pets, tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "gpu", lambda: True)
    path = tmp_path / "first.yaml"
    said = "\n".join(starter.write(str(pets), path))
    assert "21 training and 5 test images" in said and "2 classes, from 5 images (dog's) to 21 (cat)" in said
    assert "not split" in said and "not balanced" in said and "cat/99.png: expected" in said
    assert said.endswith(f"tricktable study {path}")
    study = study_file.read(path)
    assert (
        study.name == "my_pets"
        and list(study.rows) == ["plain", "crop and flip", "mixup"]
        and study.baseline == "plain"
    )
    for label in study.rows:
        data = compose(study.overrides(label)).data
        assert (data.name, data.path, data.test_share, data.arguments["size"]) == ("image_folder", str(pets), 0.2, 64)


def test_a_file_is_never_overwritten(pets, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("mine")
    with pytest.raises(BadInput, match="never overwritten"):
        starter.write(str(pets), path)
    assert path.read_text() == "mine"


@pytest.mark.parametrize(
    ("size", "channels", "gpu", "keys"),
    [
        ((32, 32), 3, True, {"model=resnet20"}),
        ((28, 28), 1, True, {"model=resnet20", "data.grayscale=true"}),
        ((500, 300), 3, True, {"model=resnet18", "data.size=224"}),
        ((32, 32), 3, False, {"model=resnet8"}),
        ((500, 300), 3, False, {"model=resnet8", "data.size=32"}),
    ],
)
def test_a_split_folder_of_one_size(tmp_path, size, channels, gpu, keys, monkeypatch):
    monkeypatch.setattr(machine, "gpu", lambda: gpu)
    files = {
        f"{split}/{c}/{i}.png": picture(*size, channels) for split in ("train", "test") for c in "ab" for i in range(4)
    }
    folder = sets.write_tree(tmp_path / "set", files)
    path = tmp_path / "set.yaml"
    starter.write(str(folder), path)
    shared = set(yaml.safe_load(path.read_text())["shared"])
    assert keys <= shared and not any(each.startswith("data.test_share") for each in shared)
    assert {each for each in shared if each.startswith("data.size")} == {each for each in keys if "size" in each}
    assert "batch_size=2" in shared


def test_what_is_no_folder_of_images_is_said(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataProblem, match="found no image in such a place"):
        starter.write(str(tmp_path / "empty"), tmp_path / "x.yaml")
    with pytest.raises(BadInput, match="expected a folder"):
        starter.write(str(sets.write_zip(tmp_path / "set.zip", sets.images())), tmp_path / "x.yaml")
    assert not (tmp_path / "x.yaml").exists()
