"""Rows S: hostile inputs, met while an audit hook listens: refused in a line or made harmless, and none ran."""

import importlib.metadata
import json
import subprocess
import sys
import tomllib

import pytest

from tests.conftest import ROOT
from tests.faults.listener import Listener

ROWS = {
    "weights": "S1", "checkpoint": "S1", "config": "S2", "name": "S4", "archive": "S4", "image": "S6", "run and report": "S5",
}  # fmt: skip
# What a person names is looked at: whether it is a run, or a file of weights. Neither is, and nothing of them is shown.
LOOKED_AT = {"teacher": "read /etc", "weights": "read /etc/passwd"}


@pytest.mark.parametrize("every", [pytest.param(9, id="short"), pytest.param(1, id="all", marks=pytest.mark.faults)])
def test_s1_to_s6_nothing_hostile_runs_connects_or_leaves_its_folder(tmp_path, held, every):
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.hostile", str(tmp_path), str(every)],
        cwd=ROOT, capture_output=True, text=True, timeout=1500, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    met = [json.loads(line) for line in done.stdout.splitlines()]
    bad, kinds = [], {}
    for each in met:
        heard = [words for words in each["heard"] if not words.startswith(LOOKED_AT.get(each["name"], "nothing"))]
        good = each["end"] in ("refused", "neutralised") and not (
            heard or each["ran"] or each["told"] or "\n" in each["line"]
        )
        kinds.setdefault(each["kind"], []).append(good)
        bad += [] if good else [each]
    print(*bad, sep="\n")
    for kind, good in kinds.items():
        held(len(good), sum(good), f"{kind}", row=ROWS[kind])
    assert kinds.keys() == ROWS.keys() and (every > 1 or len(met) >= 200)


CONTROL = """
import json, os, pickle, sys
from tests.faults import payloads
from tests.faults.listener import Listener
os.makedirs(sys.argv[1] + "/inside")
listener, heard = Listener(sys.argv[1] + "/inside"), {}
for name, call in payloads.gadgets(sys.argv[1] + "/ran").items():
    data = pickle.dumps(call)
    listener.heard, listener.armed = [], True
    try:
        pickle.loads(data)
    except BaseException:
        pass
    listener.armed = False
    heard[name] = [words for words in listener.heard if "pickle.find_class" not in words]
print(json.dumps(heard))
"""


def test_s1_the_listener_hears_what_runs(tmp_path):
    """The same calls, unpickled by Python's own: each is heard, though `sys.exit` does nothing that is out of bounds."""
    done = subprocess.run(
        [sys.executable, "-c", CONTROL, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    heard = json.loads(done.stdout.splitlines()[-1])
    assert [name for name, words in heard.items() if not words] in (["sys.exit"], ["sys.exit", "import"])


def test_s7_dependencies_are_above_the_versions_with_known_holes(held):
    asked = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    floors = {"torch": (2, 10), "hydra-core": (1, 3, 8)}
    for name, least in floors.items():
        (line,) = [each for each in asked if each.startswith(name + ">")]
        assert tuple(map(int, line.split(">=")[1].split(",")[0].split("."))) >= least
        assert tuple(map(int, importlib.metadata.version(name).split("+")[0].split("."))) >= least
    held(1, not [each for each in asked if "lightning" in each], "floors; the advisories themselves are not asked")


def test_the_listener_has_bounds(tmp_path):
    """In the path's words: what begins alike is not below."""
    assert not Listener._below(None, str(tmp_path) + "-2/x", [str(tmp_path)])
    assert Listener._below(None, str(tmp_path / "x"), [str(tmp_path)])
