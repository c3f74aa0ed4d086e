"""`tricktable cache`: what is this program's in the cache folder is listed and removed, and nothing else is touched."""

import os

import pytest

from tricktable.runner.data import cache, kept
from tricktable.runner.errors import BadInput

OURS = (
    f"images-{'a' * 32}.safetensors",
    f"pixels-{'b' * 32}.json",
    "train_32x32.mat",
    ".download-x1",
    ".images-a-x.tmp",
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("TRICKTABLE_CACHE", str(tmp_path / "cache"))
    folder = cache.cache_folder()
    (folder / "MNIST" / "raw").mkdir(parents=True)
    (folder / "MNIST" / "raw" / "images").write_bytes(b"x" * 3_000)
    for number, name in enumerate(OURS):
        (folder / name).write_bytes(b"x" * (number + 1))
        os.utime(folder / name, (1_700_000_000, 1_700_000_000))
    (folder / "thesis.tex").write_text("mine")
    return folder


def test_what_is_kept_is_listed_with_its_size_and_last_use(folder, capsys):
    found = kept.kept()
    assert {each.path.name for each in found} == {"MNIST", *OURS}
    assert (found[0].path.name, found[0].size) == ("MNIST", 3_000)
    assert next(each for each in found if each.path.name == OURS[0]).used.year == 2023
    kept.show()
    lines = capsys.readouterr().out.splitlines()
    assert "3.0 kB" in lines[0] and lines[-1] == f"{folder}: 6 entries, 3.0 kB"
    assert "used 2023-11-14" in "".join(lines) and "thesis" not in "".join(lines)


def test_one_is_removed_by_name_or_all_and_what_is_somebody_elses_stays(folder, capsys):
    kept.clear(OURS[1])
    assert not (folder / OURS[1]).exists() and len(kept.kept()) == 5
    with pytest.raises(BadInput, match=r"keeps nothing called MNITS; did you mean MNIST\?"):
        kept.clear("MNITS")
    with pytest.raises(BadInput, match="keeps nothing called thesis"):
        kept.clear("thesis.tex")
    kept.clear("")
    assert os.listdir(folder) == ["thesis.tex"]
    assert capsys.readouterr().out.splitlines()[-1] == f"{folder}: 5 removed, 3.0 kB"


def test_a_link_is_removed_and_what_it_points_to_is_not(folder, tmp_path):
    (tmp_path / "sets").mkdir()
    (tmp_path / "sets" / "file").write_text("x")
    (folder / "FashionMNIST").symlink_to(tmp_path / "sets")
    kept.clear("FashionMNIST")
    assert not (folder / "FashionMNIST").exists() and (tmp_path / "sets" / "file").exists()


def test_no_folder_is_no_error(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TRICKTABLE_CACHE", str(tmp_path / "nowhere"))
    kept.show()
    kept.clear("")
    assert capsys.readouterr().out.splitlines()[0].endswith("nowhere: nothing is kept")


def test_a_use_is_noted(folder):
    value = cache.remembered("pixels", "c" * 32, lambda: 1)
    path = folder / f"pixels-{'c' * 32}.json"
    os.utime(path, (1_700_000_000, 1_700_000_000))
    assert cache.remembered("pixels", "c" * 32, lambda: 2) == value and path.stat().st_mtime > 1_700_000_000
