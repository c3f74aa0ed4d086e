"""The seal of a run that has ended, what it says of its files, and a kill while it is renewed."""

import os
import shutil
import signal

import pytest

from tricktable.runner.disk import atomic, meant, record, rundir, runs, seal
from tricktable.runner.disk.evaluation import Evaluation
from tricktable.runner.disk.info import Identity, RunInfo
from tricktable.runner.disk.summary import Result, Summary
from tricktable.runner.errors import StorageProblem

IDENTITY = Identity("0123456789abcdef" * 4, "sha256:b", {})


@pytest.fixture
def run(tmp_path):
    """A complete run as a process leaves it."""
    with rundir.find_or_plan(tmp_path, "study", "x", IDENTITY) as made:
        record.write_config(made.files.config, {"label": "x", "seed": 0})
        record.Metrics(made.files.metrics).append({"epoch": 1, "test_error": 1.5})
        result = Result(variant="final", inference="plain", test_error=1.5)
        Summary(id=made.path.name, results=(result,)).write(made.files.summary)
        made.set_state("running")
        assert RunInfo.read(made.path).seal == {}
        made.set_state("complete")
    return runs.at(made.path)


def later(inference):
    return Evaluation(variant="final", inference=inference, test_error=2.5, data="digits", fingerprint="sha256:c")


def test_a_run_that_ends_has_the_digests_of_its_files(run):
    assert set(run.info.seal) == {"config.yaml", "metrics.csv", "summary.json"} and run.damage == ""
    assert seal.damaged(run.files, run.info) == {}
    with rundir.find_or_plan(run.folder.parent.parent, "study", "x", IDENTITY) as again:
        assert RunInfo.read(again.path).seal == run.info.seal, "looking into a finished run leaves its seal"


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("summary.json", lambda data: data.replace(b"1.5", b"1.4"), seal.CHANGED),
        ("config.yaml", lambda data: data + b"# a word\n", seal.CHANGED),
        ("metrics.csv", lambda data: None, seal.GONE),
        ("evaluations.csv", lambda data: b"variant\n", seal.NEW),
    ],
)
def test_what_is_not_as_it_was_is_said(run, name, change, words):
    path = run.folder / name
    data = change(path.read_bytes() if path.exists() else b"")
    path.unlink(missing_ok=True) if data is None else path.write_bytes(data)
    found = runs.under(run.folder.parent.parent)
    (damaged,) = found
    assert damaged.damage == f"{name}: {words}" and seal.damaged(run.files, run.info) == {name: words}
    assert not found.whole(damaged) and [str(each) for each in found.unusable] == [f"study/{run.id}: {name}: {words}"]
    with pytest.raises(StorageProblem, match="makes them anew"):
        meant.one(str(run.folder), run.folder)


def test_a_copy_is_as_good_as_the_folder(run, tmp_path):
    copy = tmp_path / "elsewhere" / "of-this-name"
    shutil.copytree(run.folder, copy, copy_function=shutil.copyfile)
    assert runs.at(copy).damage == "" and runs.at(copy).evaluations == run.evaluations


def test_a_pipe_or_a_link_in_place_of_a_file_is_damage_and_hangs_nobody(run):
    for make in (os.mkfifo, lambda path: path.symlink_to("/dev/zero")):
        for path in run.files.sealed[1:3]:
            data = path.read_bytes()
            path.unlink()
            make(path)
            assert runs.at(run.folder).damage.startswith(path.name)
            path.unlink()
            path.write_bytes(data)
    assert runs.at(run.folder).damage == ""


@pytest.mark.parametrize("point", ["seal-pending:1", "before-fsync:2", "seal-replaced:1", None])
def test_a_kill_while_an_evaluation_is_added_loses_nothing_and_alarms_nobody(run, point):
    seal.renew(run.folder, "evaluations.csv", record.extended(run.files.evaluations, [vars(later("flip"))]))
    more = record.extended(run.files.evaluations, [vars(later("crops"))])
    child = os.fork()
    if not child:
        os.environ.pop("TRICKTABLE_CRASH_AT", None)
        if point:
            os.environ["TRICKTABLE_CRASH_AT"] = point
            atomic._passed.clear()
        seal.renew(run.folder, "evaluations.csv", more)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code == (-signal.SIGKILL if point else 0)
    now = runs.at(run.folder)
    assert now.damage == "" and [each.inference for each in now.evaluations] in (
        ["plain", "flip"],
        ["plain", "flip", "crops"],
    )
    seal.renew(run.folder, "evaluations.csv", more)
    assert runs.at(run.folder).damage == "" and len(runs.at(run.folder).evaluations) == 3


def test_a_run_of_an_earlier_version_has_no_seal_and_is_read(run):
    RunInfo(identity=IDENTITY, state="complete").write(run.folder)
    old = runs.at(run.folder)
    assert old.info.seal == {} and old.damage == ""
    for name, data in (
        ("summary.json", b"{"),
        ("metrics.csv", b"epoch,test_error\n1.5,2\n"),
        ("config.yaml", b"a: 1\n"),
    ):
        path = run.folder / name
        before = path.read_bytes()
        path.write_bytes(data)
        assert runs.at(run.folder).damage.startswith(name)
        path.write_bytes(before)


@pytest.mark.parametrize("key", ["digest", "seal", "state", "code"])
def test_a_key_of_run_json_that_is_another_is_damage(run, key):
    path = run.files.info
    path.write_bytes(path.read_bytes().replace(f'"{key}"'.encode(), f'"{key[:-1]}~"'.encode()))
    assert RunInfo.read(run.folder) is None
    (damage,) = runs.under(run.folder.parent.parent).damaged
    assert damage.what == "run.json: damaged (it is not as it was written (SHA-256))"


def test_a_run_whose_run_json_is_gone_is_accounted_for(run, tmp_path):
    run.files.info.unlink()
    assert [each.what for each in runs.under(tmp_path).damaged] == [f"run.json: {seal.GONE}"]
    (tmp_path / "study" / "y-00000000").mkdir()
    assert len(runs.under(tmp_path).damaged) == 2, "an empty folder of a run's name"
    (tmp_path / "study" / "report").mkdir()
    assert len(runs.under(tmp_path).damaged) == 2, "a folder of something else"
