"""A run has one folder, one process works in it, and names lead nowhere else."""

import errno
import json
import os
import socket
import subprocess
import sys

import pytest

from tricktable.runner.disk import atomic, rundir, runs
from tricktable.runner.disk.info import Identity, RunInfo
from tricktable.runner.errors import BadInput, StorageProblem

HASH = "0123456789abcdef" * 4
SAME = Identity(HASH, "sha256:" + "f" * 64, {"models/resnet.py": "a" * 64, "tricks/loss/cross_entropy.py": "b" * 64})
OTHER_CODE = Identity(HASH, SAME.fingerprint, {**SAME.code, "models/resnet.py": "c" * 64})
OTHER_DATA = Identity(HASH, "sha256:" + "e" * 64, SAME.code)


def plan(root, identity=SAME, slug="resnet8", study="study"):
    return rundir.find_or_plan(root, study, slug, identity)


def made(root, identity=SAME, **options):
    """The path of a run that was opened and closed."""
    with plan(root, identity, **options) as run:
        return run.path


def tree(folder):
    return {str(p): p.read_bytes() if p.is_file() else None for p in sorted(folder.rglob("*"))}


def test_planning_creates_nothing(tmp_path):
    run = plan(tmp_path / "outputs")
    assert run.path == tmp_path / "outputs" / "study" / "resnet8-01234567"
    assert (run.exists, run.note, run.crashed) == (False, "", False)
    assert run.read() == RunInfo(identity=SAME) and run.read().state == "planned"
    assert os.listdir(tmp_path) == []


def test_a_new_run_says_what_it_is(tmp_path):
    with plan(tmp_path / "a" / "outputs") as run:
        assert run.read().state == "planned" and run.exists
        files = run.files
        assert sorted(os.listdir(run.path)) == [".lock", "run.json"] and os.listdir(run.path.parent) == [run.path.name]
        info = json.loads((run.path / "run.json").read_bytes())
        assert info["id"] == run.path.name and info["attempt"] == 1 and info["pid"] == os.getpid()
        assert info["host"] == socket.gethostname() and info["started"].endswith("+00:00")
        assert (info["config_hash"], info["fingerprint"], info["code"]) == (HASH, SAME.fingerprint, SAME.code)
        assert {p.parent for p in (files.config, files.metrics, files.summary, files.evaluations, files.log)} == {
            run.path
        }
        assert files.checkpoints == run.path / "checkpoints"


def test_states_and_progress_are_kept_over_attempts(tmp_path):
    with plan(tmp_path) as run:
        run.set_state("running", epoch=1, updates=10)
        run.set_state("interrupted", reason="SIGTERM", epoch=2)
    again = plan(tmp_path)
    assert again.exists and again.read().state == "interrupted" and again.note == ""
    with again:
        assert again.read().attempt == 2 and again.read().state == "interrupted"
        again.set_state("running")
        info = again.read()
        assert (info.epoch, info.updates, info.reason) == (2, 10, None)
        with pytest.raises(AssertionError):
            again.set_state("done")
        with pytest.raises(AssertionError):
            again.set_state("running", config_hash="x")
    assert again.crashed  # it says that it runs, and nobody holds it


def test_the_same_run_is_found_under_another_slug(tmp_path):
    path = made(tmp_path)
    assert plan(tmp_path, slug="renamed").path == path
    assert plan(tmp_path, study="other").path != path
    another = plan(tmp_path, Identity("9" * 64, SAME.fingerprint, SAME.code))
    assert another.path.name == "resnet8-99999999" and another.note == ""


def test_other_code_or_data_makes_a_run_stale_and_a_new_one_beside(tmp_path):
    path = made(tmp_path)
    run = plan(tmp_path, OTHER_CODE)
    assert run.path.name == f"{path.name}-2" and not run.exists
    assert f"{path.name} is stale: models/resnet.py changed since" in run.note and "\n" not in run.note
    made(tmp_path, OTHER_CODE)
    third = plan(tmp_path, OTHER_DATA)
    assert third.path.name == f"{path.name}-3" and "other data (ffffffff, now eeeeeeee)" in third.note
    assert plan(tmp_path, OTHER_CODE).path.name == f"{path.name}-2"
    assert plan(tmp_path).path == path
    fewer = Identity(HASH, SAME.fingerprint, {"models/resnet.py": "a" * 64})
    assert "tricks/loss/cross_entropy.py changed" in plan(tmp_path, fewer).note


def test_a_hash_that_is_alike_by_chance_is_another_run(tmp_path):
    path = made(tmp_path)
    run = plan(tmp_path, Identity(HASH[:8] + "0" * 56, SAME.fingerprint, SAME.code))
    assert run.path.name == f"{path.name}-2" and run.note == ""


@pytest.mark.parametrize(
    "data", [None, b"", b"{", b"[]", b"{}", b"\xff", b"[" * 100_000, b'{"config_hash": 1}', b'{"a": NaN}', b"\0" * 4096]
)
def test_a_run_that_does_not_say_which_it_is_is_not_reused(tmp_path, data):
    path = made(tmp_path)
    (path / "run.json").unlink()
    if data is not None:
        (path / "run.json").write_bytes(data)
    before = tree(tmp_path)
    run = plan(tmp_path)
    assert run.path.name == f"{path.name}-2" and f"{path.name} has no readable run.json" in run.note
    assert len(runs.under(tmp_path, "study")) == 0
    with run:
        assert {name: data for name, data in tree(tmp_path).items() if f"{path.name}-2" not in name} == before


def test_a_very_large_run_json_is_not_read(tmp_path):
    path = made(tmp_path)
    os.truncate(path / "run.json", 1 << 40)
    assert "no readable run.json" in plan(tmp_path).note


HOSTILE = [
    "", ".", "..", "../x", "/etc", "a/b", "~", "a\0b", "a\nb", "study\n", "-rf", "x" * 101, "stüdy", "a b", "$(id)",
    ".hidden", "\u202ea", "a\\b", "*", "con:", "а",  # the last one is Cyrillic
]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_refused_in_one_line(tmp_path, name):
    for use in (lambda: plan(tmp_path, study=name), lambda: runs.under(tmp_path, name)):
        with pytest.raises(BadInput, match="study=") as caught:
            use()
        line = str(caught.value)
        assert line.isprintable() and len(line) < 300
    if len(name) <= 100:
        with pytest.raises(BadInput, match="run name"):
            plan(tmp_path, slug=name)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", ["a", "A1._+-", "x" * 100, "9.5"])
def test_harmless_names_are_taken(tmp_path, name):
    assert made(tmp_path, study=name, slug=name) == tmp_path / name / f"{name}-01234567"


def test_a_long_slug_is_cut(tmp_path):
    assert made(tmp_path, slug="x" * 5000).name == "x" * 100 + "-01234567"


def test_links_are_refused(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "root" / "real").mkdir(parents=True)
    (tmp_path / "root" / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "root" / "real" / "resnet8-01234567").symlink_to(tmp_path / "elsewhere")
    for study in ("linked", "real"):
        with pytest.raises(BadInput, match="symbolic link"):
            plan(tmp_path / "root", study=study)
    with pytest.raises(BadInput, match="symbolic link"):
        runs.under(tmp_path / "root", "linked")
    assert os.listdir(tmp_path / "elsewhere") == []


def test_a_link_that_appears_after_planning_is_refused(tmp_path):
    path = made(tmp_path / "root")
    run, elsewhere = plan(tmp_path / "root"), tmp_path / "elsewhere"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)
    before = tree(elsewhere)
    with pytest.raises(BadInput, match="symbolic link"):
        run.open()
    assert tree(elsewhere) == before


def test_a_root_may_be_a_link(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "outputs").symlink_to(tmp_path / "disk")
    assert made(tmp_path / "outputs").is_dir()


def test_files_and_foreign_folders_are_passed_over(tmp_path):
    path, second = made(tmp_path), made(tmp_path, OTHER_CODE)
    (tmp_path / "study" / "notes.txt").touch()
    (tmp_path / "study" / "foreign").mkdir()
    (tmp_path / "study" / "link").symlink_to(path)
    (tmp_path / "study" / f".tmp-1-{HASH[:8]}").mkdir()
    (tmp_path / "study" / f"file-{HASH[:8]}").touch()
    found = runs.under(tmp_path, "study")
    assert [run.folder for run in found] == [path, second] and found.runs[0].state == "planned"
    assert plan(tmp_path).path == path
    assert len(runs.under(tmp_path, "none")) == 0 and len(runs.under(tmp_path / "none", "none")) == 0
    (tmp_path / "file").touch()
    assert len(runs.under(tmp_path, "file")) == 0


def test_a_name_that_a_file_has_is_not_taken(tmp_path):
    (tmp_path / "study").mkdir()
    run = plan(tmp_path)
    run.path.touch()
    with run:
        assert run.path.name == "resnet8-01234567-2"


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.ENOSPC])
def test_a_root_that_cannot_be_written_is_one_line_and_nothing_is_made(tmp_path, monkeypatch, number):
    def fail(*arguments, **options):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "mkdir", fail)
    with pytest.raises(StorageProblem, match=str(tmp_path)) as caught:
        plan(tmp_path / "outputs").open()
    monkeypatch.undo()
    assert "\n" not in str(caught.value) and os.listdir(tmp_path) == []


def test_a_root_that_is_a_file_is_one_line(tmp_path):
    (tmp_path / "outputs").touch()
    with pytest.raises(StorageProblem, match="not a folder"):
        made(tmp_path / "outputs")


@pytest.mark.parametrize("call", ["write", "fsync", "rename", "replace"])
def test_a_disk_that_fails_at_the_start_leaves_nothing(tmp_path, monkeypatch, call):
    run = plan(tmp_path)

    def fail(*arguments, **options):
        raise OSError(errno.ENOSPC, "")

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(StorageProblem, match="no space left"):
        run.open()
    monkeypatch.undo()
    assert os.listdir(tmp_path / "study") == []
    with run.open():
        assert run.read().state == "planned"


def test_a_disk_that_fails_later_keeps_the_state(tmp_path, monkeypatch):
    def fail(*arguments):
        raise OSError(errno.EIO, "")

    with plan(tmp_path) as run:
        run.set_state("running", epoch=1)
        monkeypatch.setattr(os, "write", fail)
        with pytest.raises(StorageProblem, match=r"run\.json"):
            run.set_state("running", epoch=2)
        monkeypatch.undo()
        assert run.read().epoch == 1


def test_a_folder_that_is_gone_is_not_made_again(tmp_path):
    with plan(tmp_path) as run:
        run.path.rename(tmp_path / "moved")
        with pytest.raises(StorageProblem, match="not there"):
            run.set_state("running")
        assert not run.path.exists()
    gone = plan(tmp_path)
    gone.exists = True
    with pytest.raises(StorageProblem, match="not there"):
        gone.open()


def test_what_killed_processes_left_is_swept(tmp_path):
    path = made(tmp_path)
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    (path / f".tmp-{dead.pid}-ab").touch()
    young, old = (tmp_path / "study" / f".tmp-{dead.pid}-{end}" for end in ("ab", "cd"))
    young.mkdir()
    old.mkdir()
    os.utime(old, (0, 0))
    made(tmp_path)
    assert sorted(os.listdir(path)) == [".lock", "run.json"]
    assert young.exists() and not old.exists()  # another machine may be at the young one


def test_runs_reads_while_states_change(tmp_path):
    with plan(tmp_path) as run:
        for epoch in range(50):
            run.set_state("running", epoch=epoch)
            (stored,) = runs.under(tmp_path, "study")
            assert stored.info.epoch == epoch


def test_json_of_a_run_holds_strict_json(tmp_path):
    with plan(tmp_path) as run:
        run.set_state("diverged", reason="loss is nan\n\x1b[2J", epoch=float("nan"))
        data = run.path.joinpath("run.json").read_bytes()
    assert atomic.parse(data)["epoch"] is None and b"\x1b" not in data
