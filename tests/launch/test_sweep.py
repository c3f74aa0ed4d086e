"""A multirun survives what its runs do, and goes on where it was stopped."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from tests.conftest import ROOT, TINY
from tricktable.runner.cli import main
from tricktable.runner.config.compose import compose
from tricktable.runner.config.overrides import Overrides
from tricktable.runner.errors import BadInput
from tricktable.runner.launch import sweep
from tricktable.runner.training import job

RUNS = (
    "model=resnet8", "data.subset=20", "batch_size=16", "epochs=8", "compute=cpu", "compute.threads=1", "study=sweep",
    "seed=0,1", "checkpoint.every=8",
)  # fmt: skip


def start(folder, parallel=False):
    jobs = ["--jobs", "2"] if parallel else []
    command = [sys.executable, "-m", "tricktable", "train", "-m", *jobs, *RUNS, f"output.root={folder}"]
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


def finish(folder, parallel=False):
    output, _ = (process := start(folder, parallel)).communicate(timeout=900)
    return process.returncode, output


def test_a_run_that_is_killed_is_recorded_and_the_others_run(tmp_path):
    process = start(tmp_path)
    os.kill(running(tmp_path)["pid"], signal.SIGKILL)
    output, _ = process.communicate(timeout=900)
    assert process.returncode == 3, output
    assert output.splitlines()[-1] == "tricktable: 1 of 2 runs failed: seed=0 (killed by SIGKILL)"
    found = states(tmp_path)
    assert (found["s0"]["state"], found["s0"]["reason"]) == ("failed", "killed by SIGKILL")
    assert found["s1"]["state"] == "complete"
    code, output = finish(tmp_path)
    assert code == 0 and output.count("already complete") == 1 and "continuing" in output
    assert states(tmp_path)["s0"]["attempt"] >= 2
    assert (tmp_path / "sweep" / "table.md").exists()


@pytest.mark.parametrize(("name", "whole_group", "parallel"), [("SIGINT", True, False), ("SIGTERM", False, True)])
def test_a_signal_stops_the_multirun_and_the_same_command_goes_on(tmp_path, name, whole_group, parallel):
    """A terminal's Ctrl-C reaches the driver's group, in which the runs are not; a scheduler's SIGTERM the driver alone."""
    process = start(tmp_path, parallel)
    running(tmp_path)
    (os.killpg if whole_group else os.kill)(process.pid, getattr(signal, name))
    output, _ = process.communicate(timeout=900)
    assert process.returncode == 75, output
    assert "run the same command again" in output
    assert {info["state"] for info in states(tmp_path).values()} == {"interrupted"}
    code, output = finish(tmp_path, parallel)
    assert code == 0, output
    assert [info["state"] for info in states(tmp_path).values()] == ["complete"] * 2


def test_runs_that_are_complete_are_not_started_again_but_their_figures_are_looked_at(tmp_path, capsys):
    shared = [*TINY, "epochs=1", f"output.root={tmp_path}", "study=known"]
    shared.remove("epochs=3")
    for seed in (0, 1):
        job.execute(compose([*shared, f"seed={seed}"]))
    capsys.readouterr()
    command = ["train", "-m", *shared, "seed=0,1"]
    with pytest.raises(SystemExit, match="^0$"):
        main([*command, "--expect", "test_error<=100"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"2 runs in {tmp_path}/known, 2 already complete"
    assert not [line for line in lines if line.startswith("[")] and lines[-1].endswith("known/table.md")
    with pytest.raises(SystemExit, match="^9$"):
        main([*command, "--expect", "test_error<0"])
    assert "tricktable: 2 of 2 runs do not hold: seed=0: expected test_error<0, got" in capsys.readouterr().err


def points(*typed):
    return [(Overrides(overrides), compose(overrides)) for overrides in typed]


def test_a_plan_names_each_run_by_what_it_does_not_share(tmp_path):
    shared = [*TINY, f"output.root={tmp_path}"]
    jobs = sweep.plan(points([*shared, "seed=0"], [*shared, "seed=1", "augment=[crop]"]))
    assert [each.title for each in jobs] == ["seed=0", "seed=1 augment=[crop]"]
    assert [each.threads for each in jobs] == [1, 1] and jobs[0].key != jobs[1].key
    assert [each.title for each in sweep.plan(points(shared))] == ["resnet8-digits-s0"]
    with pytest.raises(BadInput, match="seed=0 batch_size=5000"):
        sweep.plan(points([*shared, "seed=0"], [*[o for o in shared if "batch" not in o], "seed=0", "batch_size=5000"]))
    assert not list(tmp_path.iterdir())
