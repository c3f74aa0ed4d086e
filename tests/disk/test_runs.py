"""Runs on disk: all of them are found, links and foreign folders are passed over, damage is named."""

import json

import pytest

from tricktable.runner.disk import meant, record, runs
from tricktable.runner.disk.info import Identity, RunInfo
from tricktable.runner.disk.summary import Result, Summary
from tricktable.runner.errors import BadInput, StorageProblem


def make(root, study, name, state="complete", key="k", started="2026-01-01", seed=0):
    folder = root / study / name
    folder.mkdir(parents=True)
    identity = Identity("a" * 64, "sha256:b", {})
    RunInfo(identity=identity, id=name, state=state, started=started, choices_key=key).write(folder)
    result = Result(variant="final", inference="plain", test_error=1.0 + seed)
    Summary(id=name, study=study, seed=seed, results=(result,)).write(folder / "summary.json")
    record.write_config(folder / "config.yaml", {"label": name, "seed": seed})
    return folder


def test_every_run_is_found_by_study_and_name(tmp_path):
    made = [make(tmp_path, study, name) for study, name in (("a", "x-1"), ("a", "x-2"), ("b", "long" * 40))]
    (tmp_path / "a" / "notes").mkdir()
    (tmp_path / "a" / "linked").symlink_to(made[0])
    (tmp_path / "linked").symlink_to(tmp_path / "a")
    (tmp_path / "a" / ".tmp-1-ab").mkdir()
    found = runs.under(tmp_path)
    assert [run.folder for run in found] == made and found.damaged == ()
    assert [run.folder for run in found.of_study("a")] == made[:2]
    assert [run.folder for run in runs.under(tmp_path, "b")] == made[2:]
    assert len(runs.under(tmp_path / "nothing")) == 0


def test_a_folder_that_does_not_say_which_run_it_holds_is_damaged(tmp_path):
    folder = make(tmp_path, "a", "x-1")
    (folder / "run.json").write_text("{")
    found = runs.under(tmp_path)
    assert len(found) == 0 and [each.folder for each in found.damaged] == [folder]
    assert found.of_study("a").damaged == found.damaged and found.of_study("b").damaged == ()


def test_runs_of_the_same_choices_are_together_the_newest_first(tmp_path):
    old, new = make(tmp_path, "a", "old", started="2026-01-01"), make(tmp_path, "b", "new", started="2026-02-01")
    make(tmp_path, "b", "failed", state="failed")
    make(tmp_path, "b", "other", key="other")
    found = runs.under(tmp_path).by_choices
    assert [run.folder for run in found["k"]] == [new, old] and set(found) == {"k", "other"}


def test_later_evaluations_follow_a_runs_own_results(tmp_path):
    folder = make(tmp_path, "a", "x-1")
    (folder / "evaluations.csv").write_text(
        "variant,inference,picked,val_loss,val_error,test_loss,test_error,data,fingerprint,device,precision,evaluated\n"
        "final,flip,,,,0.5,2.5,digits,sha256:c,cpu,fp32,2026-01-01\n"
    )
    own, later = runs.at(folder).evaluations
    assert (own.inference, own.test_error, own.device) == ("plain", 1.0, None)
    assert (later.inference, later.test_error, later.fingerprint, later.picked) == ("flip", 2.5, "sha256:c", None)


def test_evaluations_without_a_column_that_each_has_are_damaged(tmp_path):
    folder = make(tmp_path, "a", "x-1")
    (folder / "evaluations.csv").write_text("variant,inference,test_error\nfinal,flip,2.5\n")
    with pytest.raises(StorageProblem, match="evaluations.csv: damaged"):
        _ = runs.at(folder).evaluations


def test_one_and_some_say_what_they_do_not_find(tmp_path):
    make(tmp_path, "a", "x-1", state="running")
    with pytest.raises(BadInput, match="nothing: no run; a run is its folder"):
        meant.one("nothing", tmp_path)
    with pytest.raises(BadInput, match="x-1 is running, not complete"):
        meant.one("x-1", tmp_path)
    make(tmp_path, "a", "x-2", state="running")
    with pytest.raises(BadInput, match="stands for 2 runs, and one is wanted"):
        meant.one(str(tmp_path / "a"), tmp_path)
    with pytest.raises(BadInput, match="none of the 2 runs is complete"):
        meant.some(str(tmp_path / "a"), tmp_path)


def test_reading_the_list_reads_nothing_else(tmp_path):
    """A command that looks at 30,000 runs must not pay for what it does not show."""
    folder = make(tmp_path, "a", "x-1")
    (folder / "summary.json").write_text(json.dumps("damaged"))
    assert len(runs.under(tmp_path)) == 1


def test_a_run_is_found_by_the_digits_at_the_end_of_its_id(tmp_path, monkeypatch):
    made = [
        make(tmp_path, study, f"resnet8-digits-s0-{end}") for study, end in (("a", "18ef131c"), ("b", "18ef131c-2"))
    ]
    monkeypatch.setattr(runs.StoredRun, "settings", None)
    assert [meant.one(end, tmp_path).folder for end in ("18ef131c", "18ef131c-2")] == made
    make(tmp_path, "c", "another-label-18ef131c")
    with pytest.raises(BadInput, match="18ef131c: stands for 2 runs"):
        meant.one("18ef131c", tmp_path)
    for short in ("18ef131", "f131c", "18EF131C", "s0-18ef131c"):
        with pytest.raises(BadInput, match="no run; a run is"):
            meant.one(short, tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert meant.one("~/b/resnet8-digits-s0-18ef131c-2", tmp_path / "elsewhere").folder == made[1]
