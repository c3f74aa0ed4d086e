"""What a folder does that several hosts share by a network: stale handles, late news, locks that are lost."""

import errno
import json
import os
import re
import socket
from pathlib import Path

import pytest

from tests.disk.test_lock import SAME, plan
from tests.faults import injected
from tricktable.runner.disk import atomic, lock, mounts, rundir, runs
from tricktable.runner.disk.info import RunInfo
from tricktable.runner.errors import RunInUse, StorageProblem


@pytest.fixture
def pauses(monkeypatch):
    """What was waited, in seconds; nobody waits."""
    waited = []
    monkeypatch.setattr(atomic.time, "sleep", waited.append)
    return waited


@pytest.fixture
def made(tmp_path):
    with plan(tmp_path) as run:
        run.set_state("running", epoch=1)
    return run


def stale(monkeypatch, times, code=errno.ESTALE, name="run.json"):
    """Opening run.json fails so many times."""
    real, left = os.open, [times]

    def fails(path, *arguments, **options):
        if str(path).endswith(name) and left[0]:
            left[0] -= 1
            raise OSError(code, os.strerror(code))
        return real(path, *arguments, **options)

    monkeypatch.setattr(os, "open", fails)


def test_what_another_host_replaces_is_read_in_the_end(made, monkeypatch, pauses):
    stale(monkeypatch, len(atomic.PAUSES))
    assert made.read().epoch == 1
    assert pauses == list(atomic.PAUSES), "immediate tries fail as well"


def test_a_handle_that_stays_stale_while_it_is_read_is_tried_again(made, monkeypatch, pauses):
    real, left = os.fstat, [2]

    def fails(handle):
        if left[0]:
            left[0] -= 1
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
        return real(handle)

    monkeypatch.setattr(os, "fstat", fails)
    assert made.read().epoch == 1 and len(pauses) == 2


@pytest.mark.parametrize("code", [errno.ESTALE, errno.EIO, errno.ETIMEDOUT, errno.EMFILE])
def test_a_run_that_cannot_be_read_for_now_is_never_absent(tmp_path, made, monkeypatch, pauses, code):
    stale(monkeypatch, 10**9, code)
    for ask in (made.read, lambda: plan(tmp_path), made.open, lambda: runs.at(made.path)):
        with pytest.raises(StorageProblem, match=r"run\.json: ") as caught:
            ask()
        assert "\n" not in str(caught.value)
    (damaged,) = runs.under(tmp_path).damaged
    assert "run.json" in damaged.what, "a table names it"
    monkeypatch.undo()
    assert plan(tmp_path).path == made.path and os.listdir(tmp_path / "study") == [made.path.name]


def test_a_run_that_another_host_made_is_found_however_late_its_name_is_seen(tmp_path, made, monkeypatch, pauses):
    injected.late(5)
    monkeypatch.setattr(rundir.time, "sleep", pauses.append)
    try:
        run = plan(tmp_path)
        assert not run.exists, "it is not seen yet"
        with run:
            assert run.path == made.path and run.read().attempt == 2
    finally:
        injected.late(0)
    assert pauses and os.listdir(tmp_path / "study") == [made.path.name]


def test_a_name_that_a_list_lacks_and_a_look_finds_is_no_other_run(tmp_path, made, monkeypatch):
    real = os.listdir
    monkeypatch.setattr(os, "listdir", lambda path: [each for each in real(path) if "resnet8" not in each])
    assert plan(tmp_path).path == made.path and plan(tmp_path).exists


def test_a_lost_lock_is_noticed_before_anything_is_written(made, monkeypatch):
    with made:
        before = (made.path / "run.json").read_bytes()
        made.fence()
        monkeypatch.setattr(os, "pwrite", injected.refused)
        for write in (made.fence, lambda: made.set_state("complete")):
            with pytest.raises(StorageProblem, match=r"\.lock: the run's lock cannot be kept .* nothing is written"):
                write()
        assert (made.path / "run.json").read_bytes() == before


def test_a_lock_that_is_named_another_s_by_now_is_not_written_over(made):
    with made:
        other = {**json.loads((made.path / ".lock").read_bytes()), "host": "elsewhere"}
        (made.path / ".lock").write_bytes(atomic.dump(other))
        with pytest.raises(RunInUse, match="the lock was lost; in use by process .* on elsewhere"):
            made.set_state("running", epoch=2)
        assert json.loads((made.path / ".lock").read_bytes()) == other
    assert made.read().epoch == 1


@pytest.mark.parametrize("content", [b"", b"{", b"x" * 3000])
def test_words_in_a_lock_that_name_nobody_are_put_right(made, content):
    with made:
        mine = (made.path / ".lock").read_bytes()
        (made.path / ".lock").write_bytes(content)
        made.set_state("running", epoch=2)
        assert (made.path / ".lock").read_bytes() == mine


def test_two_processes_of_one_number_have_locks_of_their_own(tmp_path):
    records = []
    for _ in range(2):
        handle = lock.take(tmp_path)
        records.append((tmp_path / ".lock").read_bytes())
        lock.release(handle)
    assert records[0] != records[1]


def test_a_process_s_number_counts_on_its_host(made):
    info, host = made.read(), socket.gethostname()
    assert info.is_of(os.getpid(), host) and not info.is_of(os.getpid() + 1, host)
    assert not info.is_of(os.getpid(), "elsewhere")


def test_what_other_hosts_write_is_swept_by_its_age_and_not_by_their_numbers(tmp_path):
    living = f".tmp-{os.getppid()}"
    mine, others, earlier = f"{living}-{atomic._HOST}{'a' * 12}", f"{living}-{'0' * 20}", f"{living}-{'0' * 12}"
    for name in (mine, others, earlier):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (0, 0))
    atomic.sweep(tmp_path, age=3600)
    assert set(os.listdir(tmp_path)) == {mine, earlier}, "a living process of this host, and of who knows which"


def test_an_age_is_by_the_clock_of_the_file_system(tmp_path, monkeypatch):
    name = f".tmp-1-{'0' * 20}"
    (tmp_path / name).touch()
    monkeypatch.setattr(atomic.time, "time", lambda: 1e11)  # this host's is far ahead
    atomic.sweep(tmp_path, age=3600)
    assert os.listdir(tmp_path) == [name]


LINE = "36 35 0:30 / {at} rw,relatime shared:1 - {kind} server:/x rw,{options}\n"


@pytest.mark.parametrize(
    ("kind", "options", "said"),
    [
        ("lustre", "localflock", "localflock"),
        ("lustre", "lazystatfs", "no flock option"),
        ("lustre", "flock", ""),
        ("nfs4", "vers=4.2,local_lock=none", ""),
        ("nfs4", "vers=4.2,local_lock=all", "local_lock=all"),
        ("nfs", "vers=3,nolock,local_lock=flock", "local_lock=flock"),
        ("beegfs", "cfgFile=/etc/beegfs", "tuneUseGlobalFileLocks is not set"),
        ("fuse.sshfs", "user_id=0", "each host has its own"),
        ("ext4", "errors=remount-ro", ""),
    ],
)
def test_locks_that_other_hosts_do_not_see_are_known_by_the_mount(tmp_path, kind, options, said):
    table = tmp_path / "mountinfo"
    at = str(tmp_path).replace("_", r"\137")
    text = "1 0 0:1 / / rw - ext4 /dev/x rw\nnonsense\n" + LINE.format(at=at, kind=kind, options=options)
    table.write_text(text)
    mount = mounts.of(tmp_path / "outputs" / "study", table)
    assert (mount.at, mount.kind) == (tmp_path, kind)
    assert mounts.local_locks(mount, tmp_path / "absent") == said
    assert mounts.of(Path("/"), table).kind == "ext4" and mounts.of(tmp_path, tmp_path / "none") is None


@pytest.mark.parametrize(("value", "is_global"), [("1", True), ("true", True), ("0", False), ("", False)])
def test_beegfs_tells_its_settings(tmp_path, value, is_global):
    (tmp_path / "client").mkdir()
    (tmp_path / "client" / "config").write_text(f"connPort = 1\ntuneUseGlobalFileLocks = {value}\n")
    beegfs = mounts.Mount(tmp_path, "beegfs", ())
    assert (mounts.local_locks(beegfs, tmp_path) == "") == is_global


def test_local_locks_are_one_warning_a_process(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(mounts, "of", lambda root: mounts.Mount(root, "lustre", ("localflock",)))
    for _ in range(2):
        with plan(tmp_path):
            pass
    (line,) = capsys.readouterr().err.splitlines()
    assert re.match(
        rf"warning: {re.escape(str(tmp_path))}: locks are this host's alone here \(lustre, localflock\)", line
    )


def test_no_run_is_made_twice_where_two_come_at_once(tmp_path, monkeypatch):
    """Another process makes the folder between the look for it and the making."""
    run = plan(tmp_path)
    with plan(tmp_path) as other:
        other.set_state("running")
    with run:
        assert run.path == other.path and RunInfo.read(run.path).attempt == 2
    assert run.identity == SAME and len(os.listdir(tmp_path / "study")) == 1
