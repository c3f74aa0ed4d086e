"""Learning curves: mean and range over the seeds of a line, at each place."""

import csv

import pytest

from tricktable.runner.errors import BadInput
from tricktable.runner.figures import figure


def test_a_line_is_the_mean_and_the_range_of_its_seeds(grid, capsys):
    picture, table = figure.make("curves", [str(grid)], ["x=updates"])
    assert picture.name == "curves.png"
    rows = list(csv.DictReader(table.read_text(encoding="utf-8").splitlines()))
    courses = {lr: [[error + 90 / epoch**3 for epoch in (1, 2, 3)] for error in errors]
               for lr, errors in ((0.01, (8.0, 9.0)), (0.1, (4.0,)))}  # fmt: skip
    expected = [
        (f"optimizer.lr={lr}", 10.0 * (i + 1), sum(at) / len(at), min(at), max(at), len(at))
        for lr, each in courses.items()
        for i, at in enumerate(zip(*each, strict=True))
    ]
    names = ("updates", "mean", "least", "greatest", "n")
    found = [(row["line"], *(float(row[name]) for name in names)) for row in rows]
    assert found == [(label, *map(pytest.approx, values)) for label, *values in expected]
    assert capsys.readouterr().err.count("left out") == 3, "the diverged ones"


def test_any_column_can_be_drawn(finished):
    _, table = figure.make("curves", [str(finished)], ["of=train_loss", "x=samples"])
    metrics = list(csv.DictReader((finished / "metrics.csv").read_text(encoding="utf-8").splitlines()))
    rows = list(csv.DictReader(table.read_text(encoding="utf-8").splitlines()))
    assert [(float(row["samples"]), float(row["mean"])) for row in rows] == [
        (float(row["samples"]), float(row["train_loss"])) for row in metrics
    ]


@pytest.mark.parametrize(
    ("typed", "line"),
    [
        (["of=test_eror"], "of=test_eror: no run has such figures by epoch; did you mean test_error?"),
        (["of=accuracy"], "of=accuracy: no run has such figures by epoch; there are: epoch, updates, lr"),
        (["x=seconds"], "x: expected epoch or updates or samples, got 'seconds'"),
        (["x=samples"], "of=test_error: no run has such figures by samples"),
        (["compute=cpu"], "compute: curves does not use it; of evaluate's keys it takes only output"),
    ],
)
def test_bad_input_is_one_line(grid, typed, line):
    with pytest.raises(BadInput) as raised:
        figure.make("curves", [str(grid)], typed)
    assert str(raised.value).startswith(line) and "\n" not in str(raised.value)
