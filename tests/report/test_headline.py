"""What stands above a table, and what does not stand beside the paper's where other data or another network ran."""

import csv
import dataclasses
import re

import pytest

from tests.report.conftest import HOSTILE, claim, make, make_apart, make_study
from tricktable.runner import report
from tricktable.runner.papers import departures
from tricktable.runner.papers.facts import Metric
from tricktable.runner.papers.measured import Change, Judged, MeasuredRow
from tricktable.runner.papers.recipe import Deviation
from tricktable.runner.report import cells, columns, foot, headline, latex, markdown, page, plots, terminal

BANNER = "Smoke run: ResNet-8 on digits, 3 epochs. The paper: ResNet-20 on CIFAR-10, 182 epochs."


@pytest.fixture
def apart(tmp_path):
    return make_apart(tmp_path / "apart")


def test_a_banner_says_what_was_run_and_what_the_paper_ran(apart, measured):
    assert headline.run_here(apart) == [BANNER]
    same = [dataclasses.replace(row, changes=()) for row in measured.rows]
    assert headline.run_here(dataclasses.replace(measured, rows=tuple(same))) == [], "nothing is otherwise"


def test_what_a_budget_sets_of_a_network_is_named(measured):
    rows = [
        dataclasses.replace(row, changes=(Change("model.depth", "10", "20"), Change("model.width", "8", None)))
        for row in measured.rows
    ]
    said = headline.run_here(dataclasses.replace(measured, rows=tuple(rows)))
    assert said == [
        "Smoke run: ResNet-20 (depth=10, width=8) on CIFAR-10, 3 epochs. The paper: ResNet-20 on CIFAR-10, 3 epochs."
    ]


def test_every_format_has_the_banner(apart, capsys):
    terminal.show(apart)
    for said in (capsys.readouterr().out, markdown.document([apart]), latex.document([apart]), page.page([apart])):
        assert BANNER in " ".join(said.split())


@pytest.mark.parametrize(
    ("key", "kinds"),
    [("data", ("data",)), ("data.size", ("data",)), ("model", ("network",)), ("model.depth", ("network",)), ("norm", ("network",)),
     ("data.workers", ()), ("epochs", ()), ("augment", ()), ("optimizer.lr", ())],
)  # fmt: skip
def test_which_changes_keep_a_row_from_being_compared(measured, key, kinds):
    row = dataclasses.replace(measured.rows[0], changes=(Change(key, "1", "2"),))
    assert departures.apart(measured, row) == kinds


def test_what_a_recipe_calls_material_and_what_ran_on_other_data_keep_it_too(measured):
    other = Deviation("a wider network", "it fits", material="network")
    table = dataclasses.replace(measured, recipe=dataclasses.replace(measured.recipe, differs=(other,)))
    assert departures.apart(table, table.rows[0]) == ("network",)
    theirs = dataclasses.replace(measured.rows[0].theirs, dataset="cifar100")
    assert departures.apart(measured, dataclasses.replace(measured.rows[0], theirs=theirs)) == ("data",)


def test_the_papers_values_stand_apart_and_nothing_is_taken_from_them(apart, tmp_path):
    names = {column.name: column for column in columns.columns(apart)}
    assert not {"theirs", "difference"} & set(names)
    assert names["apart"].heading == "paper's value (other data, another network)"
    assert [names["apart"].cell(apart, row) for row in apart.rows] == [
        "5.25 ± 0.10 (sd, n = 5)",
        "6.00 †‡",
        "7.00",
        "–",
    ]
    assert names["updates"].heading == "updates" and names["updates"].cell(apart, apart.rows[0]) == "30"
    report.write_tables(apart, tmp_path)
    with (tmp_path / "table.csv").open(newline="") as file:
        first = next(csv.DictReader(file))
    assert (first["difference"], first["theirs"], first["not_comparable"]) == ("", "5.25", "data network")
    assert [column.cell(apart, apart.claims[0]) for column in columns.CLAIMS if column.name == "ratio"] == ["–"]


def test_where_one_row_alone_is_as_in_the_paper_it_alone_is_compared(measured, apart):
    mixed = dataclasses.replace(apart, rows=(measured.rows[0], *apart.rows[1:]))
    names = {column.name: column for column in columns.columns(mixed)}
    said = [[names[name].cell(mixed, row) for name in ("theirs", "difference", "apart")] for row in mixed.rows[:2]]
    assert said == [["5.25 ± 0.10 (sd, n = 5)", "+0.29", "–"], ["–", "–", "6.00 †‡"]]


def test_no_paper_stands_on_our_axis(apart, measured):
    (alone,), (beside,) = plots.seeds(apart), plots.seeds(measured)
    assert not alone.compared and "theirs" not in alone.words
    assert beside.compared and "theirs 5.25" in beside.words
    shown = page.page([apart])
    assert "the paper</li>" not in shown and "Theirs and ours" not in shown


def test_verdicts_by_counting_are_apart_from_those_by_training(measured):
    names = {column.name: column for column in columns.columns(measured)}
    said = [[names[name].cell(measured, row) for name in ("verdicts", "counting")] for row in measured.rows[:3]]
    assert said == [
        ["1 reproduced, 1 undecided", "–"],
        ["1 reproduced", "1 not runnable here"],
        ["–", "1 not runnable here"],
    ]
    shown = re.sub("<[^>]*>", " ", page.page([measured]))
    head = " ".join(shown[: shown.index("smoke budget")].split())
    assert "By training: ✓ 1 reproduced ? 1 undecided By counting: – 1 not runnable here" in head
    trained = dataclasses.replace(measured, claims=measured.claims[:2])
    assert "counting" not in {column.name for column in columns.columns(trained)}


def test_a_table_of_sizes_is_by_counting(measured):
    sizes = dataclasses.replace(measured, metric=Metric("model_size", "megabytes", "lower", "none"))
    assert [cells.by_counting(sizes, judged) for judged in sizes.claims] == [True] * 3
    assert [cells.by_counting(measured, judged) for judged in measured.claims] == [False, False, True]


def judged(*verdicts, field="value"):
    return [Judged(claim(i, HOSTILE[0], HOSTILE[1], field=field), verdict, "") for i, verdict in enumerate(verdicts)]


@pytest.mark.parametrize(
    ("budget", "claims", "said"),
    [
        ("smoke", judged("indication for", "indication for", "no indication"),
         "None of the 3 claims can be decided by a smoke run; 2 point the paper's way; 1 points neither way."),
        ("short", judged("indication against"), "The claim cannot be decided by a short run; 1 points the other way."),
        ("smoke", judged("indication for", "not run"),
         "Neither of the 2 claims can be decided by a smoke run; 1 points the paper's way; 1 has no runs yet."),
        ("paper", judged("reproduced", "reproduced", "contradicted", "qualitative"),
         "Of the 3 claims, 2 are reproduced and 1 is contradicted."),
        ("paper", judged("indication for", "no indication", "not runnable here"),
         "None of the 3 claims can be decided here; 1 points the paper's way; 1 points neither way; 1 cannot be run here."),
        ("smoke", judged("not run", "not run"), "Nothing has been run yet that decides the 2 claims."),
        ("smoke", judged("not runnable here"), "The claim cannot be decided here: the runs that it takes cannot be made."),
        ("smoke", judged("qualitative"), "The paper makes no claim that figures of this table could decide."),
        ("smoke", [*judged("no indication"), *judged("reproduced", "reproduced", field="params")],
         "The claim cannot be decided by a smoke run; 1 points neither way. By counting, and without training, 2 are "
         "reproduced of the 2 claims on counts."),
    ],
)  # fmt: skip
def test_the_first_sentence_is_how_it_came_out(measured, budget, claims, said):
    table = dataclasses.replace(measured, budget=budget, claims=tuple(claims))
    assert headline.conclusion([table]) == said
    assert f"{said}".replace("'", "&#x27;") in page.page([table])


def test_a_study_begins_with_how_its_best_row_compares(tmp_path):
    table = make_study(tmp_path)
    assert headline.conclusion([table]).startswith("No row has a lower test error than the baseline")
    other = dataclasses.replace(table, baseline=table.rows[1].label)
    assert "1.46 points below the baseline" in headline.conclusion([other])
    assert headline.conclusion([other]).endswith("One seed of a row tells no difference from chance.")
    one = dataclasses.replace(table, rows=table.rows[:1])
    assert headline.conclusion([one]) == "Test error 5.54 ± 1.40%, over 3 seeds."
    none = dataclasses.replace(table, rows=(MeasuredRow(label="a", seeds=(0,)),))
    assert headline.conclusion([none]) == "All runs diverged."


def test_a_study_says_no_budget_no_declared_seeds_and_its_title_once(tmp_path):
    table = make_study(tmp_path)
    report.write_tables(table, tmp_path / "out")
    shown = re.sub("<[^>]*>", " ", page.page([table]).partition("<body>")[2])
    for said in (
        shown,
        markdown.document([table]),
        latex.document([table]),
        (tmp_path / "out" / "runs.csv").read_text(),
    ):
        assert "udget" not in said.replace(table.command, "").replace("--budget", "") and "declared" not in said
    assert shown.count("Study s") == 1


def test_the_foot_says_version_commit_and_day_and_links_to_the_project_if_it_has_an_address(measured, monkeypatch):
    monkeypatch.setattr(foot.machine, "commit", lambda: "abc123")
    assert re.fullmatch(r"Made by tricktable( [0-9.]+\w*)? at commit abc123 on 20\d\d-\d\d-\d\d\.", foot.made())
    monkeypatch.setattr(page.foot, "address", lambda: None)
    assert "<a " not in page.page([measured]).rpartition("<footer>")[2]
    monkeypatch.setattr(page.foot, "address", lambda: "https://example.org/x")
    assert '<a href="https://example.org/x"' in page.page([measured]).rpartition("<footer>")[2]


def test_an_axis_that_is_logarithmic_says_so(tmp_path):
    from matplotlib.figure import Figure

    from tricktable.runner.report.drawing import PRINT, scale

    for values, label in (((1.0, 100.0), "loss\n(log scale)"), ((1.0, 2.0), "loss")):
        panel = Figure().subplots()
        panel.set_ylabel("loss")
        scale(panel, values)
        assert panel.get_ylabel() == label and (panel.get_yscale() == "log") == ("log" in label)
    canvas = Figure()
    (curves,) = plots.curves(make(tmp_path))
    curves.draw(canvas, PRINT)
    assert canvas.axes[0].get_ylabel() == "test error, %\n(log scale)"
