"""Rows A: kill -9 at any moment, and the run that goes on ends with the bits of one that was never stopped."""

import random
import shutil
import signal

import pytest

from tests.faults.forked import EVERY, digest, left_over, newest, run_of, tiny, trying
from tests.faults.trials import several

# What a save passes, and how often a run of eight steps does so.
POINTS = {
    "before-tmp": 8, "before-fsync": 40, "after-tensors": 8, "after-state.json": 8, "after-MANIFEST.json": 8,
    "before-rename": 8, "after-rename": 8, "before-prune": 8, "mid-prune": 5,
}  # fmt: skip


MORE = {1: pytest.mark.faults, 3: ()}  # which passing of a point; the first is tried with the others alone


def killed(zygote, folder, overrides, chance, cpu):
    """Start or go on, and kill -9 at random, in its time or at a point of a save; "" where it ended before."""
    if chance.random() < 0.3:
        point = chance.choice(list(POINTS))
        at = f"{point}:{chance.randint(1, POINTS[point])}"
        child = zygote.train(folder, overrides, TRICKTABLE_CRASH_AT=at)
        return "in a save" if child.wait() == -signal.SIGKILL else ""
    child = zygote.train(folder, overrides)
    if child.at_cpu(chance.uniform(0, cpu)):
        child.send(signal.SIGKILL)
    return "at random" if child.wait() == -signal.SIGKILL else ""


def trial(zygote, folder, overrides, whole, seed):
    """Up to three kills, then to the end: (whether it is as the whole run, kills, epochs in which there were two)."""
    chance, kills, twice = random.Random(seed), [], 0
    wanted = 1 + (seed % 2) + (seed % 10 == 0)
    while not kills:
        shutil.rmtree(folder, ignore_errors=True)
        before = None
        for _ in range(wanted):
            if kind := killed(zygote, folder, overrides, chance, whole[1]):
                clock = newest(folder)
                twice += bool(kills and before and clock and clock["epoch"] == before["epoch"])
                kills, before = [*kills, kind], clock
    child = zygote.train(folder, overrides)
    same = child.wait() == 0 and digest(folder) == whole[0] and not left_over(folder)
    if same:
        shutil.rmtree(folder)
    else:
        print(f"trial {seed}, {overrides}: {kills}, exit {child.code}, in {folder}: {child.said[-2000:]}")
    return same, kills, twice


@pytest.mark.parametrize("trials", several(9, 300, parts=30))
def test_a1_kill_9_at_random_and_resume(zygote, finished, tmp_path, held, trials):
    """Over every trick: each part of the trials has its share of them."""
    mine = EVERY[trials.start // len(trials) :: 30] if trials.start or len(trials) > 9 else EVERY[:: len(EVERY) // 8]
    mine, whole = mine[: len(trials)], {}
    good, kinds, both = 0, [], 0
    for seed in trials:
        each = mine[(seed - trials.start) % len(mine)]
        overrides = [*trying(*each, finished), f"checkpoint.every={1 + seed % 3}"]
        key = (*each, seed % 3)
        if each not in whole:
            whole[each] = zygote.whole(tmp_path / "-".join(map(str, key)), overrides)
        same, kills, twice = trial(zygote, tmp_path / f"trial-{seed}", overrides, whole[each], seed)
        good, kinds, both = good + same, kinds + kills, both + twice
    held(
        len(trials), good, f"{len(kinds)} kills, {kinds.count('in a save')} in a save, {both} a second one in one epoch"
    )


@pytest.mark.parametrize("point", [pytest.param(f"{p}:{n}", marks=MORE[n]) for p in POINTS for n in MORE])
def test_a2_kill_9_at_each_point_of_a_save(zygote, tmp_path, held, plain, point):
    folder = tmp_path / "run"
    child = zygote.train(folder, PLAIN, TRICKTABLE_CRASH_AT=point)
    assert child.wait() == -signal.SIGKILL, child.said
    child = zygote.train(folder, PLAIN)
    held(1, child.wait() == 0 and digest(folder) == plain[0] and not left_over(folder), point)


PLAIN = tiny("checkpoint.every=1", "hook=[ema]", "augment=[crop,mixup]")


@pytest.fixture(scope="module")
def plain(zygote, tmp_path_factory):
    return zygote.whole(tmp_path_factory.mktemp("plain"), PLAIN)


@pytest.mark.parametrize("step", [1, 2, 4, 5, 8, 11, 12])
def test_a3_a_run_that_was_stopped_at_a_boundary(zygote, tmp_path, held, plain, step):
    """The first step, the middle, the last of an epoch, the first of the next, the last of all."""
    folder = tmp_path / "run"
    stop = ("at_step", {"number": step, "action": "signals", "numbers": [signal.SIGTERM]})
    child = zygote.train(folder, PLAIN, inject=[stop])
    assert child.wait() == 75 and newest(folder)["updates"] == step, child.said
    child = zygote.train(folder, PLAIN)
    held(1, child.wait() == 0 and digest(folder) == plain[0])


def test_a3_a_run_that_is_complete_is_not_trained_again(zygote, tmp_path, held, plain):
    folder = tmp_path / "run"
    zygote.whole(folder, PLAIN)
    before = {path: path.read_bytes() for path in run_of(folder).rglob("*") if path.is_file()}
    child = zygote.train(folder, PLAIN)
    assert child.wait() == 0 and "already complete" in child.said
    held(1, before == {path: path.read_bytes() for path in run_of(folder).rglob("*") if path.is_file()})
