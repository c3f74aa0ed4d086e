"""How a run ends: failure, storage, divergence at a save, a stale run, expectations of the folder."""

import json
import shutil

import pytest
import torch
from torch import nn

from tests.conftest import TINY
from tricktable.runner.config.compose import compose
from tricktable.runner.disk import checkpoint
from tricktable.runner.disk.rundir import find_or_plan
from tricktable.runner.disk.summary import Summary
from tricktable.runner.errors import Diverged, RunFailed, RunInUse, StorageProblem
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
