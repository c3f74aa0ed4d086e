"""The figure of a study of two keys: its cells are means over the seeds that finished, and it says what diverged."""

import csv
import shutil

import pytest

from tests.report.conftest import write_run
from tricktable.runner.disk import runs
from tricktable.runner.errors import BadInput
from tricktable.runner.explore import reevaluate
from tricktable.runner.figures import figure
from tricktable.runner.figures.heat_map import heat_map


def records(table):
    return list(csv.DictReader(table.read_text(encoding="utf-8").splitlines()))


def test_a_cell_is_the_mean_of_its_finished_seeds(grid):
    picture, table = figure.make("heat_map", [str(grid)], [])
    assert picture.parent == grid / "figures" and picture.read_bytes().startswith(b"\x89PNG")
    found = [
        (float(row["optimizer.lr"]), int(row["batch_size"]), row["mean"], row["n"], row["diverged"])
        for row in records(table)
    ]
    assert found == [(0.01, 32, "8.5", "2", "0"), (0.1, 32, "4.0", "1", "1"), (0.1, 64, "", "0", "2")]
    assert [(row["least"], row["greatest"]) for row in records(table)] == [("8.0", "9.0"), ("4.0", "4.0"), ("", "")]


def test_it_says_where_the_best_is(grid):
    found = heat_map(figure.Ended(runs.under(grid.parent, grid.name)), reevaluate.read([]))
    assert found.plots[0].words == "3 cells; the best is 4 at batch_size=32, optimizer.lr=0.1."
    lost = figure.Ended(run for run in runs.under(grid.parent, grid.name) if run.state == "diverged")
    assert (
        heat_map(lost, reevaluate.read([]), "optimizer.lr", "batch_size").plots[0].words
        == "2 cells; all runs diverged."
    )


def test_keys_may_be_typed_and_need_not_be_numbers(grid):
    for folder in grid.iterdir():
        shutil.rmtree(folder)
    for seed, (optimizer, error) in enumerate((("sgd", 5.0), ("adam", 6.0))):
        write_run(grid / optimizer, seed, error, [f"optimizer={optimizer}", "augment=[crop,flip]"])
    _, table = figure.make("heat_map", [str(grid)], ["x=optimizer", "y=augment"])
    cells = [(row["optimizer"], row["augment"], row["mean"]) for row in records(table)]
    assert sorted(cells) == [("adam", "[crop,flip]", "6.0"), ("sgd", "[crop,flip]", "5.0")]


@pytest.mark.parametrize(
    ("typed", "line"),
    [
        (["x=optimizer.lr", "y=epochs"], "b0 and c0 are one point of the figure, and differ in batch_size"),
        (["x=optimizer.lr", "y=optimizer.beta9"], "optimizer.beta9: a0 has no such key"),
        (["of=val_error"], "a0 has no val_error"),
        (["of=accuracy"], "of: expected test_error or test_loss or"),
        (["data=digits"], "data: heat_map does not use it; of evaluate's keys it takes only output"),
        (["x=epochs"], "heat_map: type x=<key> and y=<key>; these runs vary batch_size, optimizer.lr"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line(grid, typed, line):
    with pytest.raises(BadInput) as raised:
        figure.make("heat_map", [str(grid)], typed)
    assert str(raised.value).startswith(line) and "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("more", "line"),
    [
        ({}, "a0 and a2: the same choices and seed; take one of them"),
        ({"fingerprint": "sha256:other"}, "a0 and a2: the same choices on other images; take one of them"),
    ],
)
def test_what_is_not_another_seed_is_not_averaged(grid, more, line):
    write_run(grid / "a2", 2 if more else 0, 1.0, ["optimizer.lr=0.01", "batch_size=32"], **more)
    with pytest.raises(BadInput) as raised:
        figure.make("heat_map", [str(grid)], [])
    assert str(raised.value) == line


def test_other_figures_get_no_diverged_run(grid, capsys):
    figure.make("curves", [str(grid)], [])
    assert "is diverged, not complete" in capsys.readouterr().err
