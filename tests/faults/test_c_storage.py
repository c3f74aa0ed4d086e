"""Rows C: a disk that is full, read-only, broken or gone: exit code 7, one line, and nothing is lost."""

import itertools
import json
import os
import shutil
import signal
import subprocess
import sys

import pytest

from tests.conftest import ROOT
from tests.faults.forked import digest, left_over, run_of, tiny
from tests.faults.trials import several

KEPT = 2
PLAIN = tiny("checkpoint.every=2", f"checkpoint.keep={KEPT}", "epochs=2", "hook=[ema]")
CALLS = ("write", "fsync", "replace", "rename", "mkdir", "open")


@pytest.fixture(scope="module")
def plain(zygote, tmp_path_factory):
    return zygote.whole(tmp_path_factory.mktemp("plain"), PLAIN)


@pytest.fixture(scope="module")
def counts(zygote, tmp_path_factory):
    """How often a run calls each of the functions by which it writes."""
    folder = tmp_path_factory.mktemp("counted")
    path = folder / "counts.json"
    child = zygote.train(folder, PLAIN, inject=[("counting", {"path": str(path), "calls": CALLS})])
    assert child.wait() == 0, child.said
    return json.loads(path.read_text())


def fails(zygote, folder, plain, inject):
    """Whether a run with this fault ends with 7 and one line, and goes on to the same end once it is over.

    It ends with 0 where all that could not be done was to remove a checkpoint that is not needed any more.
    """
    child = zygote.train(folder, PLAIN, inject=[inject])
    code, lines = child.wait(), [line for line in child.said.splitlines() if line.startswith("tricktable: ")]
    again = zygote.train(folder, PLAIN)
    stays = code == 0 and len([*(run_of(folder) / "checkpoints").glob("step_*")]) == 1 + KEPT
    good = stays or (code == 7 and len(lines) == 1 and "Traceback" not in child.said.split("tricktable: ")[0])
    good = good and again.wait() == 0 and digest(folder) == plain[0] and not left_over(folder)
    if good:
        shutil.rmtree(folder)
    else:
        print(f"{inject}: exit {code}, then {again.code}, in {folder}: {child.said[-1500:]}")
    return good


def each_call(counts, names, codes, short):
    """(call, number, code): every call once, the codes in turn; `short`: a few of each function."""
    turn = itertools.cycle(codes)
    for name in names:
        step = max(1, counts[name] // 2) if short else 1
        for number in range(1, counts[name] + 1, step):
            yield name, number, next(turn)


@pytest.mark.parametrize("part", ["short", *(pytest.param(i, marks=pytest.mark.faults) for i in range(4))])
def test_c1_a_disk_that_fills_or_turns_read_only_at_any_call(zygote, tmp_path, held, plain, counts, part):
    names, codes = ("write", "mkdir", "rename", "replace"), ("ENOSPC", "EROFS", "EDQUOT")
    faults = list(each_call(counts, names, codes, part == "short"))
    faults = faults[::2] if part == "short" else faults[part::4]
    good = 0
    for i, (call, number, code) in enumerate(faults):
        fault = {"call": call, "number": number, "code": code, "lasting": True}
        good += fails(zygote, tmp_path / str(i), plain, ("failing", fault))
    held(len(faults), good, f"a call each of {', '.join(names)}")


@pytest.mark.parametrize("part", ["short", *(pytest.param(i, marks=pytest.mark.faults) for i in range(4))])
def test_c3_an_input_output_error_at_any_write_and_fsync(zygote, tmp_path, held, plain, counts, part):
    faults = list(each_call(counts, ("write", "fsync"), ("EIO",), part == "short"))
    faults = faults[::2] if part == "short" else faults[part::4]
    good = 0
    for i, (call, number, code) in enumerate(faults):
        good += fails(zygote, tmp_path / str(i), plain, ("failing", {"call": call, "number": number, "code": code}))
    held(len(faults), good, "a call each of write and fsync")


def in_a_small_disk(folder, size, options=""):
    """A run on a file system of so many bytes, and again when it has grown; both exit codes and what was said."""
    folder.mkdir()
    typed = [sys.executable, "-m", "tricktable", "train", *PLAIN, "output.root=outputs"]
    script = (
        f'mount -t tmpfs -o size={size} none "{folder}" && cd "{folder}"; "$@"; echo "first $?"\n'
        f'mount -o remount,size=64m "{folder}"; "$@"; echo "second $?"; cp -r outputs "{folder.parent}/outputs"'
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TRICKTABLE_CACHE": str(folder.parent / "cache")}
    done = subprocess.run(
        ["unshare", "-Urm", "sh", "-c", script, "sh", *typed],
        env=environment, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    return done.stdout, done.stderr


def can_mount(folder):
    command = ["unshare", "-Urm", "mount", "-t", "tmpfs", "none", str(folder)]
    return shutil.which("unshare") and subprocess.run(command, check=False, capture_output=True).returncode == 0


@pytest.mark.faults
@pytest.mark.parametrize("size", ["100k", "400k", "1000k", "1500k"])
def test_c1_a_real_file_system_that_is_full(tmp_path, held, plain, size):
    if not can_mount(tmp_path):
        pytest.skip("may not mount a file system")
    said, errors = in_a_small_disk(tmp_path / "disk", size)
    assert "first 7\n" in said and "no space left on the device" in errors, said + errors
    assert "second 0\n" in said, said + errors
    held(1, digest(tmp_path) == plain[0], "with a real tmpfs")


@pytest.mark.parametrize("call", ["mkdir", "open", "write"])
def test_c2_a_folder_that_may_not_be_written(zygote, tmp_path, held, call):
    """Before any training, and nothing is made."""
    fault = {"call": call, "number": 1, "code": "EROFS", "lasting": True}
    child = zygote.train(tmp_path, PLAIN, inject=[("failing", fault)])
    assert child.wait() == 7 and "read-only" in child.said, child.said
    held(1, "epoch" not in child.said and run_of(tmp_path) is None)


@pytest.mark.parametrize("step", [1, 5])
@pytest.mark.parametrize("what", ["run", "study", "checkpoints"])
def test_c4_a_folder_that_is_removed_while_it_runs(zygote, tmp_path, held, plain, step, what):
    """No half of a run is made again; the same command makes it whole."""
    name = zygote_name(zygote, tmp_path)
    paths = {
        "run": f"outputs/default/{name}",
        "study": "outputs/default",
        "checkpoints": f"outputs/default/{name}/checkpoints",
    }
    folder = tmp_path / "run"
    remove = {"number": step, "action": "remove", "folder": str(folder / paths[what])}
    if what == "checkpoints" and step == 1:
        remove["number"] = 3  # there are none before
    child = zygote.train(folder, PLAIN, inject=[("at_step", remove)])
    if what == "checkpoints":  # the next save makes it again, for the run is there
        assert child.wait() == 0, child.said
    else:
        assert child.wait() == 7 and child.said.count("tricktable: ") == 1 and run_of(folder) is None, child.said
    again = zygote.train(folder, PLAIN)
    held(1, again.wait() == 0 and digest(folder) == plain[0], f"the {what} removed")


def zygote_name(zygote, folder):
    """How the folder of such a run is called."""
    stop = ("at_step", {"number": 1, "action": "signals", "numbers": [signal.SIGKILL]})
    zygote.train(folder / "name", PLAIN, inject=[stop]).wait()
    return run_of(folder / "name").name


@pytest.mark.parametrize("steps", several(2, 8))
def test_c5_a_lease_runs_out_while_it_trains(zygote, tmp_path, held, plain, steps):
    good = 0
    for step in steps:
        folder = tmp_path / str(step)
        child = zygote.train(folder, PLAIN, inject=[("at_step", {"number": step + 1, "action": "lose lease"})])
        code, lines = child.wait(), [line for line in child.said.splitlines() if line.startswith("tricktable: ")]
        told = json.loads((run_of(folder) / "run.json").read_text())
        refused = code == 7 and len(lines) == 1 and "lock cannot be kept" in lines[0] and told["state"] == "running"
        again = zygote.train(folder, PLAIN)
        good += refused and again.wait() == 0 and digest(folder) == plain[0]
    held(len(steps), good, "steps at which it ran out")


def test_c6_files_that_are_stale_at_first(zygote, tmp_path, held, plain):
    child = zygote.train(tmp_path, PLAIN, inject=[("stale", {"times": 1})])
    held(1, child.wait() == 0 and digest(tmp_path) == plain[0])
