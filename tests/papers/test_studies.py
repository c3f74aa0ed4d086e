"""Runs -> rows: what is grouped, what is said, and the interval."""

import csv
import json

import pytest
import yaml
from matplotlib.figure import Figure

from tricktable.runner.config import schema
from tricktable.runner.config.compose import compose
from tricktable.runner.disk import code
from tricktable.runner.disk.runs import under
from tricktable.runner.errors import BadInput
from tricktable.runner.papers import intervals, studies
from tricktable.runner.report import cells, columns, command, grids, page, terminal, write_short
from tricktable.runner.report.drawing import PRINT


def fake_run(study, number, overrides, error, state="complete", fingerprint="sha256:" + "0" * 64, variants=("final",)):
    config = compose(overrides)
    folder = study / f"run-{number:08x}"
    folder.mkdir(parents=True)
    folder.joinpath("config.yaml").write_text(yaml.safe_dump(schema.plain(config), sort_keys=False))
    folder.joinpath("run.json").write_text(
        json.dumps({"state": state, "config_hash": f"{number}", "fingerprint": "0", "code": {}, "started": f"{number}"})
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
    table = studies.tabulate(study.name, under(study.parent, study.name))
    return list(table.rows) if table else []


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
    assert "| 2 | 1 | 3.00 ± 12.71 |" in written(tmp_path / "study")
    terminal.show(studies.tabulate("study", under(tmp_path)))
    assert "3.00" in capsys.readouterr().out


GRID = [(rate, schedule, seed) for rate in (0.05, 0.1) for schedule in ("step", "cosine") for seed in (0, 1)]
ERRORS = (8.0, 9.0, 5.0, 5.5, 7.0, 6.0, 4.0, 3.0)


def two_way(study):
    for i, ((rate, schedule, seed), error) in enumerate(zip(GRID, ERRORS, strict=True)):
        fake_run(study, i, [f"optimizer.lr={rate}", f"schedule.lr={schedule}", f"seed={seed}"], error)
    return under(study.parent)


def test_the_change_is_from_the_row_that_was_asked_for(tmp_path):
    runs = two_way(tmp_path / "study")
    first = studies.tabulate("study", runs)
    assert first.base.label == "optimizer.lr=0.05, schedule.lr=step" and "--baseline" not in first.command
    other = studies.tabulate("study", runs, "0.1, schedule.lr=cos")
    assert other.base.figures == (4.0, 3.0)
    shift, half = cells.change(other, other.rows[0])
    assert (shift, half) == intervals.difference((8.0, 9.0), (4.0, 3.0)) and shift == 5.0
    assert cells.change(first, first.rows[3])[0] == -5.0, "the sign follows the baseline"
    assert other.command == "tricktable report study --baseline '0.1, schedule.lr=cos'"
    text = write_short(other, tmp_path).read_text()
    assert f"| 8.50 ± 6.35 | +5.00 ± {half:.2f} |" in text and "| 3.50 ± 6.35 | baseline |" in text
    with (tmp_path / "table.csv").open(newline="") as file:
        records = list(csv.DictReader(file))
    assert [float(record["change"] or "nan") for record in records[:3]] == [5.0, 1.75, 3.0]
    assert records[3]["change"] == "" and {record["baseline"] for record in records} == {other.base.label}


@pytest.mark.parametrize(("text", "number"), [("cosine", 2), ("nothing", 0)])
def test_a_baseline_that_is_no_single_row_is_refused_with_the_rows(tmp_path, text, number):
    with pytest.raises(
        BadInput, match=f"got {text}, which {number} of these have: optimizer.lr=0.05, schedule.lr=step;"
    ):
        studies.tabulate("study", two_way(tmp_path / "study"), text)


def test_a_report_is_asked_for_its_baseline(tmp_path):
    two_way(tmp_path / "study")
    typed = [f"output.root={tmp_path}"]
    *_, path = command.produce("study", None, typed, "0.1, schedule.lr=cos")
    assert "from the baseline, optimizer.lr=0.1, schedule.lr=cosine" in path.read_text()
    for name in (None, "liu2020_radam/sec5.2_warmup"):
        with pytest.raises(BadInput, match="--baseline: it is of a study's table"):
            command.produce(name, None, typed, "cosine")


def test_a_label_that_is_within_another_stands_for_its_own_row(tmp_path):
    for i, depth in enumerate((8, 80)):
        fake_run(tmp_path / "study", i, [f"batch_size={depth}"], 1.0 + i)
    assert studies.tabulate("study", under(tmp_path), "batch_size=8").base.figures == (1.0,)


def test_a_study_of_two_keys_is_a_heat_map_too(tmp_path):
    (plot,) = grids.maps(studies.tabulate("study", two_way(tmp_path / "study")))
    canvas = Figure()
    plot.draw(canvas, PRINT)
    panel = canvas.axes[0]
    assert {panel.get_xlabel(), panel.get_ylabel()} == {"optimizer.lr", "schedule.lr"}
    assert sorted(text.get_text() for text in panel.texts if text.get_text()) == ["3.50", "5.25", "6.50", "8.50"]
    assert "the best is 3.5 at optimizer.lr=0.1, schedule.lr=cosine" in plot.words


def test_a_study_of_one_key_or_of_two_that_never_cross_has_no_heat_map(tmp_path):
    for i, typed in enumerate((["optimizer.lr=0.05"], ["optimizer.lr=0.1"])):
        fake_run(tmp_path / "one", i, typed, 1.0)
        fake_run(tmp_path / "both", i, [*typed, f"batch_size={8 + i}"], 1.0)
    for study in ("one", "both"):
        assert grids.maps(studies.tabulate(study, under(tmp_path))) == []


LATER = ["variant", "inference", "test_error", "data", "fingerprint", "members"]


def evaluate(folder, rows):
    with (folder / "evaluations.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerows([LATER, *rows])


def test_later_evaluations_are_no_rows_of_the_study(tmp_path):
    """Neither those of other inferences or images, nor an ensemble, nor the run's own evaluation once more."""
    study, own = tmp_path / "study", "sha256:" + "0" * 64
    for seed in (0, 1):
        fake_run(study, seed, [f"seed={seed}"], 4.0 + seed)
    evaluate(study / "run-00000000", [
        ["final", "plain", 4.0, "digits", own, ""], ["final", "flip", 3.0, "digits", own, ""], ["final", "flip", 3.5, "digits", own, ""],
        ["final", "ensemble", 2.0, "digits", own, "run-00000001"],
    ])  # fmt: skip
    evaluate(
        study / "run-00000001",
        [["final", "flip", 4.5, "digits", own, ""], ["final", "plain", 9.0, "other", "sha256:1", ""]],
    )
    table = studies.tabulate("study", under(tmp_path))
    assert [(row.label, row.figures) for row in table.rows] == [("resnet20-digits", (4.0, 5.0))]
    assert [(each.what, each.figures) for each in table.evaluated] == [
        ("final, flip", (3.5, 4.5)), ("final, ensemble, of 2 runs", (2.0,)), ("final, plain, on other", (9.0,))
    ]  # fmt: skip
    text = write_short(table, tmp_path / "out").read_text()
    head, later = text.split(f"## {columns.LATER}")
    assert "flip" not in head and "| resnet20-digits | final, flip | 2 | 4.00 ± 6.35 |" in later
    with (tmp_path / "out" / "evaluated.csv").open(newline="") as file:
        assert [(row["evaluated_as"], row["n"]) for row in csv.DictReader(file)][1] == (
            "final, ensemble, of 2 runs",
            "1",
        )
    assert "final, plain, on other" in page.page([table])


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
