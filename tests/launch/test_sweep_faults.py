"""Whatever the runs of a sweep do, and however often its driver dies: all are accounted for, and none is done twice."""

import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import asdict

import pytest

from tests import stub
from tests.conftest import ROOT, TINY
from tricktable.runner.config.compose import compose
from tricktable.runner.config.overrides import Overrides
from tricktable.runner.disk import runs
from tricktable.runner.errors import SweepFailed
from tricktable.runner.launch import sweep
from tricktable.runner.launch.outcome import raise_for
from tricktable.runner.launch.pool import launch
from tricktable.runner.training import job

FAULTS = {
    4: "hang", 15: "own words", 26: "exception", 37: "diverged", 48: "diverged", 59: "memory", 60: "kill",
    71: "exit 1", 82: "exit 0", 93: "exception",
}  # fmt: skip
REASONS = {
    4: "ran past its time limit of 0.1 min", 15: "in its own words", 26: "exited with 1: RuntimeError: injected",
    59: "exited with 1: MemoryError", 60: "killed by SIGKILL", 71: "exited with 1",
    82: "exited with 0 before it had finished", 93: "exited with 1: RuntimeError: injected",
}  # fmt: skip


@pytest.fixture(autouse=True)
def _path(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


def test_of_a_hundred_runs_the_ten_bad_ones_are_recorded_and_only_those_that_failed_run_again(tmp_path):
    (tmp_path / "faults.json").write_text(json.dumps(FAULTS))
    jobs = [stub.job(tmp_path, seed) for seed in range(100)]
    limits = {"parallel": 4, "timeout": 0.1, "grace": 0.5, "command": stub.command(tmp_path)}
    outcomes = launch(jobs, **limits)
    assert Counter(o.state for o in outcomes) == {"complete": 90, "diverged": 2, "failed": 8}
    assert {seed: o.reason for seed, o in enumerate(outcomes) if o.state == "failed"} == REASONS
    found = stub.infos(tmp_path)
    assert {seed: info["reason"] for seed, info in found.items() if info["state"] == "failed"} == REASONS
    with pytest.raises(SweepFailed, match="^8 of 100 runs failed: ") as ended:
        raise_for(outcomes)
    assert ended.value.exit_code == 3
    assert all(f"seed={seed} ({reason})" in str(ended.value) for seed, reason in REASONS.items())
    assert sorted(stub.starts(tmp_path)) == list(range(100))

    (tmp_path / "faults.json").unlink()
    outcomes = launch(jobs, **limits)
    assert sorted(stub.starts(tmp_path)[100:]) == sorted(REASONS)
    assert Counter(o.state for o in outcomes) == {"complete": 98, "diverged": 2}
    raise_for(outcomes)
    assert launch(jobs, **limits) == outcomes and len(stub.starts(tmp_path)) == 108


def test_a_driver_that_is_killed_three_times_loses_and_repeats_nothing(tmp_path):
    number, chance = 40, random.Random(5)
    command = [*stub.command(tmp_path), "launch", str(number)]
    for most in (8, 18, 28):
        driver = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
        until = chance.randint(most - 7, most)
        while sum(info["state"] == "complete" for info in stub.infos(tmp_path).values()) < until:
            assert driver.poll() is None
            time.sleep(0.01)
        time.sleep(chance.uniform(0, 0.2))
        driver.kill()
        assert driver.wait() == -signal.SIGKILL
    last = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=900, check=False)
    assert last.returncode == 0, last.stdout + last.stderr
    found = stub.infos(tmp_path)
    assert {(info["state"], info["finished"]) for info in found.values()} == {("complete", 1)}
    assert sorted(found) == list(range(number))
    assert len(list((tmp_path / stub.STUDY).iterdir())) == number  # no copies beside them
    assert len(stub.starts(tmp_path)) <= number + 3 * 2, "only what was under way may start again"


DRIVER = """
import json, sys
from pathlib import Path
from tricktable.runner.disk.info import Identity
from tricktable.runner.launch import pool
from tricktable.runner.launch.outcome import Job, raise_for
jobs = []
for each in json.load(open(sys.argv[1])):
    each |= {"root": Path(each["root"]), "identity": Identity(**each["identity"])}
    jobs.append(Job(**{**each, "overrides": tuple(each["overrides"])}))
raise_for(pool.launch(jobs, parallel=2))
"""


def test_real_runs_survive_a_driver_that_is_killed_three_times(tmp_path):
    """Twelve runs; two of them are compared with ones that nobody disturbed."""
    shared = [*TINY, "study=killed", "checkpoint.every=2"]
    overrides = [Overrides([*shared, f"seed={seed}", f"output.root={tmp_path}"]) for seed in range(12)]
    jobs = sweep.plan([(typed, compose(typed)) for typed in overrides])
    plain = [asdict(each) | {"root": str(each.root)} for each in jobs]
    (tmp_path / "jobs.json").write_text(json.dumps(plain))
    command = [sys.executable, "-c", DRIVER, str(tmp_path / "jobs.json")]
    chance = random.Random(3)
    for until in (1, 4, 7):
        driver = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
        while sum(run.state == "complete" for run in runs.under(tmp_path, "killed")) < until:
            assert driver.poll() is None
            time.sleep(0.02)
        time.sleep(chance.uniform(0, 2))
        driver.kill()
        assert driver.wait() == -signal.SIGKILL
    last = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=900, check=False)
    assert last.returncode == 0, last.stdout + last.stderr
    found = runs.under(tmp_path, "killed")
    assert len(found) == 12 and {run.state for run in found} == {"complete"}
    ends = [run.files.log.read_text().count("epoch 3/3") for run in found]
    assert ends == [1] * 12, "a run was trained to its end twice"
    for seed in (0, 5):
        alone = job.execute(compose([*shared, f"seed={seed}", f"output.root={tmp_path / 'alone'}"]))
        summary = next(run for run in found if f"-s{seed}-" in run.id).summary
        assert (summary.results, summary.weights_sha256) == (alone.results, alone.weights_sha256)
