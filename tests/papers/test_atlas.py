"""`tricktable atlas FILE`: what a file may hold, which pairs there are, and that docs/atlas.md's example runs."""

import csv
import re
import statistics
from types import SimpleNamespace

import pytest

from tests.conftest import ROOT
from tricktable.runner.cli import main
from tricktable.runner.errors import BadInput
from tricktable.runner.papers import atlas, atlas_file
from tricktable.runner.papers.atlas import Cell
from tricktable.runner.papers.measured import Measurement
from tricktable.runner.report import atlas as report
from tricktable.runner.report import atlas_map

PAGE = (ROOT / "docs" / "atlas.md").read_text(encoding="utf-8")
(EXAMPLE,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.S)
SHARED = (
    "data=digits, data.subset=2, model=resnet8, model.width=4, compute=cpu, compute.threads=1, epochs=1, batch_size=8"
)


@pytest.fixture
def write(tmp_path):
    def to(text):
        path = tmp_path / "own.yaml"
        path.write_text(text)
        return path

    return to


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tricks: {a: [epochs=1], b: [epochs=2]}", "n: missing"),
        ("n: 1\ntricks: {a: [epochs=1], b: [epochs=2]}", "n: expected a whole number at least 2"),
        ("n: 2\ntricks: {a: [epochs=1]}", "tricks: expected at least two"),
        ("n: 2\ntricks: {a: [epochs=1], b: []}", "tricks.b: expected at least one key=value"),
        ("n: 2\ntricks: {a: [seed=1], b: [epochs=2]}", "tricks.a: seed=1: the file has keys of its own"),
        ("n: 2\ntricks: {a: [epochs=1], base: [epochs=2]}", "tricks.base: base and + between words are an atlas's own"),
        ("n: 2\ntricks: {a + b: [epochs=1], c: [epochs=2]}", "tricks.a + b:"),
        ("n: 2\nrows: {a: [], b: []}", "unknown key rows"),
    ],
)
def test_what_is_wrong_is_said_with_the_file_s_name(write, text, said):
    path = write(text)
    with pytest.raises(BadInput) as error:
        atlas_file.read(path)
    assert str(path) in str(error.value) and said in str(error.value)


def test_choices_of_a_place_that_takes_several_are_added_and_other_keys_replace(write):
    text = (
        f"n: 2\nshared: [{SHARED}, 'augment=[crop]']\ntricks:\n  flip: ['augment=[flip]']\n"
        "  mixup: ['augment=[mixup]', augment.mixup.alpha=0.4]\n  zero: ['init=[zero_gamma]']\n  focal: [loss=focal]\n"
        "  penalty: [loss=confidence_penalty, epochs=2]\n  long: [epochs=2]\n"
    )
    found = atlas_file.read(write(text))
    planned = atlas_file.plan(found, ["batch_size=4"])
    rows = {label: planned.study.overrides(label) for label in planned.rows.values()}
    assert len(found.cells) == 1 + 6 + 15 and len(rows) == 1 + 6 + 14
    assert rows["base"].get("augment") == "[crop]" and rows["base"].get("batch_size") == "4"
    assert rows["flip + mixup"].get("augment") == "[crop,flip,mixup]"
    assert rows["flip + mixup"].get("augment.mixup.alpha") == "0.4"
    assert rows["flip + zero"].get("init") == "[he,zero_gamma]"  # behind what train.yaml has
    assert rows["penalty + long"].get("epochs") == "2"  # both want the same
    assert planned.refused == {
        ("focal", "penalty"): "both set loss: focal for focal, confidence_penalty for penalty",
    }


def test_pairs_that_a_run_refuses_say_why_and_a_single_one_is_an_error(write):
    text = f"n: 2\nshared: [{SHARED}]\ntricks:\n  none: [norm=none]\n  zero: ['init=[zero_gamma]']\n"
    planned = atlas_file.plan(atlas_file.read(write(text)))
    [(pair, reason)] = planned.refused.items()
    assert pair == ("none", "zero") and "zero_gamma" in reason
    path = write(f"n: 2\nshared: [{SHARED}]\ntricks:\n  a: [epochs=0]\n  b: [epochs=2]\n")
    with pytest.raises(BadInput, match=rf"{path}: tricks.a: epochs"):
        atlas_file.plan(atlas_file.read(path))


def cell(members, figures, diverged=()):
    """A cell with a figure for each seed; None has not run."""
    runs = [
        Measurement(SimpleNamespace(state="diverged" if seed in diverged else "complete"), seed, figure)
        for seed, figure in enumerate(figures)
        if figure is not None or seed in diverged
    ]
    return Cell(members, " + ".join(members) or "base", tuple(runs))


def test_differences_are_within_a_seed_and_of_the_seeds_that_all_have():
    base, a, b = cell((), [9.0, 5.0, 7.0]), cell(("a",), [8.0, 5.5, None]), cell(("b",), [7.0, 4.0, 6.0])
    both = cell(("a", "b"), [None, 3.0, 2.0])
    assert atlas._sums([a, base]) == [-1.0, 0.5]
    assert atlas._sums([both, a, b, base]) == [3.0 - 5.5 - 4.0 + 5.0]
    assert atlas._sums([both, None, b, base]) == []


def test_a_pair_without_a_figure_says_whose_runs_diverged():
    cells = {
        each.members: each for each in (cell((), [1.0, 2.0]), cell(("a",), [None, 3.0], [0]), cell(("b",), [1.0, 1.0]))
    }
    cells["a", "b"] = cell(("a", "b"), [1.0, 1.0])
    assert atlas._why(("a", "b"), cells) == "1 of 2 runs of a diverged"
    cells[("a",)] = cell(("a",), [1.0, None])
    assert atlas._why(("a", "b"), cells) == "its runs have not ended"


def test_the_noise_of_cells_is_without_what_a_seed_does_to_all():
    figures = [[1.0, 4.0, 2.5], [2.0, 5.5, 3.0], [0.0, 2.0, 3.0]]
    shifted = [[value + shift for value, shift in zip(row, (5.0, -3.0, 8.0), strict=True)] for row in figures]
    found = [atlas._noise([dict(enumerate(row)) for row in rows], range(3)) for rows in (figures, shifted)]
    means = [statistics.fmean(row) for row in figures]
    seeds = [statistics.fmean(column) for column in zip(*figures, strict=True)]
    left = sum((figures[c][s] - means[c] - seeds[s] + statistics.fmean(means)) ** 2 for c in range(3) for s in range(3))
    assert found == pytest.approx([left / 4 / 3] * 2)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """docs/atlas.md's example, twice: its folder, and what the second call said."""
    folder = tmp_path_factory.mktemp("atlas")
    (folder / "atlas.yaml").write_text(EXAMPLE)
    return folder


def command(folder, *more):
    with pytest.raises(SystemExit) as ended:
        main(["atlas", str(folder / "atlas.yaml"), f"output.root={folder / 'outputs'}", "--jobs", "2", *more])
    return ended.value.code


def records(folder, name):
    with open(next(folder.glob(f"outputs/*/report/{name}")), newline="") as file:
        return list(csv.DictReader(file))


def test_the_page_s_example_runs_and_its_figures_are_those_of_its_runs(made, capsys):
    assert command(made) == 0
    said = capsys.readouterr().out
    assert re.search(r"Of 2 pairs of 3 tricks .* found with 2 seeds a cell", said) and "report.html" in said
    figures = {(row["a"], row["b"], int(row["seed"])): float(row["test_error"]) for row in records(made, "cells.csv")}
    assert len(figures) == (1 + 3 + 2) * 2
    for row in records(made, "pairs.csv"):
        a, b = row["a"], row["b"]
        if row["reason"]:
            assert (
                (a, b) == ("focal loss", "confidence penalty")
                and row["effect"] == ""
                and "both set loss" in row["reason"]
            )
            continue
        sums = [figures[a, b, s] - figures[a, "", s] - figures[b, "", s] + figures["", "", s] for s in range(2)]
        assert float(row["effect"]) == pytest.approx(statistics.fmean(sums)) and int(row["n"]) == 2
    page = next(made.glob("outputs/*/report/report.html")).read_text()
    assert "both set loss" in page and page.count("<svg") >= 2 and "<script>alert" not in page
    files = {path.name for path in made.glob("outputs/*/report/*")}
    assert {"atlas.md", "interactions.png", "singles.png", "cells.csv", "singles.csv", "pairs.csv"} <= files


def test_the_same_command_makes_nothing_again_and_says_the_same(made, capsys):
    before = {path: path.stat().st_mtime_ns for path in made.glob("outputs/*/*/run.json")}
    table = next(made.glob("outputs/*/report/atlas.md")).read_text()
    assert command(made, "--figures", "svg") == 0
    assert "12 already complete" in "".join(capsys.readouterr())
    assert before == {path: path.stat().st_mtime_ns for path in made.glob("outputs/*/*/run.json")}
    assert next(made.glob("outputs/*/report/atlas.md")).read_text() == table
    assert list(made.glob("outputs/*/report/interactions.svg"))


def test_what_is_typed_wins_over_what_is_shared_and_seeds_are_the_file_s(made, capsys):
    assert command(made, "seed=3") == 2
    assert "has keys of its own" in capsys.readouterr().err


def test_hostile_names_of_tricks_are_shown_as_words():
    base = {(): cell((), [9.0, 5.0, 7.0]), ("<b>x</b>",): cell(("<b>x</b>",), [8.0, 5.5, 6.0])}
    singles, _ = atlas._tested({"<b>x</b>": [("<b>x</b>",), ()]}, base)
    whole = atlas.Atlas(
        name="n", metric=atlas.studies.METRIC, n=3, tricks=("<b>x</b>",), cells=base, singles=singles, pairs={},
        reasons={("<b>x</b>", "=y"): "<script>alert(1)</script>"}, smallest=None, additive=None, command="c", provenance="p",
    )  # fmt: skip
    page = report._page(whole)
    assert "<b>x" not in page and "<script>alert" not in page
    assert "<b>x" not in "\n".join(report._markdown(whole))
    assert list(atlas_map.plots(whole)) == ["singles"]
