"""kill -9 and signals at any moment: the run that goes on ends with the bits of one that was never stopped."""

import csv
import hashlib
import json
import random
import signal
import subprocess
import sys
import time

import pytest
from safetensors import safe_open

from tests.conftest import ROOT

# Some seconds of steps after the start-up, in epochs long enough to be hit in their middle.
RUN = (
    "model=resnet8", "compute=cpu", "compute.threads=1", "epochs=4", "batch_size=16", "data.subset=80",
    "augment=[crop,mixup]", "hook=[ema]", "gradient=[clip_norm]", "schedule.lr=[warmup,step]", "schedule.lr.epochs=1",
)  # fmt: skip


def start(folder, every=3):
    command = [sys.executable, "-m", "runner", "train", *RUN, f"checkpoint.every={every}", f"output.root={folder}"]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def run_dir(folder):
    found = list(folder.glob("default/*/run.json"))
    return found[0].parent if found else None


def newest_state(folder):
    """The newest checkpoint's clock, if there is one that is whole."""
    for path in sorted(folder.glob("default/*/checkpoints/step_*/state.json"), reverse=True):
        try:
            return json.loads(path.read_text())["clock"]
        except (OSError, ValueError, KeyError):
            continue
    return None


def digest(folder):
    """Parameters, buffers, optimizer and hook state, clock, and the rows without their wall-clock column."""
    run = run_dir(folder)
    final = sorted((run / "checkpoints").glob("step_*"))[-1]
    sums = hashlib.sha256()
    with safe_open(final / "tensors.safetensors", "pt") as tensors:
        for name in sorted(tensors.keys()):
            sums.update(name.encode() + tensors.get_tensor(name).numpy().tobytes())
    with open(run / "metrics.csv") as file:
        rows = [{k: v for k, v in row.items() if k != "images_per_second"} for row in csv.DictReader(file)]
    summary = json.loads((run / "summary.json").read_text())
    state = json.loads((final / "state.json").read_text())
    return sums.hexdigest(), state["clock"], rows, summary["results"], summary["weights_sha256"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that nobody stops, and how long its steps take."""
    folder = tmp_path_factory.mktemp("whole")
    process = start(folder)
    begun = None
    while process.poll() is None:
        if begun is None and newest_state(folder):
            begun = time.monotonic()
        time.sleep(0.005)
    assert process.returncode == 0, process.stdout.read()
    return digest(folder), time.monotonic() - begun


@pytest.mark.parametrize("trial", range(10))
def test_kill_9_at_a_random_moment_and_resume(tmp_path, whole, trial):
    expected, length = whole
    chance = random.Random(trial)
    kills = []
    while len(kills) < (2 if trial < 3 else 1):
        process = start(tmp_path)
        while process.poll() is None and newest_state(tmp_path) is None:
            time.sleep(0.005)
        time.sleep(chance.uniform(0, 0.7 * length))
        process.kill()
        process.wait()
        kills.append(newest_state(tmp_path))
        if process.returncode == 0:
            break
    print(f"trial {trial}: killed with checkpoints at {kills}")
    final = start(tmp_path)
    output, _ = final.communicate(timeout=120)
    assert final.returncode == 0, output
    assert digest(tmp_path) == expected
    attempts = json.loads((run_dir(tmp_path) / "run.json").read_text())["attempt"]
    assert attempts >= 2


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_saves_and_exits_75(tmp_path, whole, name):
    process = start(tmp_path, every=1000)
    while process.poll() is None:
        state = run_dir(tmp_path)
        if state and (state / "metrics.csv").exists() and (state / "metrics.csv").stat().st_size > 200:
            break
        time.sleep(0.005)
    process.send_signal(getattr(signal, name))
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 75, output
    assert json.loads((run_dir(tmp_path) / "run.json").read_text())["state"] == "interrupted"
    assert "run the same command again" in output
    final = start(tmp_path)
    output, _ = final.communicate(timeout=120)
    assert final.returncode == 0 and "continuing" in output
    assert digest(tmp_path) == whole[0]
