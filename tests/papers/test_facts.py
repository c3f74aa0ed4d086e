"""The papers' facts load, and say what the papers say: claims hold on the papers' own values."""

import copy

import pytest
import yaml

from runner.errors import BadInput
from runner.papers import facts

PAPERS = facts.papers()


def test_all_papers_are_here():
    assert len(PAPERS) == 34
    tables = [table for paper in PAPERS for table in facts.load(paper).tables.values()]
    assert (len(tables), sum(len(table.rows) for table in tables)) == (125, 1040)


@pytest.mark.parametrize("name", PAPERS)
def test_its_claims_hold_on_its_own_values(name):
    paper = facts.load(name)
    for claim in paper.claims.values():
        if claim.kind == "qualitative":
            continue
        table = paper.tables[claim.table]
        sides = []
        for labels in (claim.left, claim.right):
            values = [value for label in labels if (value := table.rows[label].field(claim.field)) is not None]
            assert values, f"{claim.id}: no value"
            higher = claim.field == "value" and table.metric.better == "higher"
            sides.append(max(values) if higher else min(values))
        left, right = sides
        if claim.kind == "less_than":
            assert left + claim.margin <= right + 1e-9, claim.id
        elif claim.kind == "equal_within":
            assert abs(left - right) <= claim.tolerance + 1e-9, claim.id
        else:
            assert abs(left / right - claim.expected) <= claim.tolerance + 1e-9, claim.id


def test_values_that_are_recalled_or_second_hand_are_marked():
    paper = facts.load("zhang2019_fixup")
    assert paper.tables["cifar10_resnet110"].rows["Fixup"].mark == "†"
    assert paper.tables["imagenet_table2"].rows["R50 ZeroInit"].mark == ""


BASE = yaml.safe_load((facts.PAPERS / "smith2018_batch_size.yaml").read_text(encoding="utf-8"))


def changed(change):
    values = copy.deepcopy(BASE)
    change(values)
    return values


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda v: v.update(schema=3), "expected schema 2"),
        (lambda v: v["tables"][0]["rows"][0].update(confidence="sure"), "confidence one of"),
        (lambda v: v["tables"][0]["rows"][0].update(value=float("nan")), "finite numbers"),
        (lambda v: v["tables"][0]["rows"].append(v["tables"][0]["rows"][0]), "each label once"),
        (lambda v: v["claims"][0].update(left="nothing"), "rows of fig5_section52, and not nothing"),
        (lambda v: v["claims"][0].update(kind="better"), "kind one of"),
        (lambda v: v.pop("static"), "'static'"),
        (lambda v: v["tables"].append(7), "TypeError"),
    ],
)
def test_what_is_wrong_in_a_file_is_one_line(tmp_path, monkeypatch, change, said):
    (tmp_path / "odd.yaml").write_text(yaml.safe_dump({**changed(change), "id": "odd"}))
    monkeypatch.setattr(facts, "PAPERS", tmp_path)
    facts.papers.cache_clear()
    try:
        with pytest.raises(BadInput) as error:
            facts.load.__wrapped__("odd")
    finally:
        facts.papers.cache_clear()
    assert said in str(error.value) and "\n" not in str(error.value)


def test_an_unknown_paper_is_one_line():
    with pytest.raises(BadInput, match="no paper is called smith2018; did you mean"):
        facts.load("smith2018")
