"""A hook of one's own by which a test says how long a run takes, and which one fails; a study's runs, to be compared."""

import csv
import json

from tests.conftest import TINY

HOOK = '''"""Takes its time, as pace.json in the present folder says by seed, and fails where it is told to."""

import json
import pathlib
import time


class Paced:
    """fails: the seed of the run that fails in its second epoch."""

    def __init__(self, fails: int = -1) -> None:
        self.fails = fails

    def on_step(self, run) -> None:
        if run.seed == self.fails and run.clock.epoch == 1:
            raise RuntimeError("injected")
        path = pathlib.Path("pace.json")
        time.sleep(json.loads(path.read_text()).get(str(run.seed), 0) if path.exists() else 0)
'''
YAML = """# @package hook.paced
# takes its time
name: paced
fails: -1
"""
STEPS = 12  # of a run: three epochs of four


def write(folder, pace=None):
    """The hook, and how long each step of a run takes."""
    for path, text in (("tricks/hook/paced.py", HOOK), ("configs/hook/paced.yaml", YAML)):
        (folder / "mine" / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / "mine" / path).write_text(text)
    if pace:
        (folder / "pace.json").write_text(json.dumps(pace))


def typed(runs, fails=-1):
    """What is typed for a study of so many runs."""
    study = ["study=paced", "checkpoint.every=1", "hook=[paced]", f"hook.paced.fails={fails}", f"seed=range({runs})"]
    return ["train", "-m", "--plugins", "mine", *TINY, *study]


def states(folder):
    """The state of each run by its seed."""
    return {_seed(path): json.loads(path.read_text())["state"] for path in folder.glob("outputs/paced/*/run.json")}


def figures(folder):
    """All that a study comes to, bit for bit: its table; of each run its name, its figures, its weights, its rows."""
    found = {}
    for path in folder.glob("outputs/paced/*/summary.json"):
        summary = json.loads(path.read_text())
        with open(path.parent / "metrics.csv", newline="") as file:
            rows = [{**row, "images_per_second": None} for row in csv.DictReader(file)]
        found[path.parent.name] = [
            rows,
            *(summary[name] for name in ("results", "weights_sha256", "updates", "compute")),
        ]
    return (folder / "outputs/paced/table.csv").read_text(), found


def _seed(path):
    return int(path.parent.name.rpartition("-s")[2].partition("-")[0])
