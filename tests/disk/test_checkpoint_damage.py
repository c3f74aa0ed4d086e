"""A checkpoint that was damaged, or made to do harm, is refused in one line, and the one before it is used."""

import errno
import os
import pickle
import random
import shutil

import pytest
import torch

from tricktable.runner.disk import atomic, checkpoint
from tricktable.runner.errors import CheckpointProblem, StorageProblem


def tensors(step=0):
    generator = torch.Generator().manual_seed(step)
    return {"weight": torch.randn(4, 3, 3, 3, generator=generator), "steps": torch.tensor(step)}


def save(folder, step, keep=2):
    return checkpoint.save(folder, step, tensors(step), {"step": step, "loss": step / 3}, keep)


def is_good(found, step):
    wanted = tensors(step)
    assert found.step == step and found.state == {"step": step, "loss": step / 3}
    return found.tensors.keys() == wanted.keys() and all(
        torch.equal(found.tensors[name], wanted[name]) for name in wanted
    )


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    folder = tmp_path_factory.mktemp("good")
    save(folder, 1)
    save(folder, 2)
    return folder


def damaged(good, tmp_path, change, file="tensors.safetensors"):
    """A copy of two checkpoints, with a file of the newer one changed."""
    folder = tmp_path / "c"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(good, folder, symlinks=True)
    path = folder / "step_00000002" / file
    path.write_bytes(change(path.read_bytes()))
    return folder


FILES = (checkpoint.TENSORS, checkpoint.STATE, checkpoint.MANIFEST)


def test_every_flipped_bit_is_found(good, tmp_path):
    rng = random.Random(0)
    sizes = [(good / "step_00000002" / file).stat().st_size for file in FILES]
    for _ in range(200):
        (file,) = rng.choices(FILES, sizes)

        def flip(data):
            changed = bytearray(data)
            changed[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
            return bytes(changed)

        assert is_good(checkpoint.newest(damaged(good, tmp_path, flip, file)), 1)


def test_every_byte_of_the_manifest_counts(good, tmp_path):
    path = damaged(good, tmp_path, bytes) / "step_00000002"
    data = (path / checkpoint.MANIFEST).read_bytes()
    for bit in range(0, 8 * len(data), 7):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        (path / checkpoint.MANIFEST).write_bytes(bytes(changed))
        with pytest.raises(checkpoint._BadError):
            checkpoint._load(path, 2, 1 << 30)


def test_every_truncation_and_every_blank_block_is_found(good, tmp_path):
    rng = random.Random(1)
    for file in FILES:
        for trial in range(12):
            at = rng.random()

            def cut(data, at=at, trial=trial):
                start = int(at * len(data))
                if trial % 2:
                    return data[:start]
                blank = data[:start] + bytes(min(4096, len(data) - start)) + data[start + 4096 :]
                return blank if blank != data else b""

            assert is_good(checkpoint.newest(damaged(good, tmp_path, cut, file)), 1)
        assert is_good(checkpoint.newest(damaged(good, tmp_path, lambda data: data + b"\0", file)), 1)


def test_a_damaged_one_is_one_line_and_is_kept(good, tmp_path, capsys):
    folder = damaged(good, tmp_path, lambda data: data[:-9] + b"x" + data[-8:])
    before = (folder / "step_00000002" / checkpoint.TENSORS).read_bytes()
    assert is_good(checkpoint.newest(folder, set_aside=False), 1)
    assert "step_00000002" in os.listdir(folder)
    assert is_good(checkpoint.newest(folder), 1)
    lines = capsys.readouterr().err.splitlines()
    assert (
        len(lines) == 2 and "step_00000002" in lines[1] and "tensors.safetensors" in lines[1] and "SHA-256" in lines[1]
    )
    assert (folder / "step_00000002.corrupt" / checkpoint.TENSORS).read_bytes() == before
    assert is_good(checkpoint.newest(folder), 1) and capsys.readouterr().err == ""
    for step in (2, 3, 4):
        save(folder, step)
    assert "step_00000002.corrupt" in os.listdir(folder)


def test_a_second_damaged_one_of_the_same_step_is_kept_too(good, tmp_path):
    folder = damaged(good, tmp_path, lambda data: b"")
    (folder / "step_00000002.corrupt").mkdir()
    assert is_good(checkpoint.newest(folder), 1)
    assert "step_00000002.corrupt-2" in os.listdir(folder)


def test_where_all_are_damaged_it_is_one_line_and_nothing_is_deleted(good, tmp_path):
    folder = damaged(good, tmp_path, lambda data: data[:-1])
    (folder / "step_00000001" / checkpoint.STATE).unlink()
    before = sorted(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    for _ in range(2):  # and it stays so: a run must not silently begin anew
        with pytest.raises(CheckpointProblem, match="none of its 2") as caught:
            checkpoint.newest(folder)
        assert "\n" not in str(caught.value)
    assert sorted(path.read_bytes() for path in folder.rglob("*") if path.is_file()) == before


def sealed(folder, step, content, **declared):
    """A checkpoint of arbitrary files, whose manifest is right but for what is declared otherwise."""
    path = folder / checkpoint._name(step)
    path.mkdir(parents=True)
    files = {checkpoint.TENSORS: checkpoint._pack({}), checkpoint.STATE: b"{}", **content}
    manifest = atomic.parse(checkpoint._manifest(step, files))
    for entry in manifest["files"].values():
        entry.update(declared)
    for name, data in files.items():
        (path / name).write_bytes(data)
    (path / checkpoint.MANIFEST).write_bytes(atomic.dump(manifest))
    return path


class Evil:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


def header(text, rest=b""):
    return len(text).to_bytes(8, "little") + text + rest


HUGE = b'{"a":{"dtype":"F32","shape":[100000000000],"data_offsets":[0,400000000000]}}'


@pytest.mark.parametrize(
    "tensors_file",
    [
        b"", b"\0" * 8, b"\xff" * 64, header(b"{"), header(HUGE), header(HUGE.replace(b"400000000000", b"4"), b"abcd"),
        (1 << 40).to_bytes(8, "little") + b"{}", header(b"[" * 100_000), header(b" " * (17 << 20)),
        header(b'{"a":{"dtype":"Q9","shape":[1],"data_offsets":[0,4]}}', b"abcd"),
        header(b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}}', b"abcd"),
    ],
)  # fmt: skip
def test_hostile_tensors_are_refused(tmp_path, tensors_file):
    sealed(tmp_path, 1, {checkpoint.TENSORS: tensors_file})
    with pytest.raises(CheckpointProblem, match="tensors"):
        checkpoint.newest(tmp_path)


@pytest.mark.parametrize(
    "state",
    [b"", b"[]", b'{"a": NaN}', b"[" * 100_000, b'{"a": ' + b"9" * 9999 + b"}", b"\xff\xfe", b'{"$float": "x"}'],
)
def test_hostile_states_are_refused(tmp_path, state):
    sealed(tmp_path, 1, {checkpoint.STATE: state})
    with pytest.raises(CheckpointProblem, match=r"state\.json"):
        checkpoint.newest(tmp_path)


def test_a_pickle_is_never_run(tmp_path):
    marker = tmp_path / "marker"
    payload = pickle.dumps(Evil(marker))
    torch.save({"x": Evil(marker)}, tmp_path / "evil.pt")
    for step, file in enumerate(FILES[:2]):
        sealed(tmp_path / "c", 2 * step, {file: payload})
        sealed(tmp_path / "c", 2 * step + 1, {file: (tmp_path / "evil.pt").read_bytes()})
    with pytest.raises(CheckpointProblem, match="none of its 4"):
        checkpoint.newest(tmp_path / "c")
    assert not marker.exists()


def test_absurd_sizes_are_refused_before_anything_is_read(tmp_path, monkeypatch):
    for size in (10**18, -1, 1 << 40):
        sealed(tmp_path / str(size), 1, {}, size=size)
        with pytest.raises(CheckpointProblem, match="declared"):
            checkpoint.newest(tmp_path / str(size))
    sealed(tmp_path / "word", 1, {}, size="5")
    with pytest.raises(CheckpointProblem, match="no size"):
        checkpoint.newest(tmp_path / "word")
    path = save(tmp_path / "sparse", 1)
    os.truncate(path / checkpoint.TENSORS, 1 << 42)
    with pytest.raises(CheckpointProblem, match="more than"):
        checkpoint.newest(tmp_path / "sparse")
    save(tmp_path / "limit", 1)
    with pytest.raises(CheckpointProblem, match="at most 99"):
        checkpoint.newest(tmp_path / "limit", limit=99)


@pytest.mark.parametrize("change", [
    {"format": 2}, {"step": 2}, {"files": {}}, {"files": []}, {"extra": 1}, {"format": True},
    {"files": {"../state.json": {"size": 2, "sha256": ""}, "tensors.safetensors": {"size": 2, "sha256": ""}}},
])  # fmt: skip
def test_a_manifest_of_another_form_is_refused(tmp_path, change):
    path = save(tmp_path, 1) / checkpoint.MANIFEST
    path.write_bytes(atomic.dump({**atomic.parse(path.read_bytes()), **change}))
    with pytest.raises(CheckpointProblem, match="MANIFEST"):
        checkpoint.newest(tmp_path)


@pytest.mark.parametrize("file", FILES)
def test_links_and_pipes_are_refused(tmp_path, file):
    for step, replace in enumerate((lambda path: path.symlink_to(tmp_path / "real" / file), os.mkfifo, os.mkdir)):
        path = save(tmp_path / "c", step, keep=9)
        shutil.copytree(path, tmp_path / "real", dirs_exist_ok=True)
        (path / file).unlink()
        replace(path / file)
    with pytest.raises(CheckpointProblem, match="none of its 3"):
        checkpoint.newest(tmp_path / "c")


def test_linked_folders_are_refused(tmp_path):
    path = save(tmp_path / "elsewhere", 1)
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / path.name).symlink_to(path)
    with pytest.raises(CheckpointProblem, match="symbolic link"):
        checkpoint.newest(tmp_path / "c")
    (tmp_path / "linked").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CheckpointProblem, match="symbolic link"):
        checkpoint.newest(tmp_path / "linked")
    with pytest.raises(CheckpointProblem, match="symbolic link"):
        save(tmp_path / "linked", 2)
    assert os.listdir(tmp_path / "elsewhere") == [path.name] and len(os.listdir(path)) == 3


def test_random_bytes_raise_nothing_but_the_one_error(tmp_path):
    rng = random.Random(2)
    whole = checkpoint._pack(tensors())
    for step in range(150):
        data = bytearray(whole)
        for _ in range(rng.randrange(1, 6)):
            data[rng.randrange(min(len(data), 300))] = rng.randrange(256)
        path = sealed(tmp_path, step, {checkpoint.TENSORS: bytes(data)})
        try:
            checkpoint._load(path, step, 1 << 30)
        except checkpoint._BadError as error:
            assert "\n" not in str(error)


def test_a_checkpoint_that_cannot_be_set_aside_is_said_and_passed_over(good, tmp_path, monkeypatch, capsys):
    folder = damaged(good, tmp_path, lambda data: b"")

    def fail(*arguments):
        raise OSError(errno.EROFS, "")

    monkeypatch.setattr(os, "rename", fail)
    assert is_good(checkpoint.newest(folder), 1)
    assert "read-only" in capsys.readouterr().err


def test_a_device_that_fails_for_a_moment_costs_no_checkpoint(good, tmp_path, monkeypatch):
    folder = damaged(good, tmp_path, bytes)
    read, failing = atomic.read, {"step_00000002"}

    def fail(path, limit, handle=None):
        if any(name in os.readlink(f"/proc/self/fd/{handle}") for name in failing):
            raise OSError(errno.EIO, "")
        return read(path, limit, handle)

    monkeypatch.setattr(atomic, "read", fail)
    assert is_good(checkpoint.newest(folder), 1)
    failing.add("step_00000001")
    with pytest.raises(StorageProblem, match="input/output error; nothing was changed"):
        checkpoint.newest(folder)
    failing.clear()
    assert is_good(checkpoint.newest(folder), 2) and sorted(os.listdir(folder)) == ["step_00000001", "step_00000002"]


def test_another_runs_checkpoint_is_passed_over_and_kept(good, tmp_path, capsys):
    folder = damaged(good, tmp_path, bytes)

    def refuse(found):
        return "it is another run's" if found.step == 2 else ""

    assert is_good(checkpoint.newest(folder, refuse=refuse), 1)
    assert (
        "step_00000002 cannot be used: it is another run's (kept as step_00000002.foreign)" in capsys.readouterr().err
    )
    shutil.rmtree(folder / "step_00000001")
    with pytest.raises(CheckpointProblem, match="none of its 1 checkpoints can be used .*to train from the start: mv"):
        checkpoint.newest(folder, refuse=refuse)
