"""`tricktable evaluate --predictions FILE`: a row for each test image, which make up the figures that are printed."""

import csv
import importlib.util
from pathlib import Path

import pytest

from tests.conftest import TINY
from tests.data import sets
from tricktable.runner.config.compose import compose
from tricktable.runner.errors import BadInput
from tricktable.runner.explore import reevaluate
from tricktable.runner.report import records
from tricktable.runner.report.predictions import Table
from tricktable.runner.training import job

CLASSES = ("ant", "bee", "=cow", "dog", "elk", "fox")  # in a CSV, what a spreadsheet would take for a formula is quoted


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A finished run on six classes of pictures: its output root, and the names of the test images."""
    monkeypatch.setenv("TRICKTABLE_CACHE", str(tmp_path / "cache"))
    files = sets.images(CLASSES, size=(12, 12))
    path = sets.write_tree(tmp_path / "pets", files)
    root = tmp_path / "outputs"
    tiny = [each for each in TINY if not each.startswith(("data.subset", "epochs", "batch_size"))]
    job.execute(compose([*tiny, "epochs=1", "batch_size=8", "data=image_folder", f"data.path={path}",
                         f"output.root={root}", "study=s", "hook=[ema]"]))  # fmt: skip
    return root, sorted(name for name in files if name.startswith("test/"))


def test_each_test_image_of_each_variant_is_a_row(own, tmp_path):
    root, names = own
    table = Table(tmp_path / "new" / "p.csv")
    ((_, evaluations),) = reevaluate.evaluations(str(root / "s"), [f"output.root={root}"], table.add)
    rows = list(csv.DictReader(table.write().open(encoding="utf-8", newline="")))
    assert len(rows) == 2 * len(names) and [each.variant for each in evaluations] == ["final", "ema"]
    classes = [records.cell(name) for name in sorted(CLASSES)]
    for each in evaluations:
        mine = [row for row in rows if row["variant"] == each.variant]
        assert [row["name"] for row in mine] == names and [int(row["index"]) for row in mine] == list(range(len(names)))
        assert all(
            row["class"] == records.cell(row["name"].split("/")[1]) == classes[int(row["label"])] for row in mine
        )
        assert all(row["predicted_class"] == row["top1_class"] == classes[int(row["predicted"])] for row in mine)
        assert all(int(row["correct"]) == (row["class"] == row["top1_class"]) for row in mine)
        n = len(mine)
        assert 100 * (1 - sum(int(row["correct"]) for row in mine) / n) == pytest.approx(each.test_error)
        assert sum(float(row["loss"]) for row in mine) / n == pytest.approx(each.test_loss, rel=1e-5)
        hits = sum(row["class"] in [row[f"top{i}_class"] for i in range(1, 6)] for row in mine)
        assert 100 * (1 - hits / n) == pytest.approx(each.test_top5_error)
        shares = [[float(row[f"top{i}_probability"]) for i in range(1, 6)] for row in mine]
        assert all(each == sorted(each, reverse=True) and sum(each) <= 1 + 1e-5 for each in shares)


def test_parquet_has_the_same(own, tmp_path):
    pd = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    for name in ("p.csv", "p.parquet"):
        table = Table(tmp_path / name)
        reevaluate.evaluations(str(own[0] / "s"), [f"output.root={own[0]}"], table.add)
        table.write()
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "p.csv"), pd.read_parquet(tmp_path / "p.parquet"))


def test_a_file_that_cannot_be_is_one_line_and_nothing_is_evaluated(tmp_path, monkeypatch):
    with pytest.raises(BadInput, match=r"^--predictions: expected the name of a \.csv or \.parquet file, got p\.txt"):
        Table(Path("p.txt"))
    (tmp_path / "p.csv").mkdir()
    with pytest.raises(BadInput, match=r"p\.csv is a folder$"):
        Table(tmp_path / "p.csv")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(BadInput, match=r"^--predictions: p\.parquet needs pyarrow \(pip install pyarrow\)"):
        Table(Path("p.parquet"))


def test_the_command_writes_the_file_and_says_where(tricktable):
    assert tricktable("train", *TINY).returncode == 0
    done = tricktable("evaluate", "outputs/default", "--predictions", "p.csv", "inference=[flip]")
    assert done.returncode == 0 and done.stdout.rstrip().endswith("p.csv") and "top-5" in done.stdout
    assert tricktable("evaluate", "outputs/default", "--predictions", "p.xls").returncode == 2
