"""Runs -> rows: what is grouped, what is said, and the interval."""

import json

import pytest
import yaml

from runner.config import schema
from runner.config.compose import compose
from runner.disk import code
from runner.disk.runs import under
from runner.papers import studies
from runner.report import terminal, write_short


def fake_run(study, number, overrides, error, state="complete", fingerprint="sha256:" + "0" * 64, variants=("final",)):
    config = compose(overrides)
    folder = study / f"run-{number:08x}"
    folder.mkdir(parents=True)
    folder.joinpath("config.yaml").write_text(yaml.safe_dump(schema.plain(config), sort_keys=False))
    folder.joinpath("run.json").write_text(
        json.dumps({"state": state, "config_hash": "0", "fingerprint": "0", "code": {}, "started": f"{number}"})
    )
    summary = {
        "id": folder.name, "state": state, "diverged_at": 3 if state == "diverged" else None, "seed": config.seed, "params": 1000, "madds": 5,
        "updates": 10, "epochs": config.epochs, "data": {"title": "digits", "fingerprint": fingerprint, "train": 100},
        "compute": {"precision": "fp32"}, "environment": {"gpu": None, "cpu": "a processor"},
        "results": [{"variant": v, "inference": "plain", "test_error": error + i} for i, v in enumerate(variants)
                    if error is not None],
    }  # fmt: skip
    folder.joinpath("summary.json").write_text(json.dumps(summary))


def rows(study):
    return studies.rows(under(study.parent, study.name))


def written(study):
    """A study's table as it is written into its folder."""
    return write_short(studies.tabulate(study.name, under(study.parent)), study).read_text()


def test_seeds_are_one_row_and_what_differs_is_its_label(tmp_path):
    study = tmp_path / "study"
    for i, (overrides, error) in enumerate(
        [
            (["augment=[crop]"], 3.0),
            (["augment=[crop]", "seed=1"], 5.0),
            (["augment=[]"], 6.0),
            (["augment=[]", "seed=1"], 8.0),
        ]
    ):
        fake_run(study, i, overrides, error)
    found = rows(study)
    assert [(row.label, row.figures, row.seeds) for row in found] == [
        ("augment=[crop]", (3.0, 5.0), (0, 1)), ("augment=[]", (6.0, 8.0), (0, 1))
    ]  # fmt: skip
    assert found[0].mean == 4.0


@pytest.mark.parametrize(
    ("one", "other", "labels"),
    [
        (["augment=[crop,flip]"], ["augment=[flip,crop]"], ["augment=[crop,flip]", "augment=[flip,crop]"]),
        (["optimizer.lr=0.1"], ["optimizer.lr=0.05"], ["optimizer.lr=0.1", "optimizer.lr=0.05"]),
        (["model=resnet8"], ["model=resnet20"], ["model.depth=8", "model.depth=20"]),
        (["schedule.lr=step"], ["schedule.lr=cosine"], ["schedule.lr=step", "schedule.lr=cosine"]),
        (["norm=null"], ["norm=batch"], ["norm=null", "norm=batch"]),
        (["study=a", "checkpoint.every=7"], ["study=b"], ["resnet20-digits"]),
    ],
)
def test_labels_are_the_overrides_that_made_the_rows(tmp_path, one, other, labels):
    for i, overrides in enumerate((one, other)):
        fake_run(tmp_path / "study", i, [*overrides, f"seed={i}"], 1.0)
    assert [row.label for row in rows(tmp_path / "study")] == labels


def test_every_variant_by_inference_is_a_row(tmp_path):
    for i, (overrides, variants) in enumerate(((["hook=[]"], ("final",)), (["hook=[ema]"], ("final", "ema")))):
        fake_run(tmp_path / "study", i, overrides, 2.0, variants=variants)
    assert [(row.label, row.figures) for row in rows(tmp_path / "study")] == [
        ("hook=[]", (2.0,)), ("hook=[ema] (final, plain)", (2.0,)), ("hook=[ema] (ema, plain)", (3.0,))
    ]  # fmt: skip


def test_other_data_is_another_row(tmp_path):
    for i, fingerprint in enumerate(("sha256:" + "a" * 64, "sha256:" + "b" * 64)):
        fake_run(tmp_path / "study", i, [f"seed={i}"], 1.0, fingerprint=fingerprint)
    assert len(rows(tmp_path / "study")) == 2


def test_other_code_is_another_row_unless_only_words_differ(tmp_path, monkeypatch):
    study = tmp_path / "study"
    for i, digest in enumerate(("then", "now", "other")):
        fake_run(study, i, [f"seed={i}"], 1.0 + i)
        path = study / f"run-{i:08x}" / "run.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "code": {"models/m.py": digest}}))
    assert [row.seeds for row in rows(study)] == [(0,), (1,), (2,)]
    monkeypatch.setattr(code, "_same", lambda: {"models/m.py": {"is": "now", "was": ["then"]}})
    assert [row.seeds for row in rows(study)] == [(0, 1), (2,)]


def test_diverged_runs_are_counted_and_never_averaged(tmp_path, capsys):
    for i, (state, error) in enumerate((("complete", 2.0), ("diverged", None), ("complete", 4.0), ("failed", None))):
        fake_run(tmp_path / "study", i, [f"seed={i}"], error, state)
    (row,) = rows(tmp_path / "study")
    assert (row.figures, row.diverged) == ((2.0, 4.0), 1)
    assert "| 2 | 1 | 3.00 |" in written(tmp_path / "study")
    terminal.show(studies.tabulate("study", under(tmp_path)))
    assert "3.00" in capsys.readouterr().out


def test_a_table_says_data_budget_seeds_and_device(tmp_path):
    fake_run(tmp_path / "study", 0, ["epochs=7"], 2.0)
    text = written(tmp_path / "study")
    for word in (
        "digits",
        "fingerprint 000000000000",
        "100 training images",
        "7 epochs",
        "seeds 0",
        "a processor",
        "fp32",
    ):
        assert word in text


def test_nothing_finished_is_no_table(tmp_path):
    (tmp_path / "study").mkdir()
    assert studies.tabulate("study", under(tmp_path)) is None
