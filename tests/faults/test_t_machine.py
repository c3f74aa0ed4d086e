"""Rows T: a clock that jumps, and odd surroundings."""

import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT
from tests.faults.forked import digest, run_of, tiny
from tricktable.runner.disk import record, runs

PLAIN = tiny("checkpoint.every=2")
YEAR = 365 * 86_400


@pytest.fixture(scope="module")
def plain(zygote, tmp_path_factory):
    return zygote.whole(tmp_path_factory.mktemp("plain"), PLAIN)


@pytest.mark.parametrize(
    "jumps", [[0, 3600], [0, -3600, 7200], [-50 * YEAR * 2], [0, -YEAR, YEAR]], ids=["forth", "back", "1970", "both"]
)
def test_t1_a_clock_that_jumps(zygote, tmp_path, held, plain, jumps):
    clock, stop = ("clock", {"jumps": jumps}), ("at_step", {"number": 5, "action": "signals", "numbers": [15]})
    assert zygote.train(tmp_path, PLAIN, inject=[clock, stop]).wait() == 75
    child = zygote.train(tmp_path, PLAIN, inject=[clock])
    assert child.wait() == 0, child.said
    assert all(row["images_per_second"] > 0 for row in record.read(run_of(tmp_path) / "metrics.csv"))
    held(1, digest(tmp_path) == plain[0] and runs.at(run_of(tmp_path)).damage == "")


@pytest.mark.faults
@pytest.mark.parametrize(
    ("name", "environment", "before"),
    [
        ("a b c", {}, ""),
        ("zażółć 図", {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, ""),
        ("/".join(["x" * 200] * 3), {}, ""),
        ("few files", {}, "ulimit -n 64; "),
        ("no home", {"HOME": "/nonexistent"}, ""),
        ("another zone", {"TZ": "Pacific/Kiritimati"}, ""),
    ],
)
def test_t6_odd_surroundings(tmp_path, held, plain, name, environment, before):
    folder = tmp_path / name
    folder.mkdir(parents=True)
    command = [sys.executable, "-m", "tricktable", "train", *PLAIN, "output.root=outputs"]
    around = {**os.environ, "PYTHONPATH": str(ROOT), "TRICKTABLE_CACHE": str(tmp_path / "cache"), **environment}
    done = subprocess.run(
        ["sh", "-c", f'{before}exec "$@"', "sh", *command],
        cwd=folder, env=around, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    held(1, digest(folder) == plain[0], name)


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ("optimizer.lr=0.07", False), ("seed=1", False), ("augment=[flip]", False), ("epochs=4", False),
        ("checkpoint.every=1", True), ("checkpoint.keep=3", True),
    ],
)  # fmt: skip
def test_t2_what_is_changed_before_a_resume(zygote, tmp_path, held, plain, change, same):
    """What can change a figure makes another run, and the one that was stopped stays as it is; what cannot goes on."""
    stop = ("at_step", {"number": 5, "action": "signals", "numbers": [15]})
    assert zygote.train(tmp_path, PLAIN, inject=[stop]).wait() == 75
    first = run_of(tmp_path)
    before = {path: path.read_bytes() for path in first.rglob("*") if path.is_file()}
    key = change.partition("=")[0]
    child = zygote.train(tmp_path, [*(each for each in PLAIN if not each.startswith(key + "=")), change])
    assert child.wait() == 0, child.said
    found = list((tmp_path / "outputs/default").iterdir())
    if same:
        held(1, len(found) == 1 and digest(tmp_path) == plain[0], change)
    else:
        untouched = before == {path: path.read_bytes() for path in first.rglob("*") if path.is_file()}
        held(1, len(found) == 2 and untouched, change)
