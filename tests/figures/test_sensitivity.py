"""A figure against one key: mean and range over seeds at each value, a line for each value of another."""

import csv

import pytest

from tricktable.runner.disk import runs
from tricktable.runner.errors import BadInput
from tricktable.runner.explore import reevaluate
from tricktable.runner.figures import figure
from tricktable.runner.figures.sensitivity import sensitivity


def test_a_point_is_the_mean_and_the_range_of_its_finished_seeds(grid):
    picture, table = figure.make("sensitivity", [str(grid)], ["by=batch_size"])
    assert picture.name == "sensitivity.png"
    rows = list(csv.DictReader(table.read_text(encoding="utf-8").splitlines()))
    names = ("optimizer.lr", "batch_size", "mean", "least", "greatest", "n", "diverged")
    assert [tuple(row[name] for name in names) for row in rows] == [
        ("0.01", "32", "8.5", "8.0", "9.0", "2", "0"),
        ("0.1", "32", "4.0", "4.0", "4.0", "1", "1"),
        ("0.1", "64", "", "", "", "0", "2"),
    ]


def drawn(grid, *typed):
    from matplotlib.figure import Figure

    from tricktable.runner.report.drawing import PRINT

    (plot,) = sensitivity(figure.Ended(runs.under(grid.parent, grid.name)), reevaluate.read([]), *typed).plots
    canvas = Figure()
    plot.draw(canvas, PRINT)
    return plot, canvas.axes[0]


def test_the_axis_says_that_it_is_logarithmic_and_diverged_runs_are_marked(grid):
    plot, panel = drawn(grid, "optimizer.lr", "batch_size")
    assert panel.get_xscale() == "log" and panel.get_xlabel() == "optimizer.lr, logarithmic (×: diverged)"
    assert plot.labels == ("batch_size=32", "batch_size=64") and panel.get_ylabel() == "test error, %"
    lines = [(line.get_marker(), line.get_xdata().tolist() if line.get_marker() == "o" else list(line.get_xdata()))
             for line in panel.get_lines()]  # fmt: skip
    assert lines == [("o", [0.01, 0.1]), ("x", [0.1]), ("o", [0.1]), ("x", [0.1])]
    assert "batch_size=32: least at 0.1, 4; runs diverged at 0.1" in plot.words
    assert "batch_size=64: no run finished; runs diverged at 0.1" in plot.words


def test_values_of_one_decade_have_a_plain_axis(grid):
    _, panel = drawn(grid, "batch_size", "optimizer.lr")
    assert panel.get_xscale() == "linear" and panel.get_xlabel() == "batch_size (×: diverged)"


@pytest.mark.parametrize(
    ("typed", "line"),
    [
        ([], "b0 and c0 are one point of the figure, and differ in batch_size"),
        (["by=optimizer.lr"], "by=optimizer.lr: it is the key already"),
        (["key=optimizer"], "a0 and b0 are one point of the figure, and differ in optimizer.lr"),
        (["inference=[flip]"], "inference: sensitivity does not use it; of evaluate's keys it takes only output"),
    ],
)
def test_bad_input_is_one_line(grid, typed, line):
    with pytest.raises(BadInput) as raised:
        figure.make("sensitivity", [str(grid)], typed)
    assert str(raised.value) == line


def test_a_key_of_words_is_refused(grid):
    with pytest.raises(BadInput) as raised:
        figure.make("sensitivity", [str(grid / "a0")], ["key=optimizer"])
    assert str(raised.value) == "key=optimizer: expected a key of numbers, got sgd"
