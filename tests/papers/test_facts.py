"""The papers' facts load, and say what the papers say: claims hold on the papers' own values."""

import copy
import re
from dataclasses import fields
from typing import get_args

import pytest
import yaml

from tests.papers.spelling import misspelt
from tricktable.runner.errors import BadInput
from tricktable.runner.papers import facts

PAPERS = facts.papers()


def test_all_papers_are_here():
    assert len(PAPERS) == 61
    tables = [table for paper in PAPERS for table in facts.load(paper).tables.values()]
    assert (len(tables), sum(len(table.rows) for table in tables)) == (187, 1593)


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
            assert bool(values) != claim.unprinted, f"{claim.id}: a value is printed, or the claim says that none is"
            higher = claim.field == "value" and table.metric.better == "higher"
            sides.append(values and (max(values) if higher else min(values)))
        if claim.unprinted:
            continue
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


def load(folder, monkeypatch, values) -> facts.Paper:
    """What `facts.load` makes of these values in a file odd.yaml."""
    (folder / "odd.yaml").write_text(yaml.safe_dump({**values, "id": "odd"}))
    monkeypatch.setattr(facts, "PAPERS", folder)
    facts.papers.cache_clear()
    try:
        return facts.load.__wrapped__("odd")
    finally:
        facts.papers.cache_clear()


def refused(folder, monkeypatch, change) -> str:
    """The line that such a change of a paper's values comes to."""
    values = copy.deepcopy(BASE)
    change(values)
    with pytest.raises(BadInput) as error:
        load(folder, monkeypatch, values)
    line = str(error.value)
    assert line.startswith("configs/paper/odd.yaml: ") and "\n" not in line
    return line.removeprefix("configs/paper/odd.yaml: ")


ROW = "tables.fig5_section52.rows.original"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda v: v.update(schema=3), "schema: expected 2, got 3"),
        (lambda v: v["tables"][0]["rows"][0].update(confidence="sure"),
         f"{ROW}.confidence: expected summary or verified or derived or memory, got 'sure'"),
        (lambda v: v["tables"][0]["rows"][0].update(secondry=True), f"{ROW}: unknown key secondry; did you mean secondary?"),
        (lambda v: v["tables"][0]["rows"][0].update(value=float("nan")), f"{ROW}.value: expected a number or null, got nan"),
        (lambda v: v["tables"][0]["rows"][0].update(n=0), f"{ROW}.n: expected a whole number at least 1, got 0"),
        (lambda v: v["tables"][0]["rows"][0].update(extra={"best": "94"}),
         f"{ROW}.extra.best: expected a whole number or a number, got '94'"),
        (lambda v: v["tables"][0]["rows"][0].update(spread_kind="sdd"), "got 'sdd'; did you mean sd?"),
        (lambda v: v["tables"][0]["rows"][0].update(aggregate="averge"), "got 'averge'"),
        (lambda v: v["tables"][0]["rows"][0].pop("n"), f"{ROW}.n: missing"),
        (lambda v: v["tables"][0]["rows"].append(v["tables"][0]["rows"][0]), f"{ROW}: this label stands twice"),
        (lambda v: v["tables"].append(v["tables"][0]), "tables.fig5_section52: this id stands twice"),
        (lambda v: v["static"].append(v["static"][0]), "this id stands twice"),
        (lambda v: v["tables"][0]["metric"].update(unit="percnt"), "got 'percnt'; did you mean percent?"),
        (lambda v: v["tables"][0]["metric"].update(split="tset"), "got 'tset'; did you mean test?"),
        (lambda v: v["tables"][0]["metric"].update(better="more"), "expected lower or higher, got 'more'"),
        (lambda v: v["tables"][0].update(selection="lats"), "got 'lats'; did you mean last?"),
        (lambda v: v["claims"][0].update(left="nothing"),
         "claims.same_accuracy_increasing_batch: fig5_section52 has no row nothing; there are: original,"),
        (lambda v: v["claims"][0].update(right={"best_off": ["original"]}), "did you mean best_of?"),
        (lambda v: v["claims"][0].update(kind="better"), "kind: expected less_than or equal_within or ratio or qualitative"),
        (lambda v: v["claims"][0].update(table="fig5_section51"),
         ".table: there is no fig5_section51; did you mean fig5_section52?"),
        (lambda v: v["claims"][0].update(field="speed"), ".field: there is no speed; there are: value, updates,"),
        (lambda v: v["claims"][0].update(field="epochs_to_target"), ".target: epochs_to_target has one, and no other field"),
        (lambda v: v["claims"][0].update(target=4.0), ".target: epochs_to_target has one, and no other field"),
        (lambda v: v["claims"][0].pop("tolerance"), "equal_within has tolerance, and no other number"),
        (lambda v: v["claims"][0].update(margin=0.1), "equal_within has tolerance, and no other number"),
        (lambda v: v["claims"][0].update(tolerance=-0.1), "tolerance: expected a number at least 0, got -0.1"),
        (lambda v: v["claims"][0].update(kind="qualitative", note=None), ".note: missing"),
        (lambda v: v.pop("static"), "static: missing"),
        (lambda v: v["tables"].append(7), "[5]: expected keys (id, caption"),
        (lambda v: v["paper"].update(year="soon"), "paper.year: expected a whole number, got 'soon'"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_file_is_one_line(tmp_path, monkeypatch, change, said):
    assert said in refused(tmp_path, monkeypatch, change)


def test_the_id_is_the_files_name(tmp_path, monkeypatch):
    (tmp_path / "other.yaml").write_text(yaml.safe_dump(BASE))
    monkeypatch.setattr(facts, "PAPERS", tmp_path)
    monkeypatch.setattr(facts, "papers", lambda: ("other",))
    with pytest.raises(BadInput, match="other.yaml: id: expected the file's name, other, got smith2018_batch_size"):
        facts.load.__wrapped__("other")


KINDS = [
    (facts.Paper, lambda v: v),
    (facts.About, lambda v: v["paper"]),
    (facts.Table, lambda v: v["tables"][0]),
    (facts.Metric, lambda v: v["tables"][0]["metric"]),
    (facts.PaperRow, lambda v: v["tables"][0]["rows"][0]),
    (facts.Claim, lambda v: v["claims"][0]),
    (facts.Static, lambda v: v["static"][0]),
]


@pytest.mark.parametrize(("kind", "within"), KINDS, ids=[kind.__name__ for kind, _ in KINDS])
def test_every_key_misspelt_by_a_letter_is_refused_with_the_right_one(tmp_path, monkeypatch, kind, within):
    keys = [field.metadata.get("name") or field.name for field in fields(kind)]
    assert set(within(BASE)) <= set(keys)
    for key in keys:
        for wrong in misspelt(key):
            line = refused(tmp_path, monkeypatch, lambda v, key=key, wrong=wrong: renamed(within(v), key, wrong))
            assert re.search(rf"unknown key {wrong}; (did you mean {key}\?|there are: .*\b{key}\b)", line), line


def renamed(values, key, wrong):
    values[wrong] = values.pop(key, None)


def test_every_key_may_be_written(tmp_path, monkeypatch):
    """All that docs/papers.md allows is read, and nothing of it is lost on the way."""
    values = copy.deepcopy(BASE)
    values["paper"]["companion"] = {**values["paper"], "title": "Another"}
    values["tables"][0] |= {"aggregate": "median", "note": "a table"}
    more = {
        "secondary": True, "extra": {"best": 3}, "updates_relation": "approx", "note": "a row", "aggregate": "mean",
        "params_printed": "2.7M", "spread_confidence": "memory", "copied_from": "them", "approximate": True, "basis": "a plot",
    }  # fmt: skip
    values["tables"][0]["rows"][0] |= more
    values["claims"][0] |= {"note": "a claim", "inconsistent": True}
    values["static"][0] |= {"details": {"a": [1]}, "note": "a fact"}
    paper = load(tmp_path, monkeypatch, values)
    table = paper.tables["fig5_section52"]
    assert paper.about.companion is not None and paper.about.companion.title == "Another"
    assert (table.aggregate, table.note) == ("median", "a table")
    assert {name: getattr(table.rows["original"], name) for name in more} == more
    claim, static = next(iter(paper.claims.values())), next(iter(paper.statics.values()))
    assert (claim.note, claim.inconsistent, static.details, static.note) == ("a claim", True, {"a": [1]}, "a fact")
    assert paper.setup == values["setup"] and paper.sources == tuple(values["sources"])


def test_the_documentation_names_every_key_and_every_allowed_word():
    text = (facts.CONFIGS.parent / "docs" / "papers.md").read_text(encoding="utf-8")
    for kind, _ in KINDS:
        for field in fields(kind):
            assert re.search(rf"\b{field.metadata.get('name') or field.name}\b", text), f"{kind.__name__}.{field.name}"
    for words in (
        facts.Confidence,
        facts.Kind,
        facts.Unit,
        facts.Split,
        facts.Selection,
        facts.Aggregate,
        facts.SpreadKind,
    ):
        assert not [word for word in get_args(words) if not re.search(rf"\b{word}\b", text)]


FILES = sorted((*facts.PAPERS.glob("*.yaml"), *(facts.CONFIGS / "table").rglob("*.yaml")))


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_lines_of_facts_and_recipes_are_short(path):
    assert not [line for line in path.read_text(encoding="utf-8").splitlines() if len(line) >= 150]


@pytest.mark.parametrize("name", PAPERS)
def test_rows_of_a_paper_are_written_in_one_style(name):
    tree = yaml.compose((facts.PAPERS / f"{name}.yaml").read_text(encoding="utf-8"))
    top = {key.value: value for key, value in tree.value}
    rows = [
        row for table in top["tables"].value for key, rows in table.value if key.value == "rows" for row in rows.value
    ]
    assert len({row.flow_style for row in rows}) <= 1


def test_an_unknown_paper_is_one_line():
    with pytest.raises(BadInput, match="no paper is called smith2018; did you mean"):
        facts.load("smith2018")
