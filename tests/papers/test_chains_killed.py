"""A driver that is killed in any phase of a chain or a grid: the same command goes on, and nothing is run twice."""

import csv
import os
import signal
import subprocess
import sys
import time
from collections import Counter

import pytest

from tests.papers.test_chains import NAME
from tricktable.runner.disk.runs import under

CHAIN = """# a teacher, two that it teaches, and an ensemble of two runs
n: 1
shared: [data=digits, data.subset=6, model=resnet8, model.width=4, batch_size=16, epochs=3]
after: {teacher: {typed: [model.width=8]}}
rows:
  original: "not here"
  increasing_batch: [loss=distillation, loss.teacher=after.teacher]
  increased_initial_lr: ["init=[pretrained]", init.pretrained.source=after.student]
  increased_momentum: [optimizer.momentum=0.8]
together: {increased_momentum: 2}
results: {increased_momentum: [final, ensemble]}
budgets: {smoke: {}, short: {}, paper: {}}
""".replace("after: {teacher", "after: {student: {row: increasing_batch}, teacher")
GRID = """# a grid of three, and two seeds of its winner
n: 2
shared: [data=digits, data.subset=6, model=resnet8, model.width=4, batch_size=16, epochs=3]
tune: {grid: {optimizer.lr: [0.001, 0.01, 0.1]}, validation: 0.25}
rows: {increasing_batch: "no", increased_initial_lr: "no", increased_momentum: "no"}
budgets: {smoke: {}, short: {}, paper: {}}
"""
DRIVER = """
import pathlib, sys
from tricktable.runner.papers import recipe
recipe.TABLES = pathlib.Path(sys.argv.pop(1))
from tricktable.runner.cli import main
main(sys.argv[1:])
"""


def start(folder, text):
    """The command in a session of its own, so that it can be killed with its runs, as a machine that goes down."""
    path = folder / "table" / f"{NAME}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    typed = ["table", NAME, "--run", "--budget", "smoke", f"output.root={folder}/outputs", "compute.threads=1"]
    command = [sys.executable, "-c", DRIVER, str(folder / "table"), *typed]
    return subprocess.Popen(command, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def complete(folder):
    """When each complete run was, by its name."""
    runs = [run for run in under(folder / "outputs") if run.state == "complete"]
    return {run.id: run.files.summary.stat().st_mtime_ns for run in runs}


def killed(folder, text, after):
    """Kill the driver and its runs as soon as so many runs are complete; which were."""
    process = start(folder, text)
    try:
        while process.poll() is None and len(complete(folder)) < after:
            time.sleep(0.02)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    return complete(folder)


def whole(folder, text, kills, runs, evaluations):
    """After the kills the command ends well: every run is there once, none complete was touched, none evaluated twice."""
    before = {}
    for after in kills:
        found = killed(folder, text, after)
        assert before.items() <= found.items()
        before = found
    process = start(folder, text)
    said = process.communicate()[0].decode()
    assert process.returncode == 0, said
    found = complete(folder)
    assert len(found) == len(under(folder / "outputs")) == runs, said
    assert before.items() <= found.items()
    again = [run.info.attempt - 1 for run in under(folder / "outputs")]
    assert sum(again) <= len(kills)  # those that a kill found running
    made = []
    for path in (folder / "outputs").glob("*/*/evaluations.csv"):
        made += [tuple(row[k] for k in ("variant", "inference", "members")) for row in csv.DictReader(path.open())]
    assert len(made) == evaluations and set(Counter(made).values()) <= {1}


def test_a_chain_goes_on_where_it_was_killed(tmp_path):
    whole(tmp_path, CHAIN, kills=[1], runs=5, evaluations=1)


@pytest.mark.long
@pytest.mark.parametrize("after", range(6))
def test_a_chain_killed_in_each_phase(tmp_path, after):
    """After the last run its evaluation is the phase that is killed."""
    whole(tmp_path, CHAIN, kills=[after], runs=5, evaluations=1)


@pytest.mark.long
@pytest.mark.parametrize("after", range(6))
def test_a_grid_killed_in_each_phase(tmp_path, after):
    whole(tmp_path, GRID, kills=[after], runs=5, evaluations=0)


@pytest.mark.long
def test_a_driver_that_is_killed_again_and_again(tmp_path):
    whole(tmp_path, CHAIN, kills=[0, 1, 2, 3, 4, 5], runs=5, evaluations=1)
