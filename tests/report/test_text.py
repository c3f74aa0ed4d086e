"""A table as text: what is said, exactly, and that no label acts in any format."""

import csv
import dataclasses
import html
import io
import re

import pytest

from tests.report.conftest import HOSTILE, make_study
from tricktable.runner import report
from tricktable.runner.errors import StorageProblem
from tricktable.runner.report import cells, columns, latex, markdown


def read(path):
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"), newline="")))


def rows_of(table):
    """What each row says, by the names of the columns."""
    shown = columns.columns(table)
    names = [column.name for column in shown]
    return [dict(zip(names, values, strict=True)) for values in columns.grid(table, shown, table.rows)]


def test_columns_have_names_of_their_own_and_headings():
    for each in (columns.OF_PAPER, columns.OF_STUDY, columns.CLAIMS):
        assert len({column.name for column in each}) == len(each) and all(column.heading for column in each)
    assert set(columns.OF_RUNS) < {column.name for column in (*columns.OF_PAPER, columns.BEST)}


def test_rows_say_theirs_ours_the_difference_and_what_became_of_the_seeds(measured):
    said = rows_of(measured)
    names = ("theirs", "ours", "difference", "runs", "updates")
    assert [said[0][name] for name in names] == ["5.25 ± 0.10 (sd, n = 5)", "5.54 ± 1.40", "+0.29", "3 of 3", "40 / 30"]
    assert [said[1][name] for name in names] == ["6.00 †‡", "7.00", "+1.00", "1 of 3, 1 diverged, 1 to run", "≈40 / 30"]
    assert said[2]["ours"].startswith("not runnable here: no data source") and said[2]["runs"] == cells.NOTHING
    assert [said[3][name] for name in names[:4]] == [*[cells.NOTHING] * 3, "0 of 3, 3 to run"]
    assert said[0]["params"] == "1,000", "a count that agrees stands once"
    assert said[0]["madds"] == "– / 5,000"


def test_claims_say_effect_interval_both_p_ratio_and_seeds_needed(measured):
    said = columns.grid(measured, columns.CLAIMS, measured.claims)
    assert said[0][1:8] == ["reproduced", "training", "+0.75", "+1.46 ± 0.50", "< 0.001", "< 0.001", "1.94"]
    assert said[1][1:] == ["undecided", "training", *["–"] * 5, "Too few seeds; 12 seeds a row would have decided it."]


def test_the_legend_has_the_marks_that_are_used_and_no_others(measured):
    assert [line[0] for line in cells.legend(measured)[:2]] == ["†", "‡"]
    plain = [row for row in measured.rows if not row.theirs.mark]
    only = dataclasses.replace(measured, rows=tuple(plain))
    assert not any(line[0] in cells.MARKS for line in cells.legend(only))


def test_markdown_tables_have_as_many_cells_in_every_line(measured):
    lines = [line for line in markdown.document([measured]).splitlines() if line.startswith("|")]
    counts = [len(re.findall(r"(?<!\\)\|", line)) for line in lines]
    assert counts == [11] * 6 + [10] * 5, "four rows and three claims below a head and a rule"


def test_markdown_has_no_html_no_mathematics_and_no_invisible_characters(measured):
    said = markdown.document([measured])
    body = said[: said.index("Made by:")]  # below stands code
    assert "<" not in body and ">" not in body.replace("&gt;", "")
    assert not re.search(r"(?<!\\)\$", body)
    assert "\u202e" not in said and "\u200b" not in said
    assert "plain_row" in body, "an underscore within a word needs no escape"
    assert "tricktable table a/b --budget smoke" in said


def test_a_study_is_a_table_of_its_own_columns_alone(tmp_path):
    """Its baseline is what the others are compared with; there is no paper, so no claims."""
    table = make_study(tmp_path)
    first, other = rows_of(table)
    assert (first["error"], first["change"], first["n"]) == ("5.54 ± 1.40", "baseline", "3")
    assert (other["error"], other["change"], other["diverged"]) == ("7.00", "+1.46", "1")
    lines = markdown.document([table]).splitlines()
    assert lines[0] == "# s" and not {"## Claims", "Made by:"} & set(lines)
    assert [len(re.findall(r"(?<!\\)\|", line)) for line in lines if line.startswith("|")] == [8] * 4
    assert latex.document([table]).count(r"\toprule") == 1


@pytest.mark.parametrize(
    ("label", "shown"),
    [
        ("augment=[crop,flip], optimizer.weight_decay=0.1", "augment=[crop,flip], optimizer.weight_decay=0.1"),
        ("model=[a](http://b)", r"model=\[a\](http://b)"),
        ("a=<b>|*c*", r"a=&lt;b&gt;\|\*c\*"),
    ],
)
def test_brackets_of_overrides_stand_for_themselves_unless_they_were_a_link(label, shown, tmp_path):
    table = make_study(tmp_path)
    labelled = dataclasses.replace(table, rows=(dataclasses.replace(table.rows[0], label=label),))
    assert f"\n| {shown} | 3 | 0 |" in markdown.document([labelled])


def test_latex_balances_its_braces_and_escapes_what_is_special(measured):
    said = latex.document([measured])
    plain = re.sub(r"\\[&%$#_{}]", "", said)  # escaped ones
    plain = "\n".join(line for line in plain.splitlines() if not line.startswith("%"))
    assert plain.count("{") == plain.count("}")
    assert re.findall(r"[#~]", plain) == [] and "%" not in plain
    assert plain.count("$") % 2 == 0 and r"\input" not in plain
    assert all(c.isascii() or c.isalpha() for c in plain)
    ends = [line for line in said.splitlines() if line.endswith(r"\\")]
    assert [len(re.findall(r"(?<!\\)&", line)) for line in ends] == [9] * 5 + [8] * 4
    assert said.count(r"\toprule") == said.count(r"\bottomrule") == 2


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ("50%_a&b", r"50\%\_a\&b"),
        ("\\x{1}", r"\textbackslash{}x\{1\}"),
        ("±†", r"$\pm$$^\dagger$"),
        ("Gö–é", "Gö--é"),
        ("漢", "{[}U+6F22{]}"),
        ("[1] x^2", r"{[}1{]} x\textasciicircum{}2"),
    ],
)
def test_latex_of(given, written):
    assert latex.escaped(given) == written


def test_csv_keeps_every_digit_and_every_label(measured, tmp_path):
    report.write_tables(measured, tmp_path / "out")
    rows = read(tmp_path / "out" / "table.csv")
    assert [float(row["ours"]) for row in rows[:2]] == [row.mean for row in measured.rows[:2]]
    assert float(rows[0]["ours_ci95"]) == measured.rows[0].half
    assert [row["row"] for row in rows[:2]] == list(HOSTILE[:2])
    assert rows[2]["row"] == "'=1+1 <img src=x onerror=alert(1)> \\u202eevil\\u200b\\nline", "spelt out: it cannot act"
    assert (rows[1]["n"], rows[1]["declared"], rows[1]["diverged"]) == ("1", "3", "1")
    assert rows[0]["fingerprint"] == "sha256:0123456789ab" and rows[3]["fingerprint"] == ""
    claims = read(tmp_path / "out" / "claims.csv")
    assert [(c["verdict"], c["p"], c["seeds_needed"]) for c in claims] == [
        ("reproduced", "0.0001", ""), ("undecided", "", "12"), ("not runnable here", "", "")
    ]  # fmt: skip


def test_runs_csv_has_a_row_a_run_with_its_figures(measured, tmp_path):
    report.write_tables(measured, tmp_path / "out")
    rows = read(tmp_path / "out" / "runs.csv")
    assert [(row["seed"], row["state"], row["figure"]) for row in rows] == [
        ("0", "complete", "5.0"), ("1", "complete", "5.5"), ("2", "complete", "6.125"), ("0", "complete", "7.0"), ("1", "diverged", "")
    ]  # fmt: skip
    assert rows[0]["final.plain.test_error"] == "5.0" and rows[0]["device"] == "a processor"
    assert rows[4]["diverged_at"] == "7" and rows[4]["final.plain.test_error"] == ""


def test_several_tables_are_one_report(measured, tmp_path):
    written = report.write_tables([measured, measured], tmp_path / "out")
    assert {path.name for path in written} == {"table.md", "table.csv", "claims.csv", "table.tex", "runs.csv"}
    assert len(read(tmp_path / "out" / "table.csv")) == 8


def test_a_folder_that_cannot_be_written_is_a_storage_problem(measured, tmp_path):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(StorageProblem, match="out"):
        report.write_tables(measured, tmp_path / "out")


SAID = (
    "Smoke run: ResNet-20 on CIFAR-10, 3 epochs. The paper: ResNet-20 on CIFAR-10, 182 epochs.",
    "Of the 2 claims, 1 is reproduced and 1 is undecided.",
    "Differs from the paper",
    "A border of 4 pixels (rows: ",
    "Material (augmentation): claims on these rows get no more than an indication.",
    "Fewer images. Why: time.",
    "The smoke budget changes optimization, as listed below",
    "Assumed, because the paper does not say",
    "The paper does not state the batch size: 128.",
    "Changed by the smoke budget",
    "all rows: epochs=3 in place of 182",
    "all rows: model=resnet20",
    "plain_row: optimizer.lr=0.4",
    "Reproduced: run as in the paper",
)


@pytest.mark.parametrize("write", ["markdown", "latex", "page", "terminal"])
def test_every_format_says_what_differs_what_is_assumed_and_what_was_typed(measured, write, capsys, monkeypatch):
    from tricktable.runner.report import page, terminal

    if write == "terminal":
        monkeypatch.setenv("COLUMNS", "200")
        terminal.show(measured)
        said = capsys.readouterr().out
    else:
        said = {"markdown": markdown.document, "latex": latex.document, "page": page.page}[write]([measured])
    said = re.sub(r"\\(?=[_#&])", "", " ".join(said.split()))
    missing = [part for part in SAID if part not in html.unescape(said)]
    assert not missing
    assert "<b>crop" not in said or write == "terminal"
    at_paper = dataclasses.replace(measured, budget="paper", rows=tuple(_whole(row) for row in measured.rows))
    plain = markdown.document([at_paper])
    assert "Fewer images" not in plain and "Changed by" not in plain and "A border of 4 pixels" in plain


def _whole(row):
    return dataclasses.replace(row, changes=())


def test_the_csv_says_of_each_row_what_differs(measured, tmp_path):
    report.write_tables(measured, tmp_path)
    first, other, *_ = read(tmp_path / "table.csv")
    assert first["differs"] == "a border of 4 pixels | fewer images." and other["differs"] == "fewer images."
    assert first["assumed"] == "the paper does not state the batch size: 128"
    assert first["budget_changes"] == "epochs=3 in place of 182"
    assert first["overrides"] == "model=resnet20 optimizer.lr=0.1"


def test_where_the_paper_reports_its_best_epoch_both_figures_stand_in_the_table(measured):
    assert "best" not in rows_of(measured)[0]
    best = dataclasses.replace(measured.recipe.table, selection="best")
    runs = tuple(dataclasses.replace(run, best=run.figure - 1) for run in measured.rows[0].runs)
    rows = (dataclasses.replace(measured.rows[0], runs=runs), *measured.rows[1:])
    both = dataclasses.replace(measured, rows=rows, recipe=dataclasses.replace(measured.recipe, table=best))
    assert (rows_of(both)[0]["ours"], rows_of(both)[0]["best"]) == ("5.54 ± 1.40", "4.54 ± 1.40")
    assert any("best test epoch" in line for line in cells.legend(both))
    assert not any("best test epoch" in line for line in cells.legend(measured))


def test_a_study_says_its_warnings_too(tmp_path):
    table = dataclasses.replace(make_study(tmp_path), warnings=("These runs were made by several commits: 1, 2.",))
    assert "**Note:** These runs were made by several commits" in markdown.document([table])
