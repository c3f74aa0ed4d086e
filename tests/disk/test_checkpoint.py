"""A checkpoint comes back bit for bit or is refused; whatever kills the process or the disk, one good one is left."""

import errno
import json
import math
import os
import signal
import subprocess
import sys

import pytest
import torch

from tricktable.runner.disk import atomic, checkpoint
from tricktable.runner.errors import StorageProblem

POINTS = [
    "before-tmp:1", "before-fsync:1", "after-tensors:1", "before-fsync:2", "before-fsync:3",
    "before-rename:1", "after-rename:1", "before-prune:1", "mid-prune:1",
]  # fmt: skip


def tensors(step=0):
    generator = torch.Generator().manual_seed(step)
    weight = torch.randn(4, 3, 3, 3, generator=generator)
    return {"weight": weight, "other": weight.flatten()[:7] * 2, "steps": torch.tensor(step)}


def save(folder, step, keep=2):
    return checkpoint.save(folder, step, tensors(step), {"step": step, "loss": step / 3}, keep)


def is_good(found, step):
    wanted = tensors(step)
    assert found.step == step and found.state == {"step": step, "loss": step / 3}
    assert list(found.tensors.keys() ^ wanted.keys()) == []
    return all(torch.equal(found.tensors[name], wanted[name]) for name in wanted)


def orphans(folder):
    return [name for name in os.listdir(folder) if name.startswith(".tmp-") or ".old-" in name]


def in_a_child(work, crash_at=None):
    """The status of a forked process that does `work`, killed at a named point if one is given."""
    pid = os.fork()
    if pid == 0:
        try:
            atomic._passed.clear()
            if crash_at:
                os.environ["TRICKTABLE_CRASH_AT"] = crash_at
            work()
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitpid(pid, 0)[1]


def test_every_kind_of_tensor_comes_back_bit_for_bit(tmp_path):
    base = torch.arange(24, dtype=torch.float32)
    kept = {
        "channels_last": torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last),
        "pointwise": torch.randn(8, 4, 1, 1).to(memory_format=torch.channels_last),
        "transposed": torch.randn(3, 5).t(),
        "strided": base[::3],
        "expanded": torch.ones(1, 3).expand(4, 3),
        "shared": base,
        "shared too": base[4:8],
        "same": base,
        "scalar": torch.tensor(1 / 3, dtype=torch.float64),
        "long": torch.tensor([2**62, -1]),
        "bool": torch.tensor([True, False]),
        "half": torch.randn(5).half(),
        "brain": torch.randn(5).bfloat16(),
        "byte": torch.arange(7, dtype=torch.uint8),
        "empty": torch.zeros(0, 3),
        "odd": torch.tensor([math.nan, math.inf, -0.0, 1e-42]),
        "parameter": torch.nn.Parameter(torch.randn(3)),
        "a.b/ü\n": torch.ones(1),
    }
    checkpoint.save(tmp_path / "c", 7, kept, {}, keep=2)
    found = checkpoint.newest(tmp_path / "c").tensors
    assert found.keys() == kept.keys()
    for name, tensor in kept.items():
        back = found[name]
        assert back.dtype == tensor.dtype and back.shape == tensor.shape and not back.requires_grad
        assert (
            back.contiguous().view(-1).view(torch.uint8).equal(tensor.detach().contiguous().view(-1).view(torch.uint8))
        )
    found["shared"].zero_()
    assert found["same"].sum() > 0


@pytest.mark.gpu
def test_tensors_of_a_gpu_come_back_on_the_cpu(tmp_path):
    weight = torch.randn(2, 3, 4, 4, device="cuda").to(memory_format=torch.channels_last)
    checkpoint.save(tmp_path, 1, {"w": weight}, {}, keep=2)
    assert torch.equal(checkpoint.newest(tmp_path).tensors["w"], weight.cpu())


def test_the_state_comes_back_bit_for_bit(tmp_path):
    state = {
        "floats": [0.1, 1 / 3, 5e-324, -0.0, 1.7e308],
        "odd": {"best": math.inf, "worst": -math.inf, "none": math.nan},
        "plain": [1, 2**70, True, None, "text\n\x00é\ud800", {"deep": {}}],
    }
    checkpoint.save(tmp_path, 1, {}, state, keep=2)
    back = checkpoint.newest(tmp_path).state
    assert [x.hex() for x in back["floats"]] == [x.hex() for x in state["floats"]]
    assert repr(back["odd"]) == repr(state["odd"])
    assert back["plain"] == state["plain"]
    json.loads((tmp_path / "step_00000001" / "state.json").read_bytes(), parse_constant=pytest.fail)


@pytest.mark.parametrize("state", [{"a": torch.ones(1)}, {1: 2}, {"a": {"$float": "nan"}}, {"a": {1, 2}}])
def test_a_state_that_would_come_back_changed_is_refused(tmp_path, state):
    with pytest.raises(TypeError):
        checkpoint.save(tmp_path / "c", 1, {}, state, keep=2)
    assert os.listdir(tmp_path) == []


def test_one_checkpoint_alone_is_refused(tmp_path):
    with pytest.raises(ValueError, match="keep=1"):
        checkpoint.save(tmp_path, 1, {}, {}, keep=1)


def test_the_newest_ones_are_kept(tmp_path):
    assert checkpoint.newest(tmp_path / "c") is None
    for step in (1, 20, 3, 400):
        path = save(tmp_path / "c", step, keep=3)
        assert path == tmp_path / "c" / f"step_{step:08d}"
    assert sorted(os.listdir(tmp_path / "c")) == ["step_00000003", "step_00000020", "step_00000400"]
    assert is_good(checkpoint.newest(tmp_path / "c"), 400)
    save(tmp_path / "c", 2, keep=2)  # never the one just written
    assert "step_00000002" in os.listdir(tmp_path / "c")


def test_what_is_not_a_checkpoint_is_passed_over(tmp_path):
    assert checkpoint.newest(tmp_path) is None
    for name in ("notes", "step_1", "step_000000001", "step_abcdefgh", ".tmp-1-ab", "step_00000009.bak"):
        (tmp_path / name).mkdir()
    assert checkpoint.newest(tmp_path) is None
    for step in (1, 2, 3):
        save(tmp_path, step)
    assert is_good(checkpoint.newest(tmp_path), 3) and len(os.listdir(tmp_path)) == 8


@pytest.mark.parametrize("point", POINTS)
def test_a_kill_at_any_point_leaves_a_good_checkpoint(tmp_path, point):
    save(tmp_path, 1)
    save(tmp_path, 2)
    assert in_a_child(lambda: save(tmp_path, 3), point) == signal.SIGKILL
    committed = point.split(":")[0] in ("after-rename", "before-prune", "mid-prune")
    assert is_good(checkpoint.newest(tmp_path), 3 if committed else 2)
    save(tmp_path, 4)
    assert is_good(checkpoint.newest(tmp_path), 4)
    assert orphans(tmp_path) == [] and len(os.listdir(tmp_path)) == 2


@pytest.mark.parametrize("point", ["before-rename:1", "between-renames:1", "after-rename:1", "mid-prune:1"])
def test_a_kill_while_a_step_is_replaced_leaves_a_good_checkpoint(tmp_path, point):
    save(tmp_path, 5)
    for _ in range(3):
        in_a_child(lambda: save(tmp_path, 5), point)
        assert orphans(tmp_path) and is_good(checkpoint.newest(tmp_path), 5)
        if point.startswith("between"):
            os.rename(next(tmp_path.glob("*.old-*")), tmp_path / "step_00000005")
    save(tmp_path, 5)
    assert is_good(checkpoint.newest(tmp_path), 5)
    assert os.listdir(tmp_path) == ["step_00000005"]


def test_a_step_is_replaced_by_its_newer_self(tmp_path):
    save(tmp_path, 5)
    checkpoint.save(tmp_path, 5, {}, {"second": True}, keep=2)
    assert checkpoint.newest(tmp_path).state == {"second": True}
    assert os.listdir(tmp_path) == ["step_00000005"]


def test_crash_points_do_nothing_when_unset(tmp_path):
    assert in_a_child(lambda: save(tmp_path, 1)) == 0
    assert in_a_child(lambda: save(tmp_path, 2), "before-fsync:99") == 0


@pytest.mark.parametrize("call", ["write", "fsync", "mkdir", "rename"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EIO])
def test_a_failing_disk_is_one_line_and_the_previous_one_stays(tmp_path, monkeypatch, call, number):
    save(tmp_path, 1)

    def fail(*arguments, **options):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(StorageProblem) as caught:
        save(tmp_path, 2)
    monkeypatch.undo()
    line = str(caught.value)
    assert "step_00000002" in line and "\n" not in line and (" MB " in line) == (number == errno.ENOSPC)
    assert os.listdir(tmp_path) == ["step_00000001"]
    assert is_good(checkpoint.newest(tmp_path), 1)
    save(tmp_path, 2)
    assert is_good(checkpoint.newest(tmp_path), 2)


def test_a_disk_that_fills_at_any_byte_keeps_the_previous_one(tmp_path):
    import resource

    save(tmp_path, 1)

    def fill(limit):
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        with pytest.raises(StorageProblem):
            save(tmp_path, 2)

    for limit in (0, 1, 200, 500):
        assert in_a_child(lambda limit=limit: fill(limit)) == 0
        assert os.listdir(tmp_path) == ["step_00000001"] and is_good(checkpoint.newest(tmp_path), 1)


def test_a_machine_that_cannot_read_now_is_no_damage(tmp_path, monkeypatch):
    save(tmp_path, 1)
    for error in (OSError(errno.EMFILE, "too many open files"), PermissionError(errno.EACCES, "no"), MemoryError()):

        def fail(*arguments, error=error, **options):
            raise error

        monkeypatch.setattr(atomic, "read", fail)
        with pytest.raises(StorageProblem, match="step_00000001"):
            checkpoint.newest(tmp_path)
        monkeypatch.undo()
    assert is_good(checkpoint.newest(tmp_path), 1)


def test_a_run_whose_folder_is_gone_is_not_made_again(tmp_path):
    with pytest.raises(StorageProblem, match="not there"):
        save(tmp_path / "gone" / "checkpoints", 1)
    assert os.listdir(tmp_path) == []


def test_neither_torch_nor_safetensors_is_imported_before_it_is_used():
    code = "import sys; import tricktable.runner.disk.checkpoint, tricktable.runner.disk.record, tricktable.runner.disk.rundir; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
