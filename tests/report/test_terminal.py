"""Tables on terminals of any width: no line is wider, no word is cut, and what is left out is said."""

import dataclasses
import re

import pytest

from tests.report.conftest import make_apart, make_study
from tricktable.runner import terminal
from tricktable.runner.report import terminal as shown
from tricktable.runner.report.fitting import Field
from tricktable.runner.report.fitting import shown as fitted

LABEL = "augment=[crop,flip,random_erasing], optimizer.weight_decay=0.0005, schedule.lr=cosine_with_restarts"
WIDTHS = (40, 80, 120, 200)


def printed(table, width, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", str(width))
    shown.show(table)
    return capsys.readouterr().out


def cells_of(said, number=0):
    """The texts of a column of a table with borders, in one."""
    lines = [line.strip("│┃").split("│") for line in said.splitlines() if line.startswith("│")]
    return "".join(line[number].strip() for line in lines)


@pytest.mark.parametrize("width", WIDTHS)
def test_no_line_is_wider_than_the_terminal_and_nothing_is_cut(tmp_path, width, monkeypatch, capsys):
    for table in (make_apart(tmp_path / "p"), make_study(tmp_path / "s")):
        rows = (dataclasses.replace(table.rows[0], label=LABEL), *table.rows[1:])
        said = printed(dataclasses.replace(table, rows=rows), width, monkeypatch, capsys)
        assert max(map(len, said.splitlines())) <= width
        assert "…" not in said


@pytest.mark.parametrize("width", WIDTHS)
def test_a_label_is_whole_and_broken_where_words_end(tmp_path, width, monkeypatch, capsys):
    table = make_study(tmp_path)
    table = dataclasses.replace(table, rows=(dataclasses.replace(table.rows[1], label=LABEL),))
    said = printed(table, width, monkeypatch, capsys)
    body = said[re.search("┡|$", said).start() :] if "┡" in said else said
    column = cells_of(body) if "┡" in said else body
    assert LABEL.replace(" ", "") in re.sub(r"\s", "", column)
    lines = [line.strip("│").split("│")[0].strip() for line in body.splitlines() if line.startswith("│")]
    ends = [line for line in lines[: len(lines) - 1] if line and not LABEL.endswith(line)]
    assert all(line[-1] in ",_" or " " in LABEL[LABEL.index(line) + len(line) :][:1] for line in ends if line in LABEL)


def test_what_a_narrow_terminal_leaves_out_is_said(tmp_path, monkeypatch, capsys):
    table = make_study(tmp_path)
    table = dataclasses.replace(
        table, rows=tuple(dataclasses.replace(r, label=f"{LABEL}{i}") for i, r in enumerate(table.rows))
    )
    narrow, wide = (printed(table, width, monkeypatch, capsys) for width in (80, 200))
    assert re.search(r"Left out at 80 columns: .*params.*\. table.csv has them\.", " ".join(narrow.split()))
    assert "1,000" not in narrow and "Left out" not in wide and "1,000" in wide


def test_rows_are_stacked_where_even_the_rest_is_too_wide():
    label = "w" * 28
    fields = [Field("row", (label, "other")), Field("figure", ("5.25 ± 0.10", "–")), Field("n", ("3", "2"), rank=1)]
    drawn, left_out = fitted(fields, 30)
    assert left_out == [] and str(drawn) == f"\n{label}\n  figure  5.25 ± 0.10\n  n       3\n\nother\n  n       2\n"


def test_a_column_is_left_out_by_its_rank_before_rows_are_stacked():
    fields = [Field("row", ("a" * 10,)), Field("x", ("1" * 10,), rank=1), Field("y", ("2" * 10,), rank=2)]
    assert [fitted(fields, width)[1] for width in (40, 30, 20, 10)] == [[], ["y"], ["x", "y"], []]


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        ("one two three", 7, ["one two", "three"]),
        ("optimizer.lr=0.1, schedule.lr=step", 18, ["optimizer.lr=0.1,", "schedule.lr=step"]),
        ("a_long_name_of_a_thing", 8, ["a_long_", "name_of_", "a_thing"]),
        ("[crop,flip]", 6, ["[crop,", "flip]"]),
        ("is 5.25 ± 0.10", 13, ["is", "5.25 ± 0.10"]),
        ("batch_size=32 follows", 15, ["batch_size=32", "follows"]),
        ("resnet8-digits-s0", 10, ["resnet8-", "digits-s0"]),
        ("-1.83 ± 0.50", 12, ["-1.83 ± 0.50"]),
        ("abcdefgh", 3, ["abc", "def", "gh"]),
        ("", 5, [""]),
    ],
)
def test_a_text_is_broken_between_words_first(text, width, lines):
    assert terminal.wrapped(text, width) == lines
