"""How a run ends: failure, storage, divergence at a save, a stale run, expectations of the folder."""

import json
import shutil

import pytest
import torch
from torch import nn

from tests.conftest import TINY
from tricktable.runner.config.compose import compose
from tricktable.runner.disk import checkpoint, record, runs
from tricktable.runner.disk.epoch import EpochRow
from tricktable.runner.disk.rundir import find_or_plan
from tricktable.runner.disk.summary import Summary
from tricktable.runner.errors import CheckpointProblem, Diverged, RunFailed, RunInUse, StorageProblem
from tricktable.runner.training import job


@pytest.fixture
def execute(tmp_path, monkeypatch):
    """Run a tiny config with this folder as its root; `change(run)` may break it first."""
    prepare = job.prepare

    def run(*overrides, change=lambda run: None):
        def prepared(config, source):
            made, identity = prepare(config, source)
            change(made)
            return made, identity

        monkeypatch.setattr(job, "prepare", prepared)
        keys = {o.split("=")[0] for o in overrides}
        tiny = [t for t in TINY if t.split("=")[0] not in keys]
        return job.execute(compose([*tiny, f"output.root={tmp_path}", *overrides]))

    return run


def only_run(root):
    (found,) = [p for p in (root / "default").iterdir() if p.is_dir()]
    return found, json.loads((found / "run.json").read_text())


class Breaks:
    """A hook that fails at an update."""

    def __init__(self, at, error):
        self.at, self.error = at, error

    def on_step(self, run):
        if run.clock.updates == self.at:
            raise self.error


def test_a_failure_is_recorded_with_its_traceback_and_can_be_continued(execute, tmp_path):
    whole = execute("study=whole")
    with pytest.raises(RunFailed, match=r"MemoryError: no more .*log\.txt"):
        execute("checkpoint.every=1", change=lambda run: run.hook.update(breaks=Breaks(6, MemoryError("no more"))))
    folder, info = only_run(tmp_path)
    assert (info["state"], info["reason"], info["updates"]) == ("failed", "MemoryError: no more", 6)
    assert "Traceback" in (folder / "log.txt").read_text()
    assert execute().weights_sha256 == whole.weights_sha256
    assert only_run(tmp_path)[1]["attempt"] == 2


def test_a_full_disk_is_one_line_and_loses_nothing(execute, tmp_path, monkeypatch):
    whole = execute("study=whole")
    real, calls = checkpoint.save, []

    def save(*arguments):
        calls.append(None)
        if len(calls) == 3:
            raise StorageProblem("no space left")
        return real(*arguments)

    monkeypatch.setattr(checkpoint, "save", save)
    with pytest.raises(StorageProblem):
        execute("checkpoint.every=2")
    assert only_run(tmp_path)[1]["state"] == "failed"
    assert execute().weights_sha256 == whole.weights_sha256


def test_a_diverged_run_keeps_its_last_finite_checkpoint(execute, tmp_path):
    def poison(run):
        original = run.loss
        run.loss = lambda y, t, x: original(y, t, x) * (float("nan") if run.clock.updates >= 7 else 1)

    with pytest.raises(Diverged, match="diverged at update 8"):
        execute("checkpoint.every=1", change=poison)
    folder, info = only_run(tmp_path)
    assert info["state"] == "diverged"
    saved = checkpoint.newest(folder / "checkpoints")
    assert saved.step == 7 and all(v.isfinite().all() for v in saved.tensors.values())
    summary = Summary.read(folder / "summary.json")
    assert (summary.state, summary.diverged_at, summary.results) == ("diverged", 8, ())


class Spoils:
    """A hook after which a weight is not finite."""

    def __init__(self, at, name):
        self.at, self.name = at, name

    def on_step(self, run):
        if run.clock.updates == self.at:
            run.model.get_parameter(self.name).data.view(-1)[0] = float("inf")


def test_weights_that_are_not_finite_are_not_saved(execute, tmp_path):
    def change(run):
        run.model.spare = nn.Parameter(torch.zeros(1))  # no figure depends on it: only the save can tell
        run.hook.update(spoils=Spoils(12, "spare"))

    with pytest.raises(Diverged, match="diverged at update 12: a weight is not finite"):
        execute(change=change)
    folder, info = only_run(tmp_path)
    assert info["state"] == "diverged" and checkpoint.newest(folder / "checkpoints") is None
    assert Summary.read(folder / "summary.json").diverged_at == 12


def test_a_last_step_that_spoils_a_weight_diverges(execute, tmp_path):
    with pytest.raises(Diverged, match="diverged at update 12: the loss is not finite"):
        execute(change=lambda run: run.hook.update(spoils=Spoils(12, "stem.0.weight")))
    assert only_run(tmp_path)[1]["state"] == "diverged"


def test_a_weight_that_is_not_finite_within_an_epoch_keeps_the_last_good_save(execute, tmp_path):
    """The run goes on from there, and the next loss says how it ends."""
    with pytest.raises(Diverged, match="diverged at update 7: the loss is not finite"):
        execute("checkpoint.every=1", change=lambda run: run.hook.update(spoils=Spoils(6, "stem.0.weight")))
    folder, info = only_run(tmp_path)
    assert (info["state"], info["updates"]) == ("diverged", 7)
    assert checkpoint.newest(folder / "checkpoints").step == 5


def test_a_run_whose_code_has_changed_is_stale_and_stays(execute, tmp_path, monkeypatch, capsys):
    execute()
    first, _ = only_run(tmp_path)
    files = job.files
    monkeypatch.setattr(job, "files", lambda config: {**files(config), "models/resnet.py": "0" * 64})
    execute()
    assert "stale" in capsys.readouterr().err
    names = sorted(p.name for p in (tmp_path / "default").iterdir())
    assert names == [first.name, f"{first.name}-2"]


def test_other_data_is_another_run(execute, tmp_path):
    execute("data=synthetic", "data.seed=0")
    execute("data=synthetic", "data.seed=1")
    assert len(list((tmp_path / "default").iterdir())) == 2


def test_one_run_directory_has_one_owner(execute, tmp_path):
    config = compose([*TINY, f"output.root={tmp_path}"])
    from tricktable.runner import data

    _, identity = job.prepare(config, data.load(config.data))
    with find_or_plan(tmp_path, "default", config.label, identity).open(), pytest.raises(RunInUse):
        execute()


def test_a_validation_split_is_reported(execute):
    summary = execute("data.validation=0.1", "data.subset=null", "epochs=1")
    assert summary.data.validation == 144 and summary.data.train == 1298
    assert 0 <= summary.figure("val_error") <= 100


def test_a_deleted_run_is_made_again(execute, tmp_path):
    first = execute()
    shutil.rmtree(only_run(tmp_path)[0])
    assert execute().weights_sha256 == first.weights_sha256


def stopped(execute, at=6, *overrides):
    """A run that ended by a failure at an update, its folder."""
    with pytest.raises(RunFailed):
        execute(
            "checkpoint.every=2", *overrides, change=lambda run: run.hook.update(breaks=Breaks(at, MemoryError("no")))
        )


@pytest.mark.parametrize("change", ["gone", "shorter", "edited"])
def test_rows_that_were_lost_or_edited_before_a_resume_are_the_checkpoints(execute, tmp_path, capsys, change):
    whole = execute("study=whole")
    stopped(execute, 10)
    folder, _ = only_run(tmp_path)
    path = folder / "metrics.csv"
    data = path.read_bytes()
    path.unlink()
    if change != "gone":
        path.write_bytes(data[:200] if change == "shorter" else data.replace(b"\n1,60,", b"\n1,61,"))
    assert execute().results == whole.results
    said = capsys.readouterr().err
    assert "those of the checkpoint are in place again" in said
    rows = [EpochRow.of(row) for row in record.read(path)]
    assert [(row.epoch, row.samples) for row in rows] == [(1, 60), (2, 120), (3, 180)]
    assert (folder / "metrics.csv.damaged").exists() == (change != "gone")


class Edits:
    """A hook that changes a digit of metrics.csv while the run goes on."""

    def __init__(self, folder):
        self.folder = folder

    def on_epoch(self, run, row):
        if run.clock.epoch == 2:
            (path,) = self.folder.glob("*/*/metrics.csv")
            path.write_bytes(path.read_bytes().replace(b"\n1,60,", b"\n1,99,"))


def test_the_figures_are_the_evaluations_and_not_the_files(execute, tmp_path, capsys):
    execute(change=lambda run: run.hook.update(edits=Edits(tmp_path)))
    folder, _ = only_run(tmp_path)
    assert "it had other rows" in capsys.readouterr().err
    assert record.read(folder / "metrics.csv")[0]["samples"] == 60
    assert runs.at(folder).damage == ""


@pytest.mark.parametrize("name", ["summary.json", "metrics.csv", "config.yaml"])
def test_damaged_files_of_a_finished_run_are_kept_and_made_again(execute, tmp_path, capsys, name):
    first = execute()
    folder, _ = only_run(tmp_path)
    path = folder / name
    before = path.read_bytes()
    path.write_bytes(before[:-9] + (b"7" if before[-9:-8] == b"8" else b"8") + before[-8:])
    broken = path.read_bytes()
    assert runs.at(folder).damage.startswith(name)
    assert execute() == first
    assert f"{name}: it was changed since the run ended (SHA-256) (kept as {name}.damaged)" in capsys.readouterr().err
    assert path.read_bytes() == before and (folder / f"{name}.damaged").read_bytes() == broken
    assert runs.at(folder).damage == "" and runs.at(folder).state == "complete"


def test_a_diverged_run_is_sealed_and_made_again_too(execute, tmp_path):
    def poison(run):
        original = run.loss
        run.loss = lambda y, t, x: original(y, t, x) * (float("nan") if run.clock.updates >= 7 else 1)

    for _ in range(2):
        with pytest.raises(Diverged, match="diverged at update 8"):
            execute("checkpoint.every=3", change=poison)
        folder, _ = only_run(tmp_path)
        assert runs.at(folder).damage == "" and "summary.json" in runs.at(folder).info.seal
        (folder / "summary.json").write_text("{}")


def another_seed(folder, other):
    """The other run's checkpoint of this step in place of the newest."""
    target = max((folder / "checkpoints").iterdir())
    shutil.rmtree(target)
    shutil.copytree(other / "checkpoints" / target.name, target)


def test_another_seeds_checkpoint_is_not_taken(execute, tmp_path, capsys):
    whole = execute("study=whole")
    stopped(execute, 10, "seed=1", "study=other")
    stopped(execute, 10)
    (other,) = (tmp_path / "other").iterdir()
    folder, _ = only_run(tmp_path)
    another_seed(folder, other)
    assert execute().weights_sha256 == whole.weights_sha256
    assert "it is another run's" in capsys.readouterr().err
    assert list((folder / "checkpoints").glob("*.foreign"))


def rewritten(folder, change):
    """Every checkpoint saved again with another state, as somebody might who knows the format."""
    for path in sorted((folder / "checkpoints").iterdir()):
        found = checkpoint._load(path, int(path.name[5:]), 1 << 30)
        checkpoint.save(folder / "checkpoints", found.step, found.tensors, change(found.state), 9)


@pytest.mark.parametrize(
    "change",
    [
        lambda state: {**state, "clock": {**state["clock"], "epoch": 10**9}},
        lambda state: {**state, "clock": {**state["clock"], "position": -1}},
        lambda state: {**state, "clock": {**state["clock"], "updates": 5}},
        lambda state: {**state, "clock": [1]},
        lambda state: {**state, "stopped": "yes"},
        lambda state: {**state, "run": {**state["run"], "config_hash": "0" * 64}},
        lambda state: {**state, "run": {**state["run"], "code": {"models/resnet.py": "0"}}},
        lambda state: {**state, "run": 3},
    ],
)
def test_a_state_that_no_run_of_it_has_is_refused_in_a_line(execute, tmp_path, change):
    stopped(execute)
    folder, _ = only_run(tmp_path)
    rewritten(folder, change)
    with pytest.raises(CheckpointProblem, match=r"checkpoints: none of its 2 checkpoints can be used") as caught:
        execute()
    assert "\n" not in str(caught.value) and len(list((folder / "checkpoints").iterdir())) == 2


def test_a_checkpoint_of_an_earlier_version_is_gone_on_from(execute, tmp_path):
    """It has the size of metrics.csv in place of its rows, and does not say whose it is."""
    whole = execute("study=whole")
    stopped(execute, 10)
    folder, _ = only_run(tmp_path)

    def former(state):
        rows = state.pop("metrics")
        return {**{name: value for name, value in state.items() if name != "run"}, "metrics_size": len(rows)}

    rewritten(folder, former)
    assert execute().weights_sha256 == whole.weights_sha256
    assert [row["epoch"] for row in record.read(folder / "metrics.csv")] == [1, 2, 3]


def test_a_traceback_is_not_written_through_a_link(execute, tmp_path):
    stopped(execute)
    folder, _ = only_run(tmp_path)
    target = tmp_path / "precious"
    target.write_text("mine")
    (folder / "log.txt").unlink()
    (folder / "log.txt").symlink_to(target)
    with pytest.raises((RunFailed, StorageProblem)):
        execute(change=lambda run: run.hook.update(breaks=Breaks(7, MemoryError("no"))))
    assert target.read_text() == "mine"
