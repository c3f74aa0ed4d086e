"""Files are whole or absent, errors of the disk are one line, and JSON is strict."""

import errno
import json
import os
import subprocess
import sys
import time

import pytest

from tricktable.runner import terminal
from tricktable.runner.disk import atomic
from tricktable.runner.errors import StorageProblem


def failing(number, after=0):
    """An os.write or os.fsync that fails, the first `after` calls excepted."""
    calls = []

    def fail(*arguments):
        calls.append(arguments)
        if len(calls) > after:
            raise OSError(number, os.strerror(number))
        return len(arguments[1])

    return fail


def test_replace_puts_the_bytes_in_place_and_leaves_nothing_else(tmp_path):
    atomic.replace(tmp_path / "a.json", b"one")
    atomic.replace(tmp_path / "a.json", b"two")
    assert (tmp_path / "a.json").read_bytes() == b"two"
    assert os.listdir(tmp_path) == ["a.json"]


@pytest.mark.parametrize("call", ["write", "fsync", "replace"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EIO])
def test_a_failing_disk_is_one_line_and_the_old_file_stays(tmp_path, monkeypatch, call, number):
    path = tmp_path / "run.json"
    atomic.replace(path, b"old")
    monkeypatch.setattr(os, call, failing(number))
    with pytest.raises(StorageProblem) as caught:
        atomic.replace(path, b"new")
    monkeypatch.undo()
    line = str(caught.value)
    assert str(path) in line and "\n" not in line
    assert ("0.1 MB" in line) == (number == errno.ENOSPC)
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["run.json"]


def test_a_write_that_takes_a_part_is_continued(tmp_path, monkeypatch):
    write = os.write
    monkeypatch.setattr(os, "write", lambda handle, data: write(handle, bytes(data)[:3]))
    atomic.replace(tmp_path / "a", b"0123456789")
    assert (tmp_path / "a").read_bytes() == b"0123456789"


def test_a_folder_that_is_gone_is_not_made_again(tmp_path):
    with pytest.raises(StorageProblem, match="not there"):
        atomic.replace(tmp_path / "gone" / "run.json", b"")
    assert os.listdir(tmp_path) == []


def test_a_size_limit_of_the_system_is_one_line(tmp_path):
    code = (
        "import pathlib, resource, signal, sys; from tricktable.runner.disk import atomic\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try: atomic.replace(pathlib.Path(sys.argv[1]), b'x' * 2000)\n"
        "except atomic.StorageProblem as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "a"], capture_output=True, text=True, check=False)
    assert "larger than is allowed" in done.stdout and done.returncode == 0
    assert os.listdir(tmp_path) == []


def test_json_is_strict_and_floats_come_back_bit_for_bit():
    floats = [0.1, 1e-320, -0.0, 2**-1074, 1.7976931348623157e308, 1 / 3]
    data = atomic.dump({"b": floats, "a": [float("nan"), float("inf")], "n": None, "t": (1, True)})
    assert b"NaN" not in data and b"Infinity" not in data
    back = atomic.parse(data)
    assert [x.hex() for x in back["b"]] == [x.hex() for x in floats]
    assert back["a"] == [None, None] and list(back) == ["b", "a", "n", "t"] and back["t"] == [1, True]
    with pytest.raises(ValueError, match="NaN"):
        atomic.parse(b'{"a": NaN}')
    with pytest.raises(ValueError, match="mapping"):
        atomic.parse(b"[]")


@pytest.mark.parametrize("value", [{1: 2}, {"a": object()}, {"a": {3}}, {"a": b"x"}])
def test_what_json_would_change_is_refused(value):
    with pytest.raises(TypeError):
        atomic.dump(value)


def test_exact_json_keeps_nan_and_the_infinities():
    back = atomic.parse(atomic.dump({"a": [float("nan"), float("inf"), -float("inf")]}, exact=True), exact=True)
    assert list(map(repr, back["a"])) == ["nan", "inf", "-inf"]
    with pytest.raises(TypeError, match="reserved"):
        atomic.dump({"$float": "nan"}, exact=True)


def test_read_takes_plain_files_of_bounded_size_only(tmp_path):
    (tmp_path / "file").write_bytes(b"12345")
    (tmp_path / "link").symlink_to("file")
    os.mkfifo(tmp_path / "pipe")
    assert atomic.read(tmp_path / "file", 5) == b"12345"
    with pytest.raises(ValueError, match="more than"):
        atomic.read(tmp_path / "file", 4)
    with pytest.raises(OSError, match=r"symbolic|many levels"):
        atomic.read(tmp_path / "link", 5)
    with pytest.raises(ValueError, match="plain file"):
        atomic.read(tmp_path / "pipe", 5)


def test_sweep_removes_what_dead_processes_left(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    (tmp_path / f".tmp-{dead.pid}-ab").mkdir()
    (tmp_path / f".tmp-{dead.pid}-ab" / "file").touch()
    (tmp_path / f".tmp-{dead.pid}-cd").touch()
    (tmp_path / f".tmp-{dead.pid}-ef").symlink_to(tmp_path)
    (tmp_path / f".tmp-{os.getpid()}-ab").touch()
    kept = {f".tmp-{os.getppid()}-ab", ".tmp-1-xyz", "file"}
    for name in kept:
        (tmp_path / name).touch()
    atomic.sweep(tmp_path, age=3600)
    assert len(os.listdir(tmp_path)) == 7
    atomic.sweep(tmp_path)
    assert set(os.listdir(tmp_path)) == kept


def test_names_cannot_steer_a_terminal(capsys):
    terminal.say("\x1b[2Jrun\r\nnext\u202e é±×")
    assert capsys.readouterr().err == "\\x1b[2Jrun\\r\\nnext\\u202e é±×\n"


def test_a_closed_stderr_changes_nothing():
    code = "from tricktable.runner import terminal; import sys\nfor _ in range(9): terminal.say('x' * 9999)\nprint('went on')"
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    child.stderr.close()
    assert child.stdout.read() == b"went on\n"
    assert child.wait() == 0
    child.stdout.close()


def test_a_stderr_that_is_not_there_changes_nothing(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    terminal.say("nobody hears")


def test_a_kill_at_any_moment_of_replace_leaves_the_old_or_the_new(tmp_path):
    code = (
        "import itertools, pathlib, sys; from tricktable.runner.disk import atomic\n"
        "data = atomic.dump({'x': ['x' * 99] * 999})\n"
        "for i in itertools.count(): atomic.replace(pathlib.Path(sys.argv[1]), data)"
    )
    path = tmp_path / "run.json"
    for trial in range(5):
        child = subprocess.Popen([sys.executable, "-c", code, path])
        while not path.exists():
            time.sleep(0.005)
        time.sleep(0.01 + 0.013 * trial)
        child.kill()
        child.wait()
        assert len(json.loads(path.read_bytes())["x"]) == 999
        atomic.sweep(tmp_path)
        assert os.listdir(tmp_path) == ["run.json"]
        path.unlink()
