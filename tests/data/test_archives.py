"""Archives and images from anywhere: what is hostile, damaged or cut off is refused by name, before it is read."""

import io
import lzma
import os
import struct
import tarfile
import zipfile
import zlib

import numpy as np
import pytest
from PIL import Image

from tests.data import sets
from tests.data.sets import load, problem
from tricktable.runner import data
from tricktable.runner.data import decode, members, unpack, worker
from tricktable.runner.errors import DataProblem


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
    assert load(other).fingerprint == load(tree).fingerprint  # nothing follows it


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
        (bomb(60, 50), "whole image"),
        (b"", "no image of a known format"),
        (b"GIF89a" + b"\0" * 50, "no image of a known format"),
        (sets.encode(np.random.default_rng(0).integers(0, 256, (60, 60, 3), np.uint8))[:2000], "whole image"),
        (sets.encode(np.random.default_rng(0).integers(0, 256, (60, 60, 3), np.uint8), "JPEG")[:900], "whole image"),
    ],
    ids=["bomb", "large", "sliver", "short", "empty", "gif", "cut png", "cut jpeg"],
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
    assert "a header that asks for" in problem(path)


def test_an_extended_header_of_digits_takes_no_time(tmp_path):
    """CVE-2024-6232: tarfile of Python 3.11.9 takes minutes for what has no end of a number in 256 KB."""
    member = tarfile.TarInfo("./PaxHeaders/0")
    member.type, content = tarfile.XHDTYPE, b"1" * 2**18
    member.size = len(content)
    path = sets.write_tar(tmp_path / "set.tar", sets.images())
    path.write_bytes(member.tobuf(tarfile.USTAR_FORMAT) + content + path.read_bytes())
    assert "a number of more than 64 digits" in problem(path)


def test_pax_names_are_read(tmp_path, tree):
    images = {name.replace("ant", "ant" * 60): content for name, content in sets.images().items()}
    with tarfile.open(tmp_path / "set.tar", "w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in images.items():
            member = tarfile.TarInfo(name)
            member.size, member.pax_headers = len(content), {"comment": "1" * 64}
            tar.addfile(member, io.BytesIO(content))
    assert load(tmp_path / "set.tar").fingerprint == load(tree).fingerprint


@pytest.mark.parametrize("form", ["set.tar.xz", "set.tar.gz", "set.zip"])
def test_what_unpacks_without_end_is_refused(tmp_path, form, monkeypatch):
    monkeypatch.setattr(unpack, "FREE", 2**20)
    write = sets.write_zip if form.endswith("zip") else sets.write_tar
    path = write(tmp_path / form, sets.images() | {"other/zeros": b"\0" * 2**24})
    assert "more than 200 times its own size" in problem(path)


def test_an_xz_file_may_not_choose_its_decoders_memory(tmp_path, tree):
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 1, "dict_size": 2**16}]
    plain = sets.write_tar(tmp_path / "set.tar", sets.images()).read_bytes()
    whole = lzma.compress(plain, filters=filters)
    path = tmp_path / "set.tar.xz"
    path.write_bytes(whole)
    assert load(path).fingerprint == load(tree).fingerprint
    at = whole.index(
        b"\x21\x01", 12
    )  # LZMA2 and the length of its properties, then the dictionary's size: 40 is 4 GiB - 1
    header = bytearray(whole[12 : 12 + 4 * (whole[12] + 1)])
    header[at + 2 - 12] = 40
    header[-4:] = struct.pack("<I", zlib.crc32(header[:-4]))
    path.write_bytes(whole[:12] + header + whole[12 + len(header) :])
    assert "Memory usage limit" in problem(path)


def test_an_xz_file_of_several_padded_streams_is_whole(tmp_path, tree):
    plain = sets.write_tar(tmp_path / "set.tar", sets.images()).read_bytes()
    path = tmp_path / "set.tar.xz"
    path.write_bytes(lzma.compress(plain[:700]) + b"\0" * 8 + lzma.compress(plain[700:]) + b"\0" * 4)
    assert load(path).fingerprint == load(tree).fingerprint
    path.write_bytes(lzma.compress(plain)[:-12])
    assert "fetch it again" in problem(path)


def sparse(side):
    """A PNG of one bit a pixel, all of them black."""
    file = io.BytesIO()
    Image.new("1", (side, side)).save(file, "PNG")
    return file.getvalue()


def test_images_that_are_next_to_nothing_but_pixels_are_refused(tmp_path):
    path = sets.write_zip(tmp_path / "set.zip", sets.images() | {"train/ant/00.png": sparse(8192)})
    assert "pixels to a byte" in problem(path, size=8)


def test_a_batch_is_closed_by_what_its_images_decode_to(tmp_path, monkeypatch):
    """Many large images would be decoded at once before the limit on all of them is looked at."""
    monkeypatch.setattr(decode, "BATCH_DECODED", 3 * 300 * 300 * 2)
    images = [members.Item(members.Member("", "train", "ant", f"{i}.png"), sparse(300), 0.0) for i in range(5)]
    numbers = []
    monkeypatch.setattr(decode, "_pool", lambda: None)
    make = worker.decode
    monkeypatch.setattr(
        worker, "decode", lambda names, *rest, **more: numbers.append(len(names)) or make(names, *rest, **more)
    )
    decode.decode(images, None, 3, tmp_path)
    assert numbers == [2, 2, 1]
    numbers.clear()
    with pytest.raises(decode.TooLarge):
        decode.decode(images, None, 3, tmp_path, limit=3 * 300 * 300)
    assert numbers == [2]


@pytest.mark.parametrize("name", ["set.tar", "set.zip", "set"])
def test_a_pipe_is_no_set(tmp_path, name):
    os.mkfifo(tmp_path / name)
    assert "found another file" in problem(tmp_path / name)


def test_an_official_file_that_is_a_pipe_is_refused(tmp_path):
    (tmp_path / "cifar-10-batches-py").mkdir()
    os.mkfifo(tmp_path / "cifar-10-batches-py" / "data_batch_1")
    with pytest.raises(DataProblem, match="a pipe or a device"):
        data.load(sets.config("cifar10", path=tmp_path, download=False))


@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_what_is_no_file_does_not_shrink_a_folder(tree, kind):
    odd = tree / "train" / "ant" / "99.png"
    odd.symlink_to("nowhere") if kind == "link" else os.mkfifo(odd)
    assert "train/ant/99.png" in problem(tree) and "a link to nothing" in problem(tree)
