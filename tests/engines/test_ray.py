"""Studies on a real Ray, started by the test or by the command: killed workers and drivers change no figure."""

import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.engines import paced

pytestmark = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs ray")


@pytest.fixture
def call(tmp_path):
    """Start the command in a folder of the study's own, or wait for its end: (exit code, what it said)."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": path, "RAY_USAGE_STATS_ENABLED": "0"}

    def start(folder, *arguments, wait=True, **variables):
        command = [sys.executable, "-m", "tricktable", *arguments]
        output = (folder / "said").open("w")
        options = {"cwd": folder, "stdout": output, "stderr": subprocess.STDOUT}
        process = subprocess.Popen(command, env={**environment, **variables}, **options)
        return (process.wait(timeout=600), (folder / "said").read_text()) if wait else process

    return start


def study(folder, pace=None):
    folder.mkdir()
    paced.write(folder, pace)
    return folder


def wait(condition, seconds=300):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.05)


def parent(folder, seed):
    """The process that has the run of this seed as its child: a worker of Ray's."""
    (info,) = folder.glob(f"outputs/paced/*-s{seed}-*/run.json")
    number = json.loads(info.read_text())["pid"]
    return int(re.search(r"PPid:\s+(\d+)", Path(f"/proc/{number}/status").read_text())[1])


@pytest.mark.long
def test_killed_workers_and_a_killed_driver_change_no_figure(tmp_path, call):
    """Twelve runs: one fails, two workers are killed, and between them the driver; its Ray dies with it."""
    typed = paced.typed(12, fails=3)
    here = study(tmp_path / "here")
    assert call(here, *typed, "--jobs", "2")[0] == 3
    there = study(tmp_path / "there", {0: 1.0, 1: 0.5, 5: 1.0})
    ray = ("--engine", "ray", "--jobs", "2")
    driver = call(there, *typed, *ray, wait=False)
    wait(lambda: paced.states(there).get(0) == "running")
    os.kill(parent(there, 0), signal.SIGKILL)
    wait(lambda: attempt(there, 0) == 2)
    assert driver.poll() is None
    driver.kill()
    driver.wait()
    driver = call(there, *typed, *ray, wait=False)
    wait(lambda: paced.states(there).get(5) == "running")
    os.kill(parent(there, 5), signal.SIGKILL)
    assert driver.wait(timeout=600) == 3
    code, said = call(there, *typed, *ray)
    assert code == 3 and "1 of 12 runs failed: seed=3 (RuntimeError: injected)" in said, said
    assert paced.figures(there) == paced.figures(here)


def test_a_stop_saves_what_runs_and_drops_what_waits(tmp_path, call):
    folder = study(tmp_path / "study", dict.fromkeys(range(4), 1.0))
    driver = call(folder, *paced.typed(4), "--engine", "ray", "engine.cpus=2", wait=False)
    wait(lambda: "running" in paced.states(folder).values())
    driver.send_signal(signal.SIGTERM)
    assert driver.wait(timeout=100) == 75
    assert "run the same command again to go on" in (folder / "said").read_text()
    assert list(paced.states(folder).values()).count("interrupted") == 1


def test_where_no_ray_answers_is_one_line(tmp_path, call):
    folder = study(tmp_path / "study")
    code, said = call(folder, *paced.typed(2), "--engine", "ray", "engine.address=127.0.0.1:1")
    assert code == 2, said
    assert said.splitlines()[-1] == "tricktable: --engine ray: no Ray at 127.0.0.1:1: Connection refused"


def attempt(folder, seed):
    (info,) = folder.glob(f"outputs/paced/*-s{seed}-*/run.json")
    return json.loads(info.read_text())["attempt"]
