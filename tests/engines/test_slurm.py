"""Studies on a real Slurm of one node: what happens there happens to them, and their tables are those of this machine."""

import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest

from tests.conftest import ROOT, TINY
from tests.engines import cluster, paced

LACKING = "" if importlib.util.find_spec("submitit") else "needs submitit"
pytestmark = pytest.mark.skipif(bool(LACKING or cluster.lacking()), reason=LACKING or cluster.lacking())
SLURM = ("--engine", "slurm", "engine.poll=1")


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    with cluster.Cluster(tmp_path_factory.mktemp("slurm")) as found:
        yield found


class Study:
    """A folder from which the same command is called again and again."""

    def __init__(self, folder, slurm, pace=None):
        folder.mkdir()
        paced.write(folder, pace)
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        self.folder = folder
        self.environment = {**slurm.environment, "PYTHONPATH": path, "TRICKTABLE_CACHE": str(folder / "cache")}

    def start(self, *arguments):
        command = [sys.executable, "-m", "tricktable", *arguments]
        output = (self.folder / "said").open("w")
        options = {"cwd": self.folder, "env": self.environment, "stdout": output, "stderr": subprocess.STDOUT}
        return subprocess.Popen(command, **options)

    def call(self, *arguments):
        """(exit code, what it said)."""
        code = self.start(*arguments).wait(timeout=900)
        return code, (self.folder / "said").read_text()

    def wait(self, condition, seconds=300):
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, (self.folder / "said").read_text() + str(paced.states(self.folder))
            time.sleep(0.1)

    def state(self, seed):
        return paced.states(self.folder).get(seed)

    def job_of(self, seed):
        """The number in Slurm of the run of this seed."""
        (info,) = self.folder.glob(f"outputs/paced/*-s{seed}-*/run.json")
        key = json.loads(info.read_text())["config_hash"][:16]
        (order,) = self.folder.glob(f"outputs/paced/.engine/{key}-*.order.json")
        return json.loads(order.read_text())["job"]


def test_a_detached_study_is_found_again_and_ends_as_one_of_this_machine(tmp_path, slurm):
    here = Study(tmp_path / "here", slurm)
    assert here.call(*paced.typed(3, fails=2), "--jobs", "2")[0] == 3
    there = Study(tmp_path / "there", slurm, {0: 1.0, 1: 0.2})
    code, said = there.call(*paced.typed(3, fails=2), *SLURM, "--detach")
    assert code == 75 and "3 handed to Slurm as job" in said and "0 done, 0 running, 3 pending" in said, said
    there.wait(lambda: there.state(0) == "running")
    code, said = there.call(*paced.typed(3, fails=2), *SLURM, "--detach")
    assert code == 75 and "handed" not in said and "running: seed=0" in said, said

    driver = there.start(*paced.typed(3, fails=2), *SLURM)
    there.wait(lambda: there.state(1) == "complete")
    driver.kill()
    driver.wait()
    code, said = there.call(*paced.typed(3, fails=2), *SLURM)
    assert code == 3 and "1 of 3 runs failed: seed=2 (RuntimeError: injected)" in said, said
    assert paced.figures(there.folder) == paced.figures(here.folder)


def test_a_stop_cancels_what_waits_and_saves_what_runs(tmp_path, slurm):
    study = Study(tmp_path / "study", slurm, dict.fromkeys(range(3), 1.0))
    driver = study.start(*paced.typed(3), *SLURM)
    study.wait(lambda: "running" in paced.states(study.folder).values())
    driver.send_signal(signal.SIGTERM)
    assert driver.wait(timeout=100) == 75
    assert "run the same command again to go on" in (study.folder / "said").read_text()
    assert set(paced.states(study.folder).values()) <= {"interrupted"}
    assert not set(slurm.jobs().values()) & {"PENDING", "RUNNING"}


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (["engine.partition=hihg"], "the runs were not taken: invalid partition specified: hihg"),
        (["--gpus", "0"], "--gpus are of this machine"),
    ],
)
def test_what_slurm_would_not_take_is_one_line(tmp_path, slurm, typed, words):
    study = Study(tmp_path / "study", slurm)
    code, said = study.call(*paced.typed(2), *SLURM, *typed)
    assert code == 2 and words in said.splitlines()[-1], said
    assert not paced.states(study.folder)


@pytest.mark.long
def test_a_study_that_everything_happens_to_is_that_of_this_machine(tmp_path, slurm):
    """Twelve runs: one fails, one is preempted, one meets its time limit, one is cancelled; daemons and driver die."""
    typed = paced.typed(12, fails=3)
    here = Study(tmp_path / "here", slurm)
    assert here.call(*typed, "--jobs", "2")[0] == 3
    there = Study(tmp_path / "there", slurm, {0: 6.5, 1: 2.5, 2: 2.5, 4: 1.0})
    asked = [*SLURM, "engine.time=1", "engine.save=15"]
    driver = there.start(*typed, *asked)

    there.wait(lambda: there.state(0) == there.state(1) == "running")
    slurm.said("sbatch", "--partition=high", "--output=/dev/null", "--wrap=sleep 10")
    there.wait(lambda: restarts(slurm, there.job_of(0)) + restarts(slurm, there.job_of(1)))

    there.wait(lambda: there.state(2) == "running")
    slurm.said("scancel", there.job_of(2))
    there.wait(lambda: there.state(2) == "interrupted")

    slurm.kill("slurmctld")
    slurm.kill("slurmd")
    time.sleep(3)
    slurm.start("slurmctld")
    slurm.start("slurmd")

    there.wait(lambda: there.state(4) == "running")
    assert driver.poll() is None, (there.folder / "said").read_text()
    driver.kill()
    driver.wait()
    code, said = there.call(*typed, *asked)
    assert code == 3 and "1 of 12 runs failed: seed=3 (RuntimeError: injected)" in said, said
    limited = [job for job in slurm.jobs() if "has timed out" in log(there, job)]
    assert limited, "no run met its time limit"
    assert paced.figures(there.folder) == paced.figures(here.folder)


@pytest.mark.long
def test_where_75_asks_for_it_a_job_needs_no_engine(tmp_path, slurm):
    """The line of docs/engines.md, on a site with RequeueExit=75."""
    study = Study(tmp_path / "study", slurm, {0: 0.7})
    typed = " ".join(["train", "--plugins", "mine", *TINY, "study=paced", "hook=[paced]", "seed=0"])
    line = f"exec {sys.executable} -m tricktable {typed}"
    where = [f"--chdir={study.folder}", f"--output={study.folder}/said"]
    options = {"cwd": study.folder, "env": study.environment, "capture_output": True, "text": True}
    said = subprocess.run(["sbatch", "--requeue", *where, "--wrap", line], check=True, **options).stdout
    job = said.split()[-1]
    study.wait(lambda: study.state(0) == "running")
    slurm.said("scancel", "--batch", "--signal=USR1", job)
    study.wait(lambda: study.state(0) == "complete")
    assert restarts(slurm, job) == 1


def restarts(slurm, job):
    """How often a job was put back."""
    said = slurm.said("scontrol", "--oneliner", "show", "job", job)
    return int(re.search(r"Restarts=(\d+)", said)[1])


def log(study, job):
    """What submitit says of a job."""
    paths = study.folder.glob(f"outputs/paced/.engine/slurm/{job}_0_log.*")
    return "".join(path.read_text() for path in paths)
