"""Rows F: several processes and launches on the same runs: each run has one owner, is made once, and none is lost."""

import json
import random
import shutil
import signal
import subprocess
import time
from collections import Counter

import pytest

from tests import stub
from tests.conftest import ROOT
from tests.faults.forked import digest, run_of, tiny
from tests.faults.trials import several
from tests.launch.test_sweep_faults import FAULTS, REASONS
from tricktable.runner.disk import runs
from tricktable.runner.launch.pool import launch


@pytest.fixture(autouse=True)
def _path(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


@pytest.mark.faults
@pytest.mark.parametrize("trial", range(3))
def test_f1_of_a_hundred_runs_ten_are_bad(tmp_path, held, trial):
    """Other ones than in tests/launch/test_sweep_faults.py each time."""
    chance = random.Random(trial)
    seeds = dict(zip(chance.sample(range(100), 10), FAULTS, strict=True))
    (tmp_path / "faults.json").write_text(json.dumps({seed: FAULTS[former] for seed, former in seeds.items()}))
    jobs = [stub.job(tmp_path, seed) for seed in range(100)]
    limits = {"parallel": 4, "timeout": 0.1, "grace": 0.5, "command": stub.command(tmp_path)}
    first = launch(jobs, **limits)
    wanted = {seed: REASONS[former] for seed, former in seeds.items() if former in REASONS}
    assert {seed: o.reason for seed, o in enumerate(first) if o.state == "failed"} == wanted
    (tmp_path / "faults.json").unlink()
    second = launch(jobs, **limits)
    assert sorted(stub.starts(tmp_path)[100:]) == sorted(wanted)
    assert launch(jobs, **limits) == second and len(stub.starts(tmp_path)) == 108
    held(100, Counter(o.state for o in second)["complete"] + 2, "runs; ten with a fault, of which eight made again")


@pytest.mark.parametrize("trials", several(0, 50, parts=2))
def test_f2_a_driver_is_killed_at_random(tmp_path, held, trials):
    """Five times in each of so many launches."""
    number, chance = 24, random.Random(trials.start)
    for begin in trials[::5]:
        root = tmp_path / str(begin)
        root.mkdir()
        command = [*stub.command(root), "launch", str(number)]
        for _ in range(5):
            driver = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
            time.sleep(chance.uniform(0.1, 1.2))
            driver.kill()
            driver.wait()
        last = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=180, check=False)
        assert last.returncode == 0, last.stdout + last.stderr
        found = stub.infos(root)
        assert {(info["state"], info["finished"]) for info in found.values()} == {("complete", 1)}
        assert sorted(found) == list(range(number)) == sorted(range(len(list((root / stub.STUDY).iterdir()))))
    held(len(trials), len(trials), "kills of a driver, five in a launch of 24 runs; none lost, none made twice")


@pytest.mark.parametrize("trials", several(1, 100, parts=2))
def test_f3_of_eight_processes_on_one_run_one_has_it(zygote, tmp_path, held, trials):
    """The others say whose it is (8), or that it is complete."""
    overrides = tiny("epochs=1", "data.subset=3", "model.width=4", "augment=[]")
    good, refused = 0, 0
    whole = zygote.whole(tmp_path / "whole", overrides)[0] if trials.stop > 1 else None
    for trial in trials:
        folder = tmp_path / str(trial)
        children = [zygote.train(folder, overrides) for _ in range(8)]
        codes = Counter(child.wait() for child in children)
        info = json.loads((run_of(folder) / "run.json").read_text())
        refused += codes[8]
        trained = (run_of(folder) / "log.txt").read_text().count("epoch 1/1")  # who comes later finds it complete
        same = set(codes) <= {0, 8} and (info["state"], trained) == ("complete", 1)
        same = (
            same
            and len(list((folder / "outputs/default").iterdir())) == 1
            and (whole is None or digest(folder) == whole)
        )
        good += same
        if same:
            shutil.rmtree(folder)
        else:
            print(trial, codes, info, children[0].said[-2000:])
    held(
        len(trials), good, f"times eight processes, {refused} of them refused with exit 8, none trained beside another"
    )


@pytest.mark.parametrize("trials", several(0, 10))
def test_f3_two_launches_on_one_grid(tmp_path, held, trials):
    for trial in trials:
        root = tmp_path / str(trial)
        root.mkdir()
        command = [*stub.command(root), "launch", "12"]
        drivers = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) for _ in range(2)]
        assert [driver.wait(timeout=120) for driver in drivers] == [0, 0]
        found = stub.infos(root)
        assert {(info["state"], info["finished"]) for info in found.values()} == {("complete", 1)} and len(found) == 12
    held(len(trials), len(trials), "pairs of launches")


@pytest.mark.parametrize("trials", several(0, 6))
def test_f4_eight_runs_of_one_study_start_at_once(zygote, tmp_path, held, trials):
    for trial in trials:
        folder = tmp_path / str(trial)
        overrides = tiny("epochs=1", "data.subset=3", "model.width=4")
        children = [zygote.train(folder, [*overrides, f"seed={seed}"]) for seed in range(8)]
        assert [child.wait() for child in children] == [0] * 8
        found = runs.under(folder / "outputs", "default")
        assert len(found) == 8 and {run.state for run in found} == {"complete"} and not found.damaged
    held(len(trials), len(trials), "times eight")


def test_f2_a_kill_of_the_run_that_has_the_lock_lets_the_next_in(zygote, tmp_path, held):
    overrides = tiny("checkpoint.every=1")
    child = zygote.train(tmp_path, overrides)
    assert child.at_cpu(0.1)
    while not child.over(0.001) and run_of(tmp_path) is None:
        pass
    other = zygote.train(tmp_path, overrides)
    assert other.wait() in (8, 0)
    child.send(signal.SIGKILL)
    child.wait()
    last = zygote.train(tmp_path, overrides)
    held(1, last.wait() == 0)
