"""A campaign whose driver is killed three times: nothing is lost, nothing is run twice, and what is kept is whole."""

import csv
import os
import signal
import subprocess
import sys
import time

import yaml

from tests.papers.test_chains_killed import complete
from tests.report.test_campaign import NAME, RECIPE
from tricktable.runner.disk.runs import under

KILLS = (1, 2, 3)  # as soon as so many runs are complete
DRIVER = """
import pathlib, sys
from tricktable.runner.papers import campaign, recipe
folder = pathlib.Path(sys.argv.pop(1))
recipe.TABLES, campaign.CONFIGS = folder / "table", folder
from tricktable.runner.cli import main
main(sys.argv[1:])
"""


def start(folder):
    """The command in a session of its own, so that it can be killed with its runs, as a machine that goes down."""
    typed = ["reproduce", "--budget", "smoke", "--results", f"{folder}/results", f"output.root={folder}/outputs"]
    command = [sys.executable, "-c", DRIVER, str(folder), *typed, "compute=cpu", "compute.threads=1"]
    return subprocess.Popen(command, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def test_nothing_is_lost_or_repeated(tmp_path):
    path = tmp_path / "table" / f"{NAME}.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(RECIPE)
    first = {"table": NAME, "rows": ["orig*"], "reason": "It is first."}
    (tmp_path / "campaign.yaml").write_text(yaml.safe_dump({"rates": {"cpu": 1.0e9}, "tables": [first]}))
    before = {}
    for after in KILLS:
        process = start(tmp_path)
        while process.poll() is None and len(complete(tmp_path)) < after:
            time.sleep(0.02)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        found = complete(tmp_path)
        assert before.items() <= found.items(), "a complete run was touched"
        before = found
    process = start(tmp_path)
    said = process.communicate()[0].decode()
    assert process.returncode == 0, said
    found = complete(tmp_path)
    assert before.items() <= found.items() and len(found) == len(under(tmp_path / "outputs")) == 4, said
    again = [run.info.attempt - 1 for run in under(tmp_path / "outputs")]
    assert sum(again) <= len(KILLS), "only what a kill found running was begun again"
    kept = tmp_path / "results" / NAME / "smoke"
    rows = [(row["row"], row["seed"], row["state"]) for row in csv.DictReader((kept / "runs.csv").open())]
    assert rows == [(label, seed, "complete") for label in ("original", "increasing_batch") for seed in "01"]
    assert (kept / "report.html").is_file()
    for each in kept.glob("*.[mchl]*"):
        assert str(tmp_path) not in each.read_text(), each.name
