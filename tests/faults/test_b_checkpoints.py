"""Rows B: checkpoints that were cut off, changed or made up: found, said, and the one before is gone on from."""

import random
import shutil
import signal

import pytest

from tests.disk.test_checkpoint_damage import sealed, tensors
from tests.faults.forked import digest, newest, run_of, tiny
from tests.faults.test_flips import cut, flip
from tests.faults.trials import several
from tricktable.runner.disk import checkpoint
from tricktable.runner.errors import CheckpointProblem

PLAIN = tiny("checkpoint.every=2", "hook=[ema]")


@pytest.fixture(scope="module")
def plain(zygote, tmp_path_factory):
    return zygote.whole(tmp_path_factory.mktemp("plain"), PLAIN)


@pytest.fixture(scope="module")
def stopped(zygote, tmp_path_factory):
    """A run that was killed in its last epoch, with two checkpoints."""
    folder = tmp_path_factory.mktemp("stopped")
    stop = ("at_step", {"number": 11, "action": "signals", "numbers": [signal.SIGKILL]})
    zygote.train(folder, PLAIN, inject=[stop]).wait()
    assert newest(folder)["updates"] == 10 and len(list((run_of(folder) / "checkpoints").iterdir())) == 2
    return folder


def blank(rng, data):
    begin = rng.randrange(len(data))
    changed = data[:begin] + bytes(min(4096, len(data) - begin)) + data[begin + 4096 :]
    return changed if changed != data else flip(rng, data)


def gone_on(zygote, folder, stopped, plain, change, seed):
    """Whether a run goes on from the checkpoint before a damaged one, says so, and ends as the whole one."""
    rng = random.Random(seed)
    shutil.copytree(stopped, folder)
    last = max((run_of(folder) / "checkpoints").iterdir())
    path = last / rng.choice([checkpoint.TENSORS, checkpoint.STATE, checkpoint.MANIFEST])
    path.write_bytes(change(rng, path.read_bytes()))
    child = zygote.train(folder, PLAIN)
    good = (
        child.wait() == 0
        and digest(folder) == plain[0]
        and f"warning: checkpoint outputs/default/{last.parent.parent.name}/checkpoints/{last.name} cannot be used"
        in child.said
    )
    if good:
        shutil.rmtree(folder)
    else:
        print(f"{path.name}: exit {child.code}: {child.said[-1500:]}")
    return good


@pytest.mark.parametrize("trials", several(2, 40))
def test_b1_a_run_whose_newest_checkpoint_was_cut_off_goes_on(zygote, tmp_path, held, stopped, plain, trials):
    good = sum(gone_on(zygote, tmp_path / str(i), stopped, plain, cut, i) for i in trials)
    held(len(trials), good, "runs that went on to their end")


@pytest.mark.parametrize("trials", several(2, 40))
def test_b2_a_run_whose_newest_checkpoint_was_changed_goes_on(zygote, tmp_path, held, stopped, plain, trials):
    good = sum(gone_on(zygote, tmp_path / str(i), stopped, plain, (flip, blank)[i % 2], i) for i in trials)
    held(len(trials), good, "runs that went on to their end, half with 4 KiB of zeros")


def test_b3_where_all_checkpoints_are_bad_nothing_is_begun_anew(zygote, tmp_path, held, stopped):
    folder = tmp_path / "run"
    shutil.copytree(stopped, folder)
    rng = random.Random(0)
    for path in (run_of(folder) / "checkpoints").glob("*/state.json"):
        path.write_bytes(flip(rng, path.read_bytes()))
    before = sorted(p.read_bytes() for p in (run_of(folder) / "checkpoints").rglob("*") if p.is_file())
    for _ in range(2):
        child = zygote.train(folder, PLAIN)
        assert child.wait() == 6 and child.said.splitlines()[-1].startswith("tricktable: "), child.said
    held(2, 2 * (before == sorted(p.read_bytes() for p in (run_of(folder) / "checkpoints").rglob("*") if p.is_file())))


@pytest.mark.faults
@pytest.mark.parametrize("trials", several(0, 5000, parts=2))
def test_b4_random_bytes_raise_nothing_but_the_one_error(tmp_path, held, trials):
    """With a manifest that is right: what parses them is met."""
    good, refused = 0, 0
    whole = {checkpoint.TENSORS: checkpoint._pack(tensors()), checkpoint.STATE: b'{"step": 1, "loss": [0.5, {}]}'}
    for seed in trials:
        rng = random.Random(seed)
        name = rng.choice([*whole])
        data = bytearray(whole[name])
        for _ in range(rng.randrange(1, 6)):
            data[rng.randrange(min(len(data), 300))] = rng.randrange(256)
        path = sealed(tmp_path, seed + 1, {name: bytes(data)})
        try:
            checkpoint._load(path, seed + 1, 1 << 30)
        except (checkpoint._BadError, CheckpointProblem):
            refused += 1
        good += 1
        shutil.rmtree(path)
    held(len(trials), good, f"{refused} refused")
