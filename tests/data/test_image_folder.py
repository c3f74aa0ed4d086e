"""image_folder: one set from a tree, a tar and a zip; what is refused, and how it is said."""

import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.data import sets
from tests.data.sets import load, problem
from tricktable.runner.data import cache, decode, members, worker
from tricktable.runner.data.source import Arrays, Files, Origin
from tricktable.runner.data.sources import image_folder
from tricktable.runner.errors import BadInput

ROOT = Path(__file__).resolve().parents[2]


def same(one, other):
    return one.fingerprint == other.fingerprint and one.classes == other.classes


def test_images_and_labels_are_those_of_the_files(tree):
    source = load(tree)
    files = sets.images()
    names = sorted(name for name in files if name.startswith("train"))
    assert source.classes == sets.CLASSES and source.title == "tree"
    assert source.train_images.shape == (12, 3, 5, 6) and source.test_images.shape == (6, 3, 5, 6)
    assert np.array_equal(source.train_images.numpy(), np.stack([sets.pixels(files[name]) for name in names]))
    assert source.train_labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert source.test_labels.tolist() == [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize("form", ["set.tar", "set.tar.gz", "set.tar.xz", "set.zip"])
@pytest.mark.parametrize("above", ["", "some folder/", "./"])
def test_an_archive_in_any_order_gives_the_tree_s_bytes(tmp_path, tree, form, above):
    files = sets.images()
    backwards = {above + name: files[name] for name in reversed(files)} | {"README.txt": b"x", "train/._ant": b"x"}
    write = sets.write_zip if form.endswith("zip") else sets.write_tar
    source = load(write(tmp_path / form, backwards))
    assert same(source, load(tree)) and source.title == "set"


def test_a_tree_below_one_folder_and_other_names_of_the_test_split(tmp_path, tree):
    for i, name in enumerate(("val", "valid", "validation")):
        sets.write_tree(tmp_path / f"{i}" / "inner", sets.images(test=name))
        assert same(load(tmp_path / f"{i}"), load(tree))


def test_test_is_preferred_to_val_and_this_is_said(tmp_path, tree, capsys):
    sets.write_tree(tree, {f"val/{c}/x.png": sets.encode(np.zeros((5, 6, 3), np.uint8)) for c in sets.CLASSES})
    assert len(load(tree).test_labels) == 6
    assert "val is not used" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["imagenet", "cifar10", "ILSVRC2012"])
def test_a_folder_s_name_does_not_make_its_images_a_known_set(tmp_path, name):
    source = load(sets.write_tree(tmp_path / name, sets.images()))
    assert source.title == name and source.origin == Origin()


@pytest.mark.parametrize("stream", [False, True])
def test_imagenet_is_known_by_its_classes_and_its_numbers(tmp_path, stream, monkeypatch):
    monkeypatch.setattr(image_folder, "IMAGENET", (3, 12, 6))
    ids = ("n01440764", "n01443537", "n01484850")
    real = load(sets.write_tree(tmp_path / "any name", sets.images(ids, test="val")), stream=stream, size=4)
    assert real.origin == Origin("imagenet", complete=True)
    part = load(sets.write_tree(tmp_path / "part", sets.images(ids, per_class=2)), stream=stream, size=4)
    other = load(sets.write_tree(tmp_path / "other", sets.images()), stream=stream, size=4)
    assert part.origin == other.origin == Origin()


@pytest.mark.parametrize("stream", [False, True])
def test_imagenette_is_known_by_its_classes_and_its_numbers(tmp_path, stream, monkeypatch):
    monkeypatch.setattr(image_folder, "IMAGENETTE", (10, 10, 10))
    ids = image_folder.IMAGENETTE_IDS
    files = sets.images(ids, per_class=1) | {f"test/{c}/x.png": sets.encode(np.zeros((5, 6, 3), np.uint8)) for c in ids}
    real = load(sets.write_tree(tmp_path / "any name", files), stream=stream, size=4)
    assert real.origin == Origin("imagenette", complete=True) and real.classes == ids
    files = {name.replace("n03888257", "n03888258"): content for name, content in files.items()}
    other = load(sets.write_tree(tmp_path / "imagenette", files), stream=stream, size=4)
    assert other.origin == Origin()


@pytest.mark.parametrize("batch", [1, 5])
def test_processes_give_the_bytes_of_one_process(tmp_path, tree, batch, monkeypatch):
    alone = load(tree)
    monkeypatch.setattr(decode, "BATCH", batch)
    monkeypatch.setattr(decode, "cores", lambda: 2)
    started = []
    pool = decode._pool
    monkeypatch.setattr(decode, "_pool", lambda: started.append(pool()) or started[-1])
    assert same(load(sets.write_zip(tmp_path / "set.zip", sets.images())), alone)
    assert started[0] is not None


def test_where_no_process_can_start_it_is_decoded_here(tmp_path, tree, monkeypatch):
    monkeypatch.setattr(decode, "BATCH", 2)
    monkeypatch.setattr(decode, "_pool", lambda: None)
    assert load(tree).train_images.shape[0] == 12


def test_a_process_finds_a_corrupt_image_and_names_it(tmp_path, monkeypatch):
    monkeypatch.setattr(decode, "BATCH", 2)
    monkeypatch.setattr(decode, "cores", lambda: 2)
    files = sets.images() | {"train/bee/01.png": b"no image"}
    assert "train/bee/01.png" in problem(sets.write_tar(tmp_path / "set.tar", files))


def test_a_process_that_dies_is_a_data_problem(tree, monkeypatch):
    monkeypatch.setattr(decode, "BATCH", 2)
    monkeypatch.setattr(decode, "cores", lambda: 2)
    monkeypatch.setattr(worker, "decode", sets.die)
    assert "died" in problem(tree)


@pytest.mark.parametrize("stdin", [False, True])
def test_a_script_without_a_main_guard_decodes_alone(tree, stdin):
    program = f"""
from tricktable.runner import data
from tricktable.runner.data import decode
from tests.data.sets import config
decode.BATCH, decode.cores = 2, lambda: 2
print(data.load(config("image_folder", path={str(tree)!r})).fingerprint)
"""
    script = tree / "script.py"
    script.write_text(program)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TRICKTABLE_CACHE": str(tree / "cache")}
    command = [sys.executable, "-" if stdin else str(script)]
    options = {"capture_output": True, "text": True, "env": environment, "timeout": 60}
    done = subprocess.run(command, input=program, check=True, **options)
    assert done.stdout == load(tree).fingerprint + "\n"
    assert not (stdin and done.stderr)


def test_a_terminal_sees_a_bar_and_a_file_does_not(tree, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    for stderr, seen in ((Terminal(), True), (io.StringIO(), False)):
        monkeypatch.setattr(sys, "stderr", stderr)
        load(tree, size=3 if seen else 4)
        assert ("decoding" in stderr.getvalue()) is seen


def test_size_resizes_the_short_side_and_crops_the_centre(tmp_path):
    wide = np.zeros((10, 30, 3), np.uint8)
    wide[:, 8:22] = (255, 0, 100)  # the centre square, of one colour, and what the filter reads beside it
    files = {f"{split}/{c}/a.png": sets.encode(wide) for split in ("train", "test") for c in "xy"}
    files["train/x/b.png"] = sets.encode(np.full((8, 8, 3), 7, np.uint8))
    path = sets.write_zip(tmp_path / "set.zip", files)
    assert "set data.size" in problem(path)
    source = load(path, size=5)
    assert source.train_images.shape == (3, 3, 5, 5)
    assert torch.equal(
        source.train_images[0], torch.tensor([255, 0, 100], dtype=torch.uint8).view(3, 1, 1).expand(3, 5, 5)
    )
    assert (source.train_images[1] == 7).all()
    assert load(path, size=5, grayscale=True).train_images.shape == (3, 1, 5, 5)


@pytest.mark.parametrize("batch", [1, 512])
def test_different_sizes_are_said_with_the_two_names(tmp_path, batch, monkeypatch):
    monkeypatch.setattr(decode, "BATCH", batch)
    monkeypatch.setattr(decode, "_pool", lambda: None)
    odd = sets.encode(np.zeros((4, 4, 3), np.uint8))
    text = problem(sets.write_tree(tmp_path / "tree", sets.images() | {"train/bee/01.png": odd}))
    assert "train/ant/00.png" in text and "train/bee/01.png" in text and "set data.size" in text


@pytest.mark.parametrize("kind", ["PNG", "BMP", "PPM", "JPEG", "WEBP"])
def test_formats(tmp_path, kind):
    source = load(sets.write_tree(tmp_path / "tree", sets.images(kind=kind)))
    assert source.train_images.shape == (12, 3, 5, 6)


def test_what_is_missing_is_said(tmp_path, tree):
    assert "data.path" in problem(None, BadInput)
    assert "nothing there" in problem(tmp_path / "absent")
    assert "another file" in problem(tree / "train/ant/00.png")
    (tmp_path / "empty").mkdir()
    assert "no image in such a place" in problem(tmp_path / "empty")
    only = {name: content for name, content in sets.images().items() if name.startswith("train")}
    assert "images in train only" in problem(sets.write_tar(tmp_path / "set.tar", only))
    lacks = {name: content for name, content in sets.images().items() if not name.startswith("test/bee")}
    assert "found bee in train/ and not in test/" in problem(sets.write_zip(tmp_path / "lacks.zip", lacks))
    two = {f"{top}/{name}": content for top in "ab" for name, content in sets.images().items()}
    assert "found 2 (a, b)" in problem(sets.write_zip(tmp_path / "two.zip", two))
    assert "data.size" in problem(tree, BadInput, size=0)
    assert "data.size" in problem(tree, BadInput, size=2.5)


def test_an_unreadable_file_is_a_data_problem(tree, monkeypatch):
    path = tree / "train/ant/01.png"
    stat = path.stat()
    path.unlink()
    place = members.place("train/ant/01.png", tree)
    found = {**members.tree(tree), place: stat}
    monkeypatch.setattr(members, "tree", lambda root, unsplit=False: found)
    assert "01.png" in problem(tree)


def test_what_does_not_fit_in_memory_is_streamed_from_a_tree_only(tmp_path, tree, monkeypatch):
    from tricktable.runner.data.sources import image_folder

    monkeypatch.setattr(image_folder, "memory_limit", lambda: 18 * 3 * 5 * 6 - 1)
    archive = sets.write_tar(tmp_path / "set.tar", sets.images())
    assert "data.size" in problem(tree, BadInput)
    assert isinstance(load(tree, size=6), Files)
    assert isinstance(load(tree, size=4), Arrays)
    assert isinstance(load(tree, size=6, stream=False), Arrays)
    assert "extracted tree" in problem(archive, BadInput)
    assert isinstance(load(archive, stream=False), Arrays)
    assert "extracted tree" in problem(archive, BadInput)  # also where the cache has it
    assert "extracted tree" in problem(archive, BadInput, stream=True, size=4)
    monkeypatch.setattr(image_folder, "memory_limit", lambda: 18 * 3 * 5 * 6)
    assert isinstance(load(tree), Arrays) and isinstance(load(archive), Arrays)


def test_files_are_listed_sorted_and_fingerprinted(tree):
    source = load(tree, stream=True, size=4)
    names = sorted(sets.images())
    assert [*source.test_names, *source.train_names] == names
    assert source.train_labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert load(tree, stream=True, size=4).fingerprint == source.fingerprint
    below = sets.write_tree(tree.parent / "other" / "inner", sets.images())
    assert load(below.parent, stream=True, size=4).fingerprint == source.fingerprint
    path = tree / "train/cow/03.png"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert load(tree, stream=True, size=4).fingerprint != source.fingerprint


@pytest.mark.parametrize("size", [None, 4])
def test_one_image_is_its_square(size):
    pixels = np.random.default_rng(0).integers(0, 256, (7, 7, 3), np.uint8)
    batch = worker.decode(["a"], [sets.encode(pixels)], 7 if size is None else size, 3)
    assert batch.images.shape == ((1, 3, 7, 7) if size is None else (1, 3, 4, 4))
    if size is None:
        assert np.array_equal(batch.images[0], pixels.transpose(2, 0, 1))


@pytest.mark.parametrize("form", ["tree", "set.tar", "set.zip"])
def test_the_test_images_have_the_names_of_their_files(tmp_path, form):
    files = sets.images()
    write = {"tree": sets.write_tree, "set.tar": sets.write_tar, "set.zip": sets.write_zip}[form]
    path = write(tmp_path / form, files)
    expected = tuple(sorted(name for name in files if name.startswith("test/")))
    first, again = load(path), load(path)  # decoded, and from the cache
    assert first.test_names == again.test_names == expected
    if form == "tree":
        assert load(path, size=4, stream=True).test_names == expected
    some = load(path, test_subset=1)
    rows = [expected.index(name) for name in some.test_names]
    assert len(rows) == 3 and torch.equal(some.test_images, first.test_images[rows])


def test_a_cache_of_an_earlier_version_has_no_names_and_is_made_anew(tree, monkeypatch, capsys):
    facts = cache.FACTS
    monkeypatch.setattr(cache, "FACTS", facts[:-1])
    load(tree)
    monkeypatch.setattr(cache, "FACTS", facts)
    assert len(load(tree).test_names) == 6 and "damaged" not in capsys.readouterr().err
