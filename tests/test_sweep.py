"""A multirun survives what its runs do, and goes on where it was stopped."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from tests.conftest import ROOT

RUNS = (
    "model=resnet8", "data.subset=20", "batch_size=16", "epochs=8", "compute=cpu", "compute.threads=1", "study=sweep",
    "seed=0,1", "checkpoint.every=2",
)  # fmt: skip


def start(folder):
    command = [sys.executable, "-m", "runner", "train", "-m", *RUNS, f"output.root={folder}"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(command, cwd=ROOT, start_new_session=True, **pipes)


def states(folder):
    found = {}
    for path in folder.glob("sweep/resnet8-*/run.json"):
        info = json.loads(path.read_text())
        found[path.parent.name.split("-")[2]] = info
    return found


def running(folder):
    """The run.json of the run that trains now, once it has been saved in its middle."""
    while True:
        for info in states(folder).values():
            if info["state"] == "running" and list(folder.glob(f"sweep/{info['id']}/checkpoints/step_*")):
                return info
        time.sleep(0.01)


def finish(folder):
    output, _ = (process := start(folder)).communicate(timeout=120)
    return process.returncode, output


def test_a_run_that_is_killed_is_recorded_and_the_others_run(tmp_path):
    process = start(tmp_path)
    os.kill(running(tmp_path)["pid"], signal.SIGKILL)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 3, output
    assert "1 of 2 runs failed" in output and "seed=0" in output.splitlines()[-1]
    found = states(tmp_path)
    assert (found["s0"]["state"], found["s0"]["reason"]) == ("failed", "killed by SIGKILL")
    assert found["s1"]["state"] == "complete"
    code, output = finish(tmp_path)
    assert code == 0 and output.count("already complete") == 1 and "continuing" in output
    assert states(tmp_path)["s0"]["attempt"] >= 2
    assert (tmp_path / "sweep" / "table.md").exists()


@pytest.mark.parametrize(("name", "whole_group"), [("SIGINT", True), ("SIGTERM", False)])
def test_a_signal_stops_the_multirun_and_the_same_command_goes_on(tmp_path, name, whole_group):
    """A terminal's Ctrl-C reaches driver and run; a scheduler's SIGTERM the driver alone."""
    process = start(tmp_path)
    running(tmp_path)
    (os.killpg if whole_group else os.kill)(process.pid, getattr(signal, name))
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 75, output
    assert "run the same command again" in output
    assert {info["state"] for info in states(tmp_path).values()} == {"interrupted"}
    code, output = finish(tmp_path)
    assert code == 0, output
    assert [info["state"] for info in states(tmp_path).values()] == ["complete"] * 2
