"""A study's page: accuracy by class of each row, and the worst images of the best one; whoever wrote the files."""

import base64
import csv
import io
import json
import re

import pytest
from PIL import Image

from tests.report.conftest import HOSTILE, make, make_study
from tricktable.runner import report
from tricktable.runner.disk.predicted import SIDE, Predicted, Worst
from tricktable.runner.report import images, page

NAMES = ["plain", HOSTILE[0]]


def encoded(size=(4, 3), mode="RGB", kind="PNG", **more):
    data = io.BytesIO()
    Image.new(mode, size, "red" if mode == "RGB" else 200).save(data, kind, **more)
    return base64.b64encode(data.getvalue()).decode()


def predict(folder, right, worst=()):
    """Add to a run's folder what it made of 4 + 5 test images."""
    path = folder / "summary.json"
    summary = json.loads(path.read_text())
    summary["data"] |= {"class_names": NAMES, "classes": 2}
    path.write_text(json.dumps(summary))
    Predicted(images=[4, 5], right=list(right), worst=tuple(worst)).write(folder / "predicted.json")


def worst(index, png, **more):
    return Worst(**{"index": index, "label": 0, "predicted": 1, "probability": 0.9, "loss": 3.0, "png": png, **more})


@pytest.fixture
def study(tmp_path):
    """Row 0: seeds of 5.0, 5.5 and 6.125; row 1: one of 7.0 and one that diverged."""
    table = make_study(tmp_path / "outputs")
    folders = [run.run.folder for run in table.rows[0].runs]
    named = [worst(0, encoded(), name=f"ant/{HOSTILE[0]}.png"), worst(5, encoded(mode="L"), label=1)]
    for folder, right, seen in zip(folders, ((4, 5), (3, 5), (2, 4)), (named, (), ()), strict=True):
        predict(folder, right, seen)
    predict(table.rows[1].runs[0].run.folder, (0, 5), [worst(8, encoded())])
    return table


def test_each_row_has_its_mean_accuracies_and_the_csv_the_same(study, tmp_path):
    report.write(study, tmp_path / "report")
    rows = list(csv.DictReader((tmp_path / "report" / "by_class.csv").open(encoding="utf-8", newline="")))
    assert [(row["row"] == study.rows[0].label, row["n"], float(row["accuracy_mean"])) for row in rows[:2]] == [
        (True, "3", pytest.approx(75.0)),
        (True, "3", pytest.approx(100 * 14 / 15)),
    ]
    assert [float(row["accuracy_mean"]) for row in rows[2:]] == [0.0, 100.0]
    said = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    lines = re.findall(
        r"<tr[^>]*><th[^>]*>([^<]*)</th>((?:<td[^>]*>[^<]*</td>)+)</tr>", said[said.index("Test images") :]
    )
    found = [(name, re.findall(r">([^<]+)</td>", cells)) for name, cells in lines]
    assert found[0] == ("plain", ["75.0", "0.0"]) and found[1][1] == ["93.3", "100.0"], "the lowest first"


def test_the_worst_images_are_those_of_the_best_rows_best_run(study):
    said = page.page([study])
    best = study.rows[0].runs[0].run
    assert f"{best.id}</summary>" in said and said.count("<img ") == 2
    assert "→ &lt;" in said or "→ " in said
    assert '<span class="wrong">' in said and "90%" in said
    assert "ant/" in said, "an image's file is told where it is known"
    assert "test image 5" in said


def test_names_and_pictures_of_anybodys_are_harmless(study):
    said = page.page([study])
    assert HOSTILE[0] not in said and said.count("<script") == 1, "the page's own"
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', said)[1]
    assert "default-src" in policy and "img-src data:;" in policy
    for source in re.findall(r'<img src="([^"]*)"', said):
        assert re.fullmatch(r"data:image/png;base64,[A-Za-z0-9+/=]+", source)


def test_a_picture_is_written_again_and_what_is_none_is_left_out(study):
    info = "secret" * 9
    from PIL.PngImagePlugin import PngInfo

    text = PngInfo()
    text.add_text("comment", info)
    foreign = images.redrawn(worst(0, encoded(pnginfo=text)))
    assert info.encode() in base64.b64decode(encoded(pnginfo=text)) and info.encode() not in foreign
    assert Image.open(io.BytesIO(foreign)).size == (4, 3)
    for png in ("", "no base64!", encoded(kind="GIF"), encoded((SIDE + 1, 4)), encoded()[:40], encoded(mode="P")):
        assert images.redrawn(worst(0, png)) is None


def test_what_is_missing_or_damaged_leaves_its_part_out(study, tmp_path):
    for run in study.rows[0].runs:
        (run.run.folder / "predicted.json").unlink()
    (study.rows[1].runs[0].run.folder / "predicted.json").write_text("{")
    said = page.page([study])
    assert "Test images" not in said and "<img" not in said
    assert "by_class.csv" not in {path.name for path in report.write_tables(study, tmp_path / "report")}


def test_a_papers_table_has_none(tmp_path):
    table = make(tmp_path / "outputs")
    for run in table.rows[0].runs:
        predict(run.run.folder, (1, 1), [worst(0, encoded())])
    assert images.sections(table) == [] and images.records(table) == []


def test_rows_of_other_inferences_of_the_same_runs_are_not_told_twice(study):
    from dataclasses import replace

    twice = replace(study, rows=(study.rows[0], replace(study.rows[0], label="by flip"), study.rows[1]))
    assert list(images.by_class(twice)) == [study.rows[0].label, study.rows[1].label]
