"""The cache of decoded images: a hit decodes nothing, damage is noticed, and nothing rests on it."""

import multiprocessing
import os
import time

import pytest

from tests.data import sets
from tests.data.sets import config
from tricktable.runner import data
from tricktable.runner.data import cache, decode, pictures


def load(path, **keys):
    return data.load(config("image_folder", path=path, **keys))


@pytest.fixture
def no_decoding(monkeypatch):
    def refuse(*_):
        raise AssertionError("decoded again")

    return lambda: monkeypatch.setattr(decode, "decode", refuse)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"TRICKTABLE_CACHE": "/a", "XDG_CACHE_HOME": "/b", "HOME": "/c"}, "/a"),
        ({"XDG_CACHE_HOME": "/b", "HOME": "/c"}, "/b/tricktable"),
        ({"XDG_CACHE_HOME": "relative", "HOME": "/c"}, "/c/.cache/tricktable"),
        ({"HOME": "/c"}, "/c/.cache/tricktable"),
    ],
)
def test_the_folder_is_named_by_the_environment(variables, expected, monkeypatch):
    for name in ("TRICKTABLE_CACHE", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert str(cache.cache_folder()) == expected


@pytest.mark.parametrize("form", ["tree", "set.tar.xz"])
def test_a_hit_does_not_decode(tmp_path, form, cache, no_decoding):
    write = sets.write_tree if form == "tree" else sets.write_tar
    path = write(tmp_path / form, sets.images())
    first = load(path)
    assert len(list(cache.iterdir())) == 1
    no_decoding()
    assert load(path).fingerprint == first.fingerprint
    assert load(path).classes == first.classes
    with pytest.raises(AssertionError, match="decoded again"):
        load(path, size=3)
    with pytest.raises(AssertionError, match="decoded again"):
        load(path, grayscale=True)


def test_a_tree_that_changed_is_decoded_anew(tree):
    first = load(tree)
    path = tree / "train/ant/00.png"
    stat, other = path.stat(), sets.images(seed=1)["train/ant/00.png"]
    path.write_bytes(other)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # as unpacking another archive may leave it
    assert load(tree).fingerprint != first.fingerprint


@pytest.mark.parametrize("place", ["pixel", "fact", "header", "cut", "empty"])
def test_a_damaged_file_is_decoded_anew_and_said(tree, cache, place, capsys):
    first = load(tree)
    (path,) = cache.iterdir()
    content = bytearray(path.read_bytes())
    if place == "pixel":
        content[-1] ^= 1
    elif place == "fact":
        at = content.index(b"bee")
        content[at : at + 3] = b"fly"
    elif place == "header":
        content[3] ^= 255
    else:
        content = content[: 100 if place == "cut" else 0]
    path.write_bytes(content)
    again = load(tree)
    assert again.fingerprint == first.fingerprint and again.classes == first.classes
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and str(path) in said and "damaged" in said
    load(tree)
    assert not capsys.readouterr().err


def test_a_folder_that_cannot_be_written_only_costs_time(tree, tmp_path, monkeypatch, capsys):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("TRICKTABLE_CACHE", str(tmp_path / "file" / "below"))
    assert load(tree).train_images.shape[0] == 12
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "TRICKTABLE_CACHE" in said


def test_a_write_that_fails_leaves_nothing(tree, cache, monkeypatch, capsys):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert load(tree).train_images.shape[0] == 12
    assert "No space left" in capsys.readouterr().err
    assert not list(cache.iterdir())


def decode_once(path, ready, results):
    ready.wait()
    results.put(data.load(config("image_folder", path=path)).fingerprint)


def test_two_processes_may_decode_at_once(tree, cache):
    context = multiprocessing.get_context("fork")
    ready, results = context.Barrier(2), context.Queue()
    both = [context.Process(target=decode_once, args=(tree, ready, results)) for _ in range(2)]
    for each in both:
        each.start()
    found = {results.get(timeout=900) for _ in both}
    for each in both:
        each.join(60)
        assert each.exitcode == 0
    assert found == {load(tree).fingerprint}
    assert [p.suffix for p in cache.iterdir()] == [".safetensors"]


def test_small_values_are_remembered_and_checked(cache, capsys):
    from tricktable.runner.data.cache import remembered

    made = []

    def make():
        made.append(time.monotonic())
        return [1, 2, 3]

    assert remembered("kind", "key", make) == remembered("kind", "key", make) == [1, 2, 3]
    assert len(made) == 1
    path = cache / "kind-key.json"
    for content in (path.read_text().replace("2", "5", 1), "[]", "{"):
        path.write_text(content)
        assert remembered("kind", "key", make) == [1, 2, 3]
        assert "damaged" in capsys.readouterr().err
    assert len(made) == 4


def test_state_is_of_names_sizes_and_times(tree):
    from tricktable.runner.data import members

    found = members.tree(tree)
    assert pictures.state(found) == pictures.state(dict(reversed(found.items())))
    assert pictures.state(found) != pictures.state(dict(list(found.items())[1:]))
