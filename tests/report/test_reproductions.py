"""docs/reproductions.md has every claim of every paper, with what became of it, and counts each once."""

import re
from collections import Counter
from dataclasses import replace

import pytest

from tests.conftest import ROOT
from tests.report.test_campaign import FIRST, NAME, machine, table, work  # noqa: F401 (fixtures)
from tricktable.runner.papers import facts, tabulate
from tricktable.runner.papers.measured import Judged
from tricktable.runner.report import reproductions
from tricktable.runner.report.reproductions import BY_COUNTING, BY_TRAINING, INDICATED, Line, counts, of_paper, rows

RESULTS = ROOT / "results"
PAGE = (ROOT / "docs" / "reproductions.md").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("paper", facts.papers())
def test_the_page_has_the_papers_claims_in_their_order(paper):
    lines = [line for line in PAGE if line.startswith(f"| {paper} |")]
    assert lines == rows(of_paper(paper, RESULTS))[2:], "run `make docs`"


def test_the_page_counts_every_claim_once():
    every = [line for paper in facts.papers() for line in of_paper(paper, RESULTS)]
    assert len(every) == sum(len(facts.load(paper).claims) for paper in facts.papers())
    assert [line for line in PAGE if line.startswith("- **")] == counts(every)[2:], "run `make docs`"
    found = [int(line.partition("**")[2].partition("**")[0]) for line in counts(every)[2:]]
    assert sum(found) == len(every)


def judged(verdict, **more):
    claim = next(iter(facts.load("he2016_resnet").claims.values()))
    return Judged(replace(claim, **more), verdict, "the reason")


@pytest.mark.parametrize(
    ("verdict", "counting", "kind"),
    [
        ("reproduced", False, BY_TRAINING),
        ("contradicted", False, BY_TRAINING),
        ("reproduced", True, BY_COUNTING),
        ("undecided", False, "undecided"),
        ("indication against", False, INDICATED),
        ("no indication", True, INDICATED),
        ("not run", False, "not run"),
        ("not runnable here", False, "not runnable here"),
        ("qualitative", False, "qualitative"),
    ],
)
def test_where_a_verdict_is_counted(verdict, counting, kind):
    assert Line("a", "t", judged(verdict), counting, "").kind == kind


def test_the_sentences_at_the_top():
    lines = [Line("a", "t", judged("reproduced"), True, "")] * 2 + [Line("b", "t", judged("contradicted"), False, "")]
    said = counts(lines)
    assert said[0] == "3 claims of 2 papers:"
    assert said[2] == "- **1** are decided by training at the paper's budget (1 contradicted)."
    assert said[3] == "- **2** are decided by counting parameters, multiply-adds or updates (2 reproduced)."
    assert "- **0** are not run yet." in said


def test_a_line_is_a_sentence_with_figures_in_the_claims_unit():
    line = Line(
        "he2016_resnet",
        "table6",
        replace(judged("undecided", statement="deeper | is better"), theirs=0.5),
        False,
        "percent",
    )
    line = replace(
        line,
        judged=replace(line.judged, ours=0.4567, half=0.1),
        seeds="5",
        budget="paper",
        data="cifar10",
        device="a GPU",
    )
    assert rows([line])[2] == (
        r"| he2016_resnet | Deeper \| is better. | table6 | +0.50 | +0.46 | ± 0.10 | 5 | paper | cifar10 | a GPU | undecided |"
    )


def test_claims_decided_by_counting_need_no_run():
    found = {line.judged.claim.id: line for line in of_paper("smith2018_batch_size", RESULTS.parent / "nowhere")}
    line = found["fewer_updates_increasing_batch"]
    assert line.kind == BY_COUNTING and line.judged.reason == "exact: 78,000 and 29,040" and not line.budget
    assert found["same_accuracy_increasing_batch"].kind == "not run"


def test_what_results_has_is_taken_from_it(table, machine, tmp_path):  # noqa: F811 (fixtures)
    paper = NAME.partition("/")[0]
    work(tmp_path, FIRST)
    of_paper.cache_clear()
    found = {line.judged.claim.id: line for line in of_paper(paper, tmp_path / "results")}
    of_paper.cache_clear()
    line = found["same_accuracy_increasing_batch"]
    assert (line.budget, line.seeds, line.data) == ("smoke", "2", "cifar10")
    assert line.judged.ours == 0 and line.judged.verdict == "no indication" and line.kind == INDICATED
    assert found["momentum_costs_accuracy"].kind == "not runnable here"


def test_holm_counts_all_of_a_papers_tables_whichever_machine_made_them():
    one = Line("a", "t", replace(judged("reproduced"), p=0.03, ours=1.0), False, "", budget="paper")
    other = replace(one, table="u", judged=replace(one.judged, p=0.04))
    alone, both = reproductions._adjusted([one]), reproductions._adjusted([one, other])
    assert alone[0].judged.verdict == "reproduced"
    assert {line.judged.verdict for line in both} == {"undecided"} and both[0].judged.adjusted == pytest.approx(0.06)
    apart = reproductions._adjusted([one, replace(other, budget="smoke")])
    assert apart[0].judged.verdict == "reproduced", "another budget is another experiment"


def test_without_runs_a_table_says_what_it_lacks():
    from tricktable.runner.papers import recipe

    found = tabulate.without_runs(recipe.load("hendrycks2019_augmix/cifar10_c"))
    assert {each.verdict for each in found.claims} == {"not runnable here"}
    assert Counter(each.verdict for each in tabulate.without_runs(recipe.load("he2016_resnet/table6")).claims)[
        "not run"
    ]


def test_no_cell_breaks_the_table():
    width = len(reproductions.COLUMNS)
    table_ = [line for line in PAGE if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in table_} == {width + 1}
