"""Files of weights from elsewhere: what is read, what is refused, and that nothing in them runs."""

import hashlib
import os

import pytest
import safetensors.torch
import torch

from tricktable.runner.disk import weights
from tricktable.runner.errors import BadInput

TENSORS = {"a.weight": torch.arange(6.0).view(2, 3), "a.bias": torch.tensor([1.0, 2.0])}


def same(found):
    return found.keys() == TENSORS.keys() and all(torch.equal(found[name], TENSORS[name]) for name in found)


@pytest.mark.parametrize(
    "saved",
    [
        TENSORS,
        {"state_dict": TENSORS, "epoch": 3},
        {"model": {f"module.{name}": each for name, each in TENSORS.items()}},
        {**TENSORS, "note": "text"},
    ],
    ids=["plain", "state_dict", "DataParallel", "with text"],
)
@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "as before torch 1.6"])
def test_tensors_of_pth(tmp_path, saved, zipped):
    path = tmp_path / "w.pth"
    torch.save(saved, path, _use_new_zipfile_serialization=zipped)
    assert same(weights.read(str(path)))
    assert weights.digest(str(path)) == hashlib.sha256(path.read_bytes()).hexdigest()


def test_safetensors_and_a_link_to_them(tmp_path):
    safetensors.torch.save_file(TENSORS, tmp_path / "w.safetensors")
    (tmp_path / "link.safetensors").symlink_to("w.safetensors")
    assert same(weights.read(str(tmp_path / "link.safetensors")))


class Runs:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_what_would_run_code_is_refused_and_does_not_run(tmp_path):
    torch.save({"a": TENSORS["a.bias"], "b": Runs(str(tmp_path / "ran"))}, tmp_path / "w.pth")
    with pytest.raises(BadInput, match=r"w.pth: not a file of weights \(") as error:
        weights.read(str(tmp_path / "w.pth"))
    assert not (tmp_path / "ran").exists() and "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
def test_damage_and_size_are_one_line(tmp_path, name, monkeypatch):
    path = tmp_path / name
    for content in (b"", b"nonsense" * 40):
        path.write_bytes(content)
        with pytest.raises(BadInput, match=f"{name}: not a file of weights"):
            weights.read(str(path))
    monkeypatch.setattr(weights, "LIMIT", 100)
    with pytest.raises(BadInput, match=f"{name}: not a file of weights .* more than the 100"):
        weights.read(str(path))
    with pytest.raises(BadInput, match="is not there"):
        weights.digest(str(tmp_path / "other.pth"))


def test_no_tensors_are_no_weights(tmp_path):
    torch.save([torch.zeros(2)], tmp_path / "w.pt")
    with pytest.raises(BadInput, match=r"w.pt: no weights are in it"):
        weights.read(str(tmp_path / "w.pt"))
