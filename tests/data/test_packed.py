"""A packed set: the images of the folder, drawn from a mapped file; what is refused; what is left when packing fails."""

import errno
import json
import os
import struct
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.data import sets
from tests.data.sets import config
from tricktable.runner import data, machine
from tricktable.runner.data import packed
from tricktable.runner.data import split as splitting
from tricktable.runner.data.draw import Resident
from tricktable.runner.data.mapped import Mapped
from tricktable.runner.data.pack import pack
from tricktable.runner.data.source import Arrays, Origin
from tricktable.runner.data.sources import image_folder
from tricktable.runner.data.split import only_test, split
from tricktable.runner.errors import BadInput, DataProblem, StorageProblem
from tricktable.runner.randomness import generator

BATCHES = [(0, 5), (5, 6), (6, 12)]


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    """Decoded in the test's own process."""
    monkeypatch.setattr(machine, "cores", lambda: 1)


@pytest.fixture
def large(tmp_path):
    """12 + 6 files of 40x30 pixels."""
    return sets.write_tree(tmp_path / "large", sets.images(size=(40, 30), kind="JPEG"))


@pytest.fixture
def file(large):
    return pack(str(large), None, 16)[0]


def load(path, **keys):
    return data.load(config("packed", path=path, **keys))


def problem(path, kind=DataProblem):
    with pytest.raises(kind) as error:
        load(path)
    text = str(error.value)
    assert "\n" not in text and text.isprintable()
    if path is not None:
        assert text.startswith(f"{path}: ")
    return text


def drawn(part, *arguments):
    return [(images.clone(), labels.clone()) for images, labels in part.draw(*arguments)]


def same(one, other):
    return len(one) == len(other) and all(
        torch.equal(a, b) for x, y in zip(one, other, strict=True) for a, b in zip(x, y, strict=True)
    )


@pytest.mark.parametrize("keys", [{}, {"resize": 18}, {"grayscale": True}])
def test_it_is_the_folder_decoded_in_memory(large, keys):
    path, said = pack(str(large), None, 16, **keys)
    shape = "1x16x16" if keys.get("grayscale") else "3x16x16"
    assert path == large.with_name("large-16.safetensors") and f"12 training and 6 test images of {shape}" in said
    found, expected = load(path), sets.load(large, size=16, stream=False, **keys)
    assert isinstance(found, Arrays) and found.mapped and not expected.mapped
    for name in packed.ARRAYS:
        assert torch.equal(getattr(found, name), getattr(expected, name))
    for name in ("fingerprint", "classes", "test_names", "title", "origin"):
        assert getattr(found, name) == getattr(expected, name)
    assert packed.read(path).names[0] == tuple(n for n in sorted(sets.images(kind="JPEG")) if n.startswith("train"))


def test_the_folder_that_one_is_in_is_packed_beside_it(large, file, monkeypatch):
    file.unlink()
    monkeypatch.chdir(large)
    for folder in (".", "train/.."):
        path, _ = pack(folder, None, 16)
        assert path == file and file.is_file()
        file.unlink()


def test_processes_pack_the_same_bytes(large, file, monkeypatch):
    monkeypatch.setattr(machine, "cores", lambda: 2)
    other, _ = pack(str(large), large.with_name("other.safetensors"), 16)
    assert other.read_bytes() == file.read_bytes()


def test_other_programs_can_read_it(file):
    arrays = load_file(file)
    assert set(arrays) == {*packed.ARRAYS, *packed.NAMES}
    assert bytes(arrays["test_names"].tolist()).decode().split("\n")[0] == "test/ant/00.jpg"


def test_a_split_that_was_drawn_is_the_folder_s(tmp_path):
    files = {name.removeprefix("train/"): each for name, each in sets.images(per_class=8).items()}
    pets = sets.write_tree(tmp_path / "pets", {k: v for k, v in files.items() if not k.startswith("test/")})
    path, _ = pack(str(pets), None, 4, test_share=0.25, split_seed=3)
    found, expected = load(path), sets.load(pets, size=4, stream=False, test_share=0.25, split_seed=3)
    assert found.fingerprint == expected.fingerprint and found.title == expected.title
    assert found.test_names == expected.test_names and found.origin == Origin()


def test_a_known_set_is_known_by_its_classes_and_numbers_unless_its_split_was_drawn(tmp_path, monkeypatch):
    monkeypatch.setattr(image_folder, "IMAGENET", (3, 12, 6))
    ids = ("n01440764", "n01443537", "n01484850")
    whole = sets.write_tree(tmp_path / "whole", sets.images(ids, test="val"))
    assert load(pack(str(whole), None, 4)[0]).origin == Origin("imagenet", complete=True)
    drawn = {name.partition("/")[2]: each for name, each in sets.images(ids, per_class=6, seed=1).items()}
    loose = sets.write_tree(tmp_path / "loose", drawn)
    assert load(pack(str(loose), None, 4, test_share=1 / 3)[0]).origin == Origin()


def test_images_are_mapped_and_not_read(file):
    found = load(file)
    maps = [line.split() for line in Path("/proc/self/maps").read_text().splitlines() if line.endswith(str(file))]
    ranges = [[int(end, 16) for end in line[0].split("-")] for line in maps]
    for images in (found.train_images, found.test_images, split(found, config("packed")).train.images):
        assert any(start <= images.data_ptr() < stop for start, stop in ranges)


@pytest.mark.parametrize("with_order", [True, False])
def test_a_batch_is_naive_indexing_from_any_start(with_order):
    images = torch.randint(0, 256, (20, 3, 4, 5), generator=generator(0)).to(torch.uint8)
    rows = torch.randperm(20, generator=generator(1))[:12]
    part = Mapped.whole(images, torch.arange(20) % 7).take(rows)
    order = torch.randperm(12, generator=generator(2)) if with_order else None
    naive = Resident(images[rows], rows % 7)
    expected = drawn(naive, BATCHES, order)
    assert same(drawn(part, BATCHES, order), expected) and same(drawn(part, BATCHES[1:], order), expected[1:])
    assert same(drawn(part.to("cpu"), iter(BATCHES), order), expected) and not list(part.draw([]))
    twice = torch.tensor([3, 0, 3, 3])
    assert same(drawn(part, [(0, 4)], twice), drawn(naive, [(0, 4)], twice))
    assert (part.n, part.shape, part.streamed) == (12, (3, 4, 5), False)


@pytest.mark.gpu
def test_a_batch_does_not_wait_for_the_device(file):
    part = split(load(file), config("packed")).train
    order = torch.randperm(12)
    on_device = part.to("cuda")
    torch.cuda.set_sync_debug_mode("error")
    try:
        found = list(on_device.draw(BATCHES, order))
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert same([(x.cpu(), y.cpu()) for x, y in found], drawn(part, BATCHES, order))


def test_it_is_carved_and_normalised_as_arrays_are(large, file):
    keys = {"validation": 4.0, "subset": 2, "test_subset": 1}
    settings = config("packed", path=file, **keys)
    parts = split(data.load(settings), settings)
    folder = config("image_folder", path=large, stream=False, size=16, **keys)
    arrays = split(data.load(folder), folder)
    for name in ("train", "validation", "test"):
        mine, theirs = getattr(parts, name), getattr(arrays, name)
        assert isinstance(mine, Mapped) and same(drawn(mine, [(0, mine.n)]), drawn(theirs, [(0, theirs.n)]))
    assert torch.equal(parts.mean, arrays.mean) and torch.equal(parts.std, arrays.std)
    assert (parts.title, parts.fingerprint) == (arrays.title, arrays.fingerprint)
    assert parts.test.names == arrays.test.names and len(parts.test.names) == 3
    assert same(drawn(only_test(data.load(settings), settings), [(0, 3)]), drawn(arrays.test, [(0, 3)]))


def test_mean_and_digest_take_one_pass_each_and_are_remembered(file, cache, monkeypatch):
    settings = config("packed", path=file)
    first = split(data.load(settings), settings)
    assert sorted(path.name.split("-")[0] for path in cache.iterdir()) == ["files", "packed", "pixels"]
    monkeypatch.setattr(splitting, "histogram", lambda _: pytest.fail("counted again"))
    monkeypatch.setattr(packed, "fingerprint", lambda *_: pytest.fail("read again"))
    assert torch.equal(split(data.load(settings), settings).mean, first.mean)


def test_a_bit_that_flipped_is_found_even_after_it_was_used(file):
    load(file)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    assert "not those that were packed" in problem(file)


def rewritten(path, change):
    """The file with its arrays and metadata changed, and sealed anew as a hostile program would."""
    arrays, metadata = load_file(path), json.loads(path.read_bytes()[8:].partition(b"}}")[0] + b"}}")["__metadata__"]
    facts = json.loads(metadata["facts"])
    change(arrays, facts, metadata)
    metadata["facts"] = json.dumps(facts)
    names = tuple(arrays[name].numpy().tobytes() for name in packed.NAMES if name in arrays)
    metadata["seal"] = packed.seal(metadata["facts"], names, metadata["fingerprint"])
    save_file({name: each.contiguous() for name, each in arrays.items()}, path, metadata)


def named(text):
    return torch.frombuffer(bytearray(text.encode()), dtype=torch.uint8).clone()


HOSTILE = {
    "labels beyond": lambda a, f, m: a["train_labels"].fill_(3),
    "labels beyond the 3": lambda a, f, m: a["test_labels"].fill_(-1),
    "11 labels": lambda a, f, m: a.update(train_labels=a["train_labels"][:11]),
    "5 images": lambda a, f, m: a.update(test_images=a["test_images"][:5]),
    "0 images": lambda a, f, m: a.update({k: a[k][:0] for k in ("test_images", "test_labels", "test_names")}),
    "and of (3, 16, 8)": lambda a, f, m: a.update(test_images=a["test_images"][..., :8]),
    "torch.int8": lambda a, f, m: a.update(test_images=a["test_images"].to(torch.int8)),
    "with labels of torch.float32": lambda a, f, m: a.update(test_labels=a["test_labels"].float()),
    "names of torch.int64": lambda a, f, m: a.update(test_names=a["test_names"].long()),
    "and 1 names": lambda a, f, m: a.update(test_names=named("one")),
    "names that cannot be printed": lambda a, f, m: a.update(test_names=named("\x1b[2J\n" * 5)),
    "names of classes that cannot be printed": lambda a, f, m: f.update(classes=["a", "b", "\x1b[2J"]),
    "other facts": lambda a, f, m: f.update(classes="abc"),
    "another file": lambda a, f, m: m.pop("form"),
    "the form 'tricktable packed 9'": lambda a, f, m: m.update(form="tricktable packed 9"),
    "the arrays": lambda a, f, m: a.pop("test_labels"),
    "facts": lambda a, f, m: f.update(more=1),
}


@pytest.mark.parametrize("words", HOSTILE)
def test_what_does_not_fit_together_is_refused_in_a_line(file, words):
    rewritten(file, HOSTILE[words])
    assert words in problem(file)


def test_a_set_that_was_written_anew_as_it_was_is_taken(file):
    expected = load(file).fingerprint
    rewritten(file, lambda arrays, facts, metadata: None)
    assert load(file).fingerprint == expected


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x80\x04\x95",
        struct.pack("<Q", 2**62) + b"{}",
        struct.pack("<Q", 200_000) + b"[" * 200_000,
        lambda whole: whole[:-1],
        lambda whole: whole + b"\0",
        lambda whole: whole[:100],
    ],
)
def test_what_is_cut_off_or_no_such_file_is_refused_in_a_line(file, content):
    file.write_bytes(content(file.read_bytes()) if callable(content) else content)
    assert "expected a set that `tricktable pack` made" in problem(file)


def test_names_and_facts_are_sealed(file):
    content = file.read_bytes()
    for old, new in ((b"test/cow/00", b"test/cow/09"), (b"bee", b"bea")):
        file.write_bytes(content.replace(old, new))
        assert "other facts or names than were written" in problem(file)


def test_what_is_missing_is_said(tmp_path):
    assert "data.path" in problem(None, BadInput)
    assert "no file there" in problem(tmp_path) and "no file there" in problem(tmp_path / "absent")


def refused(kind, *arguments, **keys):
    with pytest.raises(kind) as error:
        pack(*arguments, **keys)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_packing_is_refused_before_an_image_is_decoded(large, file, tmp_path, monkeypatch):
    before = file.read_bytes()
    assert "is there already" in refused(BadInput, str(large), None, 16) and file.read_bytes() == before
    assert "ends with .safetensors" in refused(BadInput, str(large), tmp_path / "x.npy", 16)
    assert "a folder that is there" in refused(BadInput, str(large), tmp_path / "no" / "x.safetensors", 16)
    assert "outside" in refused(BadInput, str(large), large / "train" / "x.safetensors", 16)
    assert "extract the archive" in refused(BadInput, str(sets.write_tar(tmp_path / "s.tar", {})), None, 16)
    assert "data.size" in refused(BadInput, str(large), None, 0)
    assert "expected" in refused(DataProblem, str(tmp_path / "absent"), None, 16)
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=10**6))
    assert "and the disk has 1.0 MB free" in refused(StorageProblem, str(large), None, 8)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["cache", "large", "large-16.safetensors", "s.tar"]


def test_broken_images_are_named_together_and_nothing_is_left(large):
    for name in ("train/ant/01.jpg", "train/cow/02.jpg"):
        (large / name).write_bytes(b"no image")
    text = refused(DataProblem, str(large), None, 16)
    assert "ant/01.jpg" in text and "cow/02.jpg" in text
    assert not list(large.parent.glob("*.safetensors")) and not list(large.parent.glob(".*"))


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), KeyboardInterrupt()])
def test_what_ends_the_writing_leaves_nothing(large, monkeypatch, error):
    def fails(_):
        raise error

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises((StorageProblem, KeyboardInterrupt)) as raised:
        pack(str(large), None, 16)
    if isinstance(error, OSError):
        assert str(raised.value).endswith("large-16.safetensors: it cannot be written (No space left on device)")
    assert [each.name for each in large.parent.iterdir() if each.name != "cache"] == ["large"]
