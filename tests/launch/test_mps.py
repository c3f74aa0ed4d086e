"""Runs that share a GPU: MPS by a program that stands for NVIDIA's, and how many at once its memory has room for."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from tests import stub
from tests.conftest import ROOT
from tricktable.runner.disk import lock
from tricktable.runner.errors import BadInput
from tricktable.runner.launch import limits, mps, pool
from tricktable.runner.training import memory

# It writes down how it was called, and remembers its daemon by a file in the folder of pipes.
CONTROL = """#!{python} -S
import json, os, sys
said = "-d" if "-d" in sys.argv else sys.stdin.read().strip()
pipes = os.environ.get("CUDA_MPS_PIPE_DIRECTORY", "{default}")
seen = {{name: os.environ.get(name) for name in ("CUDA_MPS_PIPE_DIRECTORY", "CUDA_MPS_LOG_DIRECTORY", "CUDA_VISIBLE_DEVICES")}}
with open("{log}", "a") as file:
    file.write(json.dumps([said, seen]) + "\\n")
daemon = os.path.join(pipes, "daemon")
if said == "-d":
    if os.path.exists("{folder}/broken"):
        sys.exit("An instance of this daemon is already running")
    open(daemon, "w").close()
elif not os.path.exists(daemon):
    sys.exit("Cannot find MPS control daemon process")
elif said == "quit" and os.path.exists("{folder}/stubborn"):
    sys.exit(1)
elif said == "quit":
    os.remove(daemon)
elif said == "get_server_list" and not os.path.exists("{folder}/unreached"):
    print(4711)
"""


@pytest.fixture
def control(tmp_path, monkeypatch):
    """The program on the path, two GPUs for torch, and a folder of temporary files; what it was asked is in `calls`."""
    folder, temporary, default = (tmp_path / name for name in ("bin", "t", "default"))
    for each in (folder, temporary, default):
        each.mkdir()
    program = folder / "nvidia-cuda-mps-control"
    program.write_text(CONTROL.format(python=sys.executable, log=folder / "log", folder=folder, default=default))
    program.chmod(0o755)
    for name in ("CUDA_VISIBLE_DEVICES", "CUDA_MPS_PIPE_DIRECTORY", "CUDA_MPS_LOG_DIRECTORY", mps.SWITCH):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    monkeypatch.setattr(mps, "CLIENT", (sys.executable, "-S", "-c", ""))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda i: SimpleNamespace(uuid=f"{i}{i}"))

    def calls():
        return [json.loads(line) for line in (folder / "log").read_text().splitlines()]

    return SimpleNamespace(folder=folder, temporary=temporary, default=default, calls=calls)


def said(control):
    return [word for word, _ in control.calls()]


def test_a_launch_starts_it_tells_its_runs_and_ends_it(control, run, tmp_path, capsys):
    before = dict(os.environ)
    assert [each.state for each in run(range(4), gpus=(1,), parallel=2)] == ["complete"] * 4
    assert said(control) == ["get_server_list", "-d", "get_server_list", "quit"]
    (_, asked), (_, started), _, (_, quitted) = control.calls()
    assert asked["CUDA_MPS_PIPE_DIRECTORY"] is None, "whether one runs already is asked where the user has it"
    pipes = Path(started["CUDA_MPS_PIPE_DIRECTORY"])
    assert pipes.parent.parent == control.temporary and started["CUDA_MPS_LOG_DIRECTORY"] == str(pipes.parent / "log")
    assert started["CUDA_VISIBLE_DEVICES"] == "GPU-11", "it serves the launch's GPUs alone"
    assert quitted["CUDA_MPS_PIPE_DIRECTORY"] == str(pipes)
    assert {info["gpu"] for info in stub.infos(tmp_path).values()} == {"GPU-11"}, "the same name for run and daemon"
    assert not list(control.temporary.iterdir()) and dict(os.environ) == before
    assert (
        "runs share a GPU by MPS, started for this launch (TRICKTABLE_MPS=off is without it)" in capsys.readouterr().out
    )


def test_runs_find_it_by_their_environment(control, tmp_path):
    with mps.shared((0, 1), 3, lambda line: None):
        seen = subprocess.run(["env"], capture_output=True, text=True, check=True).stdout.splitlines()
    (folder,) = {Path(line.partition("=")[2]).parent for line in seen if line.startswith("CUDA_MPS_")}
    assert {f"CUDA_MPS_PIPE_DIRECTORY={folder}/pipe", f"CUDA_MPS_LOG_DIRECTORY={folder}/log"} <= set(seen)
    assert "CUDA_VISIBLE_DEVICES=GPU-00,GPU-11" in seen


@pytest.mark.parametrize(
    ("gpus", "at_once", "switch"), [((0,), 1, "auto"), ((0, 1), 2, "auto"), ((), 4, "auto"), ((0,), 4, "off")]
)
def test_there_is_none_where_runs_do_not_share_or_it_is_switched_off(control, monkeypatch, gpus, at_once, switch):
    monkeypatch.setenv(mps.SWITCH, switch)
    with mps.shared(gpus, at_once, pytest.fail):
        assert mps.PIPES not in os.environ
    assert not (control.folder / "log").exists()


def test_without_the_program_nothing_is_said(control, monkeypatch):
    monkeypatch.setenv("PATH", str(control.temporary))
    with mps.shared((0,), 4, pytest.fail):
        assert mps.PIPES not in os.environ


def test_a_switch_that_says_something_else_is_refused(control, monkeypatch, run, tmp_path):
    monkeypatch.setenv(mps.SWITCH, "on")
    with pytest.raises(BadInput, match="^TRICKTABLE_MPS: expected auto or off, got on$"):
        run([0, 1], gpus=(0,), parallel=2)
    assert not stub.starts(tmp_path)


def test_one_that_runs_already_is_used_and_left(control):
    (control.default / "daemon").touch()
    lines = []
    with mps.shared((0,), 2, lines.append):
        assert mps.PIPES not in os.environ and mps.VISIBLE not in os.environ
    assert said(control) == ["get_server_list"] and (control.default / "daemon").exists()
    assert lines == ["runs that share a GPU use the MPS that runs already"]


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ("broken", "An instance of this daemon is already running"),
        ("unreached", "a process does not reach it"),
        ("client", "RuntimeError: MPS client failed to connect"),
    ],
)
def test_where_it_does_not_work_runs_take_turns(control, run, tmp_path, monkeypatch, capsys, fault, why):
    (control.folder / fault).touch()
    if fault == "client":
        fails = (sys.executable, "-S", "-c", "raise RuntimeError('MPS client failed to connect')")
        monkeypatch.setattr(mps, "CLIENT", fails)
    assert [each.state for each in run(range(2), gpus=(0,), parallel=2)] == ["complete"] * 2
    assert f"note: MPS does not start ({why}); runs that share a GPU take turns" in capsys.readouterr().out
    assert {info["gpu"] for info in stub.infos(tmp_path).values()} == {"0"}
    assert not list(control.temporary.iterdir())


def test_one_that_does_not_end_is_said_with_the_command_that_ends_it(control):
    (control.folder / "stubborn").touch()
    lines = []
    with mps.shared((0,), 2, lines.append):
        pipes = os.environ[mps.PIPES]
    assert lines[-1] == f"note: MPS does not end; to end it: echo quit | {mps.PIPES}={pipes} nvidia-cuda-mps-control"
    assert Path(pipes).exists(), "where it still runs its folder stays"


def test_it_ends_with_a_launch_that_is_at_fault_itself(control):
    with pytest.raises(ZeroDivisionError), mps.shared((0,), 2, lambda line: None):
        raise ZeroDivisionError
    assert said(control)[-1] == "quit" and not list(control.temporary.iterdir())


LAUNCH = """
import sys, tempfile
from pathlib import Path
from types import SimpleNamespace
import torch
torch.cuda.device_count = lambda: 1
torch.cuda.get_device_properties = lambda i: SimpleNamespace(uuid="00")
from tests import stub
from tricktable.runner.launch import mps, pool
mps.CLIENT = (sys.executable, "-S", "-c", "")
tempfile.tempdir = sys.argv[2]
root = Path(sys.argv[1])
pool.launch([stub.job(root, seed) for seed in (0, 1)], gpus=(0,), parallel=2, command=stub.command(root))
"""


@pytest.fixture
def launched(control, tmp_path):
    """A launch of two slow runs in a process of its own, as soon as both train."""
    (tmp_path / "faults.json").write_text(json.dumps({"0": "slow", "1": "slow"}))
    command = [sys.executable, "-c", LAUNCH, str(tmp_path), str(control.temporary)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=ROOT)
    end = time.monotonic() + 300
    while [info.get("state") for info in stub.infos(tmp_path).values()] != ["running"] * 2:
        assert process.poll() is None and time.monotonic() < end, process.communicate()[1].decode()
        time.sleep(0.05)
    yield process
    process.kill()
    process.communicate()


def test_it_ends_with_a_launch_that_is_stopped(control, launched, tmp_path):
    launched.send_signal(signal.SIGTERM)
    launched.communicate(timeout=120)
    assert [info["state"] for info in stub.infos(tmp_path).values()] == ["interrupted"] * 2
    assert said(control) == ["get_server_list", "-d", "get_server_list", "quit"]
    assert not list(control.temporary.iterdir())


def test_what_a_killed_launch_left_is_ended_by_the_next(control, launched, tmp_path):
    (left,) = control.temporary.iterdir()
    for old in (left, *left.iterdir()):
        os.utime(old, (0, 0))
    with mps.shared((0,), 2, lambda line: None):
        assert left.exists(), "somebody has it"
    launched.kill()
    launched.wait()
    for info in stub.infos(tmp_path).values():
        os.kill(info["pid"], signal.SIGKILL)
    with mps.shared((0,), 2, lambda line: None):
        assert not left.exists()
    assert ["quit", str(left / "pipe")] in [[word, seen["CUDA_MPS_PIPE_DIRECTORY"]] for word, seen in control.calls()]


def test_a_folder_that_is_not_locked_yet_is_left(control):
    young = control.temporary / f"{mps.FOLDER}young"
    young.mkdir()
    with mps.shared((0,), 2, lambda line: None):
        assert young.exists()
    assert not lock.in_use(young)


@pytest.mark.parametrize("needs", [[1, 2, 3, 4], [10, 1, 1, 1, 1], [5, 5, 5], [30], [0, 0, 0], [4, 3, 3], [10, 10]])
@pytest.mark.parametrize("room", [5, 10, 11])
def test_whichever_runs_come_together_fit(needs, room):
    fit = limits.fitting(needs, room)
    biggest = sorted(needs)[::-1]
    assert fit == 1 or sum(biggest[:fit]) <= room
    assert fit == len(needs) or sum(biggest[: fit + 1]) > room


@pytest.mark.parametrize(
    ("gib", "parallel", "gpus", "expected"),
    [
        ([3] * 8, 8, (0,), 3),
        ([3] * 8, 8, (0, 1), 6),
        ([3] * 8, 3, (0,), 3),
        ([3] * 8, 2, (0, 1), 2),
        ([30] * 8, 8, (0,), 1),
        ([0] * 8, 8, (0,), 8),
        ([3] * 8, 8, (), 8),
        ([3, 3, 3], 8, (0,), 8),
        ([0, 0, 6, 6], 4, (0,), 1),
    ],
)
def test_as_many_at_once_as_a_gpus_memory_has_room_for(monkeypatch, gib, parallel, gpus, expected):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda gpu: ((10 + gpu) * 2**30, 80 * 2**30))
    lines = []
    bounds = limits.Limits(parallel, tuple((gpu,) for gpu in gpus), 1.0, 1.0, 1.0, True)
    assert limits.within_memory(bounds, [n * 2**30 for n in gib], lines.append).parallel == expected
    if expected < parallel:
        most = max(gib)
        assert lines == [
            f"{expected} run{'s' * (expected != 1)} at once, not {parallel}: one takes up to {most}.0 GiB, and 10.0 GiB of a GPU are free"
        ]
    else:
        assert not lines


def test_a_launch_runs_no_more_than_fit(control, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda gpu: (2**30, 2**31))
    (tmp_path / "faults.json").write_text(json.dumps({str(seed): "a while" for seed in range(3)}))
    jobs = [pool.replace(stub.job(tmp_path, seed), memory=2**30) for seed in range(3)]
    pool.launch(jobs, gpus=(0,), parallel=3, command=stub.command(tmp_path))
    spans = sorted((info["began"], info["ended"]) for info in stub.infos(tmp_path).values())
    assert all(first[1] <= second[0] for first, second in pairwise(spans))
    assert "1 run at once, not 3: one takes up to 1.0 GiB, and 1.0 GiB of a GPU are free" in capsys.readouterr().out
    assert not (control.folder / "log").exists(), "runs that take turns anyway need no MPS"


def test_what_a_run_takes():
    rest = memory.CONTEXT
    assert memory.needed(trained=1000, evaluated=400, stays=100, capture=False) == rest + 1100
    assert memory.needed(trained=1000, evaluated=400, stays=100, capture=True) == rest + 1430
    assert memory.needed(trained=1000, evaluated=2000, stays=100, capture=False) == rest + 2200


@pytest.mark.gpu
@pytest.mark.skipif(shutil.which(mps.CONTROL) is None, reason="needs nvidia-cuda-mps-control")
def test_a_process_computes_by_the_daemon_that_a_launch_starts(monkeypatch):
    monkeypatch.delenv(mps.SWITCH, raising=False)
    lines = []
    with mps.shared((0,), 2, lines.append):
        found = {name: os.environ.get(name) for name in (mps.PIPES, mps.VISIBLE)}
        environment = {**os.environ, mps.VISIBLE: (found[mps.VISIBLE] or "0").split(",")[0]}
        subprocess.run(mps.CLIENT, env=environment, check=True)
    assert len(lines) == 1 and ("started for this launch" in lines[0] or "runs already" in lines[0])
    assert found[mps.PIPES] is None or not Path(found[mps.PIPES]).exists()
