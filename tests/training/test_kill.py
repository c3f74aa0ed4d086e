"""kill -9 and signals at any moment: the run that goes on ends with the bits of one that was never stopped."""

import json
import random
import signal
import subprocess
import sys
import time

import pytest

from tests.conftest import ROOT
from tests.faults.forked import digest, newest, run_of

# Some seconds of steps after the start-up, in epochs long enough to be hit in their middle.
RUN = (
    "model=resnet8", "compute=cpu", "compute.threads=1", "epochs=4", "batch_size=16", "data.subset=80",
    "augment=[crop,mixup]", "hook=[ema]", "gradient=[clip_norm]", "schedule.lr=[warmup,step]", "schedule.lr.epochs=1",
)  # fmt: skip


UPDATES = 200  # 4 epochs of 50


def start(folder, every=3):
    command = [
        sys.executable,
        "-m",
        "tricktable",
        "train",
        *RUN,
        f"checkpoint.every={every}",
        f"output.root={folder}/outputs",
    ]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The digest of a run that nobody stops."""
    folder = tmp_path_factory.mktemp("whole")
    output, _ = (process := start(folder)).communicate(timeout=900)
    assert process.returncode == 0, output
    return digest(folder)


def kill_at(folder, update, delay):
    """Start or go on, kill -9 some time after this update was saved; the newest checkpoint's clock, None if it ended."""
    process = start(folder)
    while process.poll() is None and ((clock := newest(folder)) is None or clock["updates"] < update):
        time.sleep(0.002)
    time.sleep(delay)
    process.kill()
    process.wait()
    return newest(folder) if process.returncode == -signal.SIGKILL else None


# The command as it is; tests/faults/test_a_resume.py does so more often, from runs that are forked.
@pytest.mark.parametrize(
    "trial", [pytest.param(i, marks=[] if i in (0, 3, 4) else pytest.mark.faults) for i in range(10)]
)
def test_kill_9_at_a_random_moment_and_resume(tmp_path, whole, trial):
    chance = random.Random(trial)
    kills = []
    for _ in range(2 if trial < 3 else 1):  # some die twice, perhaps in one epoch
        begin = kills[-1]["updates"] if kills else 0
        clock = kill_at(tmp_path, chance.randint(begin, UPDATES - 30), chance.uniform(0, 0.03))
        assert clock is not None, "it ended before it was killed"
        kills.append(clock)
    print(f"trial {trial}: killed after {[(c['epoch'], c['position']) for c in kills]} was saved")
    final = start(tmp_path)
    output, _ = final.communicate(timeout=900)
    assert final.returncode == 0, output
    assert digest(tmp_path) == whole
    assert json.loads((run_of(tmp_path) / "run.json").read_text())["attempt"] == len(kills) + 1


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_saves_and_exits_75(tmp_path, whole, name):
    process = start(tmp_path, every=1000)
    while process.poll() is None:
        state = run_of(tmp_path)
        if state and (state / "metrics.csv").exists() and (state / "metrics.csv").stat().st_size > 200:
            break
        time.sleep(0.005)
    process.send_signal(getattr(signal, name))
    output, _ = process.communicate(timeout=900)
    assert process.returncode == 75, output
    assert json.loads((run_of(tmp_path) / "run.json").read_text())["state"] == "interrupted"
    assert "run the same command again" in output
    final = start(tmp_path)
    output, _ = final.communicate(timeout=900)
    assert final.returncode == 0 and "continuing" in output
    assert digest(tmp_path) == whole
