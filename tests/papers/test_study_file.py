"""`tricktable study FILE`: what a file may hold, what is made of it, and that docs/own-images.md's example runs."""

import csv
import re

import pytest

from tests.conftest import ROOT
from tricktable.runner.cli import main
from tricktable.runner.errors import BadInput
from tricktable.runner.papers import study_file

PAGE = (ROOT / "docs" / "own-images.md").read_text(encoding="utf-8")
(EXAMPLE,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.S)
CPU = ("compute=cpu", "compute.threads=1")


@pytest.fixture
def write(tmp_path):
    def to(text):
        path = tmp_path / "own.yaml"
        path.write_text(text)
        return path

    return to


def test_a_row_s_overrides_stand_behind_the_shared_ones_and_what_is_typed_behind_both(write):
    study = study_file.read(write("n: 2\nshared: [epochs=3]\nrows: {a: [], b: [epochs=4, batch_size=5]}"))
    assert study.name == "own" and study.baseline is None
    assert study.overrides("a") == ("epochs=3", "study=own")
    assert study.overrides("b") == ("epochs=4", "batch_size=5", "study=own")
    assert study.overrides("b", ["epochs=1"]) == ("batch_size=5", "epochs=1", "study=own")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rows: {a: []}", "n: missing"),
        ("n: 0\nrows: {a: []}", "n: expected a whole number at least 1"),
        ("n: 1\nrows: {}", "rows: expected at least one row"),
        ("n: 1\nrows: {a: []}\nseeds: 3", "unknown key seeds"),
        ("n: 1\nrows: {a: [epochs]}", "expected key=value"),
        ("n: 1\nrows: {a: []}\nbaseline: b", "baseline: no row is called b"),
        ("n: 1\nrows: {a: [seed=3]}", "rows.a: seed=3: the file has keys of its own"),
        ("n: 1\nshared: [study=x]\nrows: {a: []}", "shared: study=x: the file has keys of its own"),
        ("n: 1\nrows: {a: []}\nrows: {b: []}", "the key rows stands twice"),
        ("n: 1\nrows: {a: &x [epochs=1], b: *x}", "it has an alias"),
        ('n: 1\nrows: {"\\e[1m": []}', "a label that can be printed"),
    ],
)
def test_what_is_wrong_is_said_with_the_file_s_name(write, text, said):
    path = write(text)
    with pytest.raises(BadInput) as error:
        study_file.read(path)
    assert str(path) in str(error.value) and said in str(error.value)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("{a: [], b: [optimzer.lr=1]}", "rows.b: unknown key optimzer.lr"),
        ("{a: [], b: [batch_size=5000]}", "batch_size: 5000 is more than"),
        ("{a: [], b: ['augment=[]']}", "rows.b: the same runs as a"),
        ("{a: [], b: ['epochs=1,2']}", "rows.b: epochs=1,2: several values"),
    ],
)
def test_every_row_is_checked_before_anything_is_made(write, tmp_path, rows, said):
    study = study_file.read(
        write(f"n: 1\nshared: [model=resnet8, data.subset=6, batch_size=16, epochs=1]\nrows: {rows}")
    )
    with pytest.raises(BadInput) as error:
        study_file.make(study, [*CPU, f"output.root={tmp_path / 'outputs'}"])
    assert said in str(error.value) and not (tmp_path / "outputs").exists()


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as end:
        main(["study", *map(str, arguments)])
    return end.value.code, capsys.readouterr()


def test_the_example_of_the_docs_makes_its_table_and_goes_on(write, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    path = write(EXAMPLE.replace("n: 2 ", "n: 1 ").replace("baseline: plain", "baseline: crop"))
    assert "n: 1" in path.read_text()
    code, said = run(capsys, path, *CPU)
    assert code == 0, said.err
    assert "2 runs in outputs/digits_crop" in said.out and "[1/2] done: plain, seed 0" in said.out
    with open(tmp_path / "outputs/digits_crop/table.csv") as file:
        rows = list(csv.DictReader(file))
    assert [row["row"] for row in rows] == ["plain", "crop"]
    assert {row["baseline"] for row in rows} == {"crop"} and rows[0]["change"] and not rows[1]["change"]
    assert rows[0]["data"] == "digits (tested on 10 images per class)"
    code, said = run(capsys, path, *CPU)
    assert code == 0 and "2 already complete" in said.out
    assert len(list((tmp_path / "outputs/digits_crop").glob("resnet8-*"))) == 2
