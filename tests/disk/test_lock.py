"""One process works in a run directory; the others are told which, and a killed one leaves it free."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tricktable.runner.disk import lock, rundir, runs
from tricktable.runner.disk.info import Identity
from tricktable.runner.errors import RunInUse

HASH = "0123456789abcdef" * 4
SAME = Identity(HASH, "f" * 64, {"models/resnet.py": "a" * 64})


def plan(root, identity=SAME):
    return rundir.find_or_plan(root, "study", "resnet8", identity)


def tree(folder):
    return {str(p): p.read_bytes() if p.is_file() else None for p in sorted(folder.rglob("*"))}


HOLD = """
import pathlib, sys, time
from tricktable.runner.disk import rundir
from tricktable.runner.disk.info import Identity
run = rundir.find_or_plan(pathlib.Path(sys.argv[1]), "study", "resnet8", Identity(*eval(sys.argv[2])))
while not pathlib.Path(sys.argv[3]).exists():
    time.sleep(0.001)
try:
    with run:
        run.set_state("running")
        print("has", run.path.name, flush=True)
        sys.stdin.read()
except rundir.lock.RunInUse as error:
    print("refused", error, flush=True)
"""


def holder(root, start, identity=SAME):
    """A process that opens the run once the file `start` is there, and holds it until its input ends."""
    told = repr((identity.config_hash, identity.fingerprint, dict(identity.code)))
    arguments = [sys.executable, "-c", HOLD, str(root), told, str(start)]
    return subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def finish(child):
    child.kill()
    child.wait()
    child.stdin.close()
    child.stdout.close()


def test_a_second_process_is_refused_until_the_first_is_gone(tmp_path):
    (tmp_path / "start").touch()
    child = holder(tmp_path / "outputs", tmp_path / "start")
    assert child.stdout.readline() == "has resnet8-01234567\n"
    run = plan(tmp_path / "outputs")
    assert run.read().state == "running" and not run.crashed and lock.in_use(run.path)
    before = tree(tmp_path)
    with pytest.raises(RunInUse, match=f"process {child.pid} on {socket.gethostname()} since 20"):
        run.open()
    assert tree(tmp_path) == before
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert run.crashed
    with plan(tmp_path / "outputs") as again:
        assert again.read().attempt == 2
    finish(child)


def test_of_eight_that_start_at_once_one_has_the_run(tmp_path):
    for trial in range(2):
        root, start = tmp_path / f"outputs{trial}", tmp_path / f"start{trial}"
        children = [holder(root, start) for _ in range(8)]
        time.sleep(0.4)
        start.touch()
        said = [child.stdout.readline().split()[0] for child in children]
        assert sorted(said) == ["has"] + ["refused"] * 7
        assert os.listdir(root / "study") == ["resnet8-01234567"]
        list(map(finish, children))


def test_eight_different_runs_of_one_name_have_eight_folders(tmp_path):
    others = [Identity(HASH, SAME.fingerprint, {"models/resnet.py": str(i)}) for i in range(8)]
    children = [holder(tmp_path / "outputs", tmp_path / "start", each) for each in others]
    time.sleep(0.4)
    (tmp_path / "start").touch()
    said = {child.stdout.readline() for child in children}
    assert len(said) == 8 and all(line.startswith("has ") for line in said)
    assert len(runs.under(tmp_path / "outputs", "study")) == len(os.listdir(tmp_path / "outputs" / "study")) == 8
    list(map(finish, children))


def test_a_lock_is_of_an_open_file_and_not_of_the_process(tmp_path):
    with plan(tmp_path) as run:
        other = plan(tmp_path)
        with pytest.raises(RunInUse):
            other.open()
        assert run.read().state == "planned"
    with other.open() as opened:
        assert opened is other


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"pid": "\\u001b[2J", "host": 1, "start": null}'])
def test_a_lock_file_with_odd_content_is_only_a_message(tmp_path, content):
    with plan(tmp_path) as run:
        (run.path / ".lock").write_bytes(content)
        with pytest.raises(RunInUse, match="in use by") as caught:
            plan(tmp_path).open()
        assert str(caught.value).isprintable()
    with plan(tmp_path) as again:
        assert again.exists


def test_a_forked_child_does_not_keep_the_lock(tmp_path):
    run = plan(tmp_path).open()
    ready, done = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        run.close()  # not its own any more
        os.write(ready[1], b"x")
        os.read(done[0], 1)
        os._exit(0)
    os.read(ready[0], 1)
    assert lock.in_use(run.path)
    run.close()
    assert not lock.in_use(run.path)
    os.write(done[1], b"x")
    os.waitpid(pid, 0)
    for end in (*ready, *done):
        os.close(end)


def test_a_process_that_is_started_does_not_keep_the_lock(tmp_path):
    run = plan(tmp_path).open()
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    child = subprocess.Popen([sys.executable, "-c", "print(flush=True); input()"], close_fds=False, bufsize=0, **pipes)
    run.close()
    assert child.stdout.read(1)  # it is another program now
    assert not lock.in_use(run.path)
    child.communicate(b"\n")


def test_looking_whether_it_is_in_use_disturbs_nobody(tmp_path):
    run = plan(tmp_path).open()
    run.close()
    assert not lock.in_use(run.path) and not lock.in_use(tmp_path / "none")
    with plan(tmp_path) as again:
        assert lock.in_use(again.path)


def test_a_kill_at_the_start_leaves_no_run_of_unknown_identity(tmp_path):
    code = HOLD.replace("try:", "import os; os.environ['TRICKTABLE_CRASH_AT'] = 'before-fsync:1'\ntry:")
    told = repr((SAME.config_hash, SAME.fingerprint, dict(SAME.code)))
    done = subprocess.run([sys.executable, "-c", code, tmp_path, told, Path(__file__)], check=False)
    assert done.returncode == -signal.SIGKILL
    run = plan(tmp_path)
    assert run.note == "" and run.path.name == "resnet8-01234567" and not run.exists


def test_a_lock_file_that_somebody_removes_lets_nobody_in(tmp_path):
    with plan(tmp_path) as run:
        (run.path / ".lock").unlink()
        assert lock.in_use(run.path)
        with pytest.raises(RunInUse), plan(tmp_path):
            pass
    assert not lock.in_use(run.path)
    with plan(tmp_path):
        pass
