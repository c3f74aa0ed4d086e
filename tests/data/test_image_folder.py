"""image_folder: one set from a tree, a tar and a zip; what is refused, and how it is said."""

import io
import os
import struct
import tarfile
import zipfile
import zlib

import numpy as np
import pytest
import torch

from runner import data
from runner.data import decode, members, worker
from runner.data.source import Arrays, Files
from runner.errors import BadInput, DataProblem
from tests.data import sets
from tests.data.sets import config


def load(path, **keys):
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


def test_size_resizes_the_short_side_and_crops_the_centre(tmp_path):
    wide = np.zeros((10, 30, 3), np.uint8)
    wide[:, 10:20] = (255, 0, 100)  # the centre square, of one colour
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
    os.unlink(tree / "train/ant/00.png")
    (tree / "train/ant/00.png").symlink_to(tree / "absent")
    assert load(tree).train_labels.tolist().count(0) == 3  # a dead link is no file
    path = tree / "train/ant/01.png"
    stat = path.stat()
    path.unlink()
    place = members.place("train/ant/01.png", tree)
    found = {**members.tree(tree), place: stat}
    monkeypatch.setattr(members, "tree", lambda root: found)
    assert "01.png" in problem(tree)


def link(name, kind):
    member = tarfile.TarInfo(name)
    member.type = kind
    member.linkname = "/etc/passwd"
    return member


@pytest.mark.parametrize(
    "name", ["../x.png", "train/../../x.png", "/train/ant/x.png", "train/ant/..\\x.png", "c:/x.png"]
)
@pytest.mark.parametrize("form", ["set.tar", "set.zip"])
def test_names_that_lead_out_are_refused(tmp_path, name, form):
    write = sets.write_zip if form.endswith("zip") else sets.write_tar
    assert "expected names inside it" in problem(write(tmp_path / form, sets.images() | {name: b"x"}))
    assert sorted(p.name for p in tmp_path.iterdir() if p.name != "cache") == [form]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_in_the_place_of_images_are_refused(tmp_path, tree, kind):
    path = sets.write_tar(tmp_path / "set.tar", sets.images(), link("train/ant/evil.png", kind))
    assert "train/ant/evil.png" in problem(path)
    other = sets.write_tar(tmp_path / "other.tar", sets.images(), link("somewhere", kind))
    assert same(load(other), load(tree))  # nothing follows it


def test_a_link_in_a_zip_is_refused(tmp_path):
    path = sets.write_zip(tmp_path / "set.zip", sets.images())
    with zipfile.ZipFile(path, "a") as archive:
        member = zipfile.ZipInfo("train/ant/evil.png")
        member.external_attr = 0o120777 << 16
        archive.writestr(member, "/etc/passwd")
    assert "link or device" in problem(path)


def test_a_name_twice_and_a_name_that_does_not_print_are_refused(tmp_path):
    path = sets.write_tar(tmp_path / "set.tar", sets.images())
    with tarfile.open(path, "a") as tar:
        tar.add(__file__, "train/ant/00.png")
    assert problem(path)
    content = sets.images()["train/ant/00.png"]
    with tarfile.open(sets.write_tar(path, sets.images()), "a") as tar:
        member = tarfile.TarInfo("train/ant/00.png")
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
    assert "train/ant/00.png twice" in problem(path)
    bad = sets.write_tar(tmp_path / "bad.tar", sets.images() | {"train/ant/\x1b[2J\n.png": b""})
    assert "rename" in problem(bad)


@pytest.mark.parametrize("form", ["set.tar", "set.zip", "tree"])
def test_members_that_are_too_large_are_refused_before_they_are_read(tmp_path, form, monkeypatch):
    monkeypatch.setattr(members, "MAX_BYTES", 1000)
    files = sets.images() | {"train/ant/large.png": b"\0" * 1001}
    write = {"set.tar": sets.write_tar, "set.zip": sets.write_zip, "tree": sets.write_tree}[form]
    assert "train/ant/large.png" in problem(write(tmp_path / form, files))


def bomb(width, height):
    """A PNG of a few bytes that declares this size."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (bomb(60_000, 60_000), "train/ant/00.png"),
        (bomb(9_000, 9_000), "pixels"),
        (bomb(1_000_000, 1), "sides"),
        (bomb(6, 5), "whole image"),
        (b"", "no image of a known format"),
        (b"GIF89a" + b"\0" * 50, "no image of a known format"),
        (sets.encode(np.zeros((5, 6), np.uint16)), "8 bits"),
        (sets.encode(np.random.default_rng(0).integers(0, 256, (60, 60, 3), np.uint8))[:2000], "whole image"),
        (sets.encode(np.random.default_rng(0).integers(0, 256, (60, 60, 3), np.uint8), "JPEG")[:900], "whole image"),
    ],
)
def test_bombs_and_corrupt_images_are_named(tmp_path, content, words):
    text = problem(sets.write_zip(tmp_path / "set.zip", sets.images() | {"train/ant/00.png": content}), size=8)
    assert "train/ant/00.png" in text and words in text


@pytest.mark.parametrize("form", ["set.tar", "set.tar.gz", "set.tar.xz", "set.zip"])
def test_an_archive_that_is_cut_off_anywhere_is_never_a_smaller_set(tmp_path, form):
    write = sets.write_zip if form.endswith("zip") else sets.write_tar
    whole = write(tmp_path / form, sets.images()).read_bytes()
    end = len(whole) if form != "set.tar" else whole.rindex(b"IEND") // 512 * 512 + 512
    for cut in sorted({0, 1, 511, 512, end // 3, end // 2, end // 1024 * 512, end - 513, end - 8, end - 1}):
        (tmp_path / form).write_bytes(whole[:cut])
        assert "fetch it again" in problem(tmp_path / form), cut


def test_a_damaged_header_is_not_the_end(tmp_path):
    path = sets.write_tar(tmp_path / "set.tar", sets.images())
    content = bytearray(path.read_bytes())
    at = content.index(b"train/cow/00.png")
    content[at] ^= 1
    path.write_bytes(content)
    assert "damaged header" in problem(path)


def test_a_huge_extended_header_is_not_read(tmp_path):
    member = tarfile.TarInfo("././@LongLink")
    member.type = tarfile.GNUTYPE_LONGNAME
    member.size = 2**40
    path = sets.write_tar(tmp_path / "set.tar", sets.images())
    path.write_bytes(member.tobuf(tarfile.GNU_FORMAT) + path.read_bytes())
    assert "a header of" in problem(path)


def test_what_does_not_fit_in_memory_is_streamed_from_a_tree_only(tmp_path, tree, monkeypatch):
    from runner.data.sources import image_folder

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
