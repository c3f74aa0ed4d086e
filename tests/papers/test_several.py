"""Several tables in one command: in which order, how far, what is passed by, and what is told in the end."""

import math
import time

import pytest

from tricktable.runner import cli
from tricktable.runner.errors import BadInput, SweepFailed
from tricktable.runner.papers import recipe, several


def test_names_are_one_all_or_a_glob_those_with_most_claims_first():
    assert several.names("he2016_resnet/table6") == ["he2016_resnet/table6"]
    assert sorted(several.names("all")) == list(recipe.names())
    found = several.names("he2016*")
    assert sorted(found) == [name for name in recipe.names() if name.startswith("he2016")]
    assert found[0] == "he2016_resnet/table6"  # 5 claims, where the others have 2 and 0
    with pytest.raises(BadInput, match="no table is called he2016_resnet/tabel6; did you mean he2016_resnet/table6?"):
        several.names("he2016_resnet/tabel6")


@pytest.fixture
def asked(monkeypatch):
    """What is asked for, table by table; a table whose name ends in `fails` fails as long as it is in the set."""
    calls, failing = [], {"a/fails"}

    def make(name, budget, overrides, first, write, limits):
        calls.append((name, first))
        if name in failing:
            raise SweepFailed(f"1 of 2 runs of {name} failed")

    monkeypatch.setattr(several, "_make", make)
    return calls, failing


def made(names, **limits):
    return several.make(names, "smoke", [], lambda table, folder: None, jobs=1, **limits)


def test_one_seed_of_every_row_comes_before_the_others(asked):
    assert made(["a/x", "b/y"]).whole == ["a/x", "b/y"]
    assert asked[0] == [("a/x", True), ("b/y", True), ("a/x", False), ("b/y", False)]


def test_a_table_that_fails_is_told_and_passed_by(asked, capsys):
    done = made(["a/fails", "b/y"])
    assert done.failed == {"a/fails": "1 of 2 runs of a/fails failed"} and done.whole == ["b/y"]
    assert "a/fails: 1 of 2 runs of a/fails failed" in capsys.readouterr().err
    asked[1].clear()
    assert not made(["a/fails", "b/y"]).failed  # mended


def test_when_the_time_is_up_no_table_is_begun(asked):
    done = made(["a/x", "b/y"], until=time.monotonic() - 1)
    assert done.time_is_up and not done.whole and not asked[0]
    assert not made(["a/x"], until=math.inf).time_is_up


def test_two_tables_are_made_and_written(tmp_path, capsys, monkeypatch):
    """All the way but for the runs, of which none is ready."""
    monkeypatch.setattr(several, "names", lambda _: ["hoffer2018_fix_classifier/hadamard", "he2016_resnet/table6"])
    monkeypatch.setattr("tricktable.runner.papers.reproduce.ready", lambda plan, runs: [])
    arguments = ["table", "x", "--run", "--budget", "smoke", f"output.root={tmp_path}"]
    with pytest.raises(SystemExit) as left:
        cli.main(arguments)
    said = capsys.readouterr()
    assert left.value.code == 0 and "2 of 2 tables are whole" in said.out
    assert (tmp_path / "tables" / "he2016_resnet" / "table6" / "smoke" / "table.md").is_file()
    with pytest.raises(SystemExit) as left:
        cli.main(arguments[:2])
    assert left.value.code == 2
    assert "2 tables have such a name; several are made: add --run and --budget" in capsys.readouterr().err
