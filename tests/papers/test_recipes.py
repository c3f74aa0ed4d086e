"""Every recipe composes for every budget, and every static fact of every paper has a verdict."""

from dataclasses import replace

import pytest

from runner import data
from runner.config.compose import compose
from runner.errors import BadInput
from runner.papers import facts, recipe, statics
from runner.papers.matching import ERRORS, plan
from runner.training import build

NAMES = recipe.names()
IMAGENET, IMAGENETTE = (1_281_167,), (9_469,)  # images of what data=image_folder stands for
# Detection, segmentation, translation, EEG: no classifiers of images.
WITHOUT = {f"he2019_bag_of_tricks/table{i}" for i in (8, 9)} | {
    "liu2020_radam/table2_nmt",
    "loshchilov2019_adamw/sec4.5_eeg",
}


@pytest.mark.parametrize("name", NAMES)
def test_every_row_composes_for_every_budget_or_says_why_not(name):
    loaded = recipe.load(name)
    composed, planned = {}, set()
    for budget in recipe.BUDGETS:
        for label in loaded.table.rows:
            overrides = loaded.overrides(label, budget)
            if isinstance(overrides, str):
                assert len(overrides) > 10, f"{label}: {overrides!r} says nothing"
                continue
            if tuple(overrides) in planned:
                continue
            planned.add(tuple(overrides))
            epochs = [o for o in overrides if o.startswith("epochs=")]
            others = tuple(o for o in overrides if o not in epochs)
            if others not in composed:  # composing is what takes the time; budgets often differ by their epochs alone
                composed[others] = compose(overrides)
            config = replace(composed[others], epochs=int(epochs[0].partition("=")[2]) if epochs else 30)
            unknown = IMAGENET if budget == "paper" else IMAGENETTE
            build.plan(config, (data.known(config.data) or unknown)[0])
    assert loaded.n >= 2


@pytest.mark.parametrize("name", facts.papers())
def test_every_table_of_classifiers_has_a_recipe(name):
    tables = {f"{name}/{table}" for table, found in facts.load(name).tables.items() if found.rows}
    assert tables - WITHOUT <= set(NAMES)


@pytest.mark.parametrize("name", facts.papers())
def test_every_static_fact_has_a_verdict_and_none_is_contradicted(name):
    decided = statics.decide(name)
    for fact in facts.load(name).statics:
        assert any(d.fact == fact or d.fact.startswith(f"{fact}.") for d in decided), fact
    assert not [d for d in decided if d.verdict == "contradicted"]
    assert not [d for d in decided if d.reason == "nobody has said how"]


def test_a_row_is_shared_then_by_then_its_own_then_the_budgets(tmp_path, monkeypatch):
    text = """
n: 3
shared: [model=resnet8, epochs=100, optimizer.lr=0.1]
by: {optimizer: {a: [optimizer.lr=0.2], b: "b is nowhere"}}
rows: {two: [optimizer.lr=0.3]}
budgets: {smoke: {epochs: 2, overrides: [data=digits], n: 2}, short: {epochs: 0.1}, paper: {}}
"""
    rows = {
        label: facts.PaperRow(
            label, None, "cifar10", changes, 1.0, None, None, None, None, None, None, "seed", False, {}
        )
        for label, changes in (("one", {"optimizer": "a"}), ("two", {}), ("three", {"optimizer": "b"}))
    }
    table = facts.Table("t", "", facts.Metric("top1_error", "percent", "lower", "test"), "last", rows)
    import yaml

    made = recipe._recipe("p/t", None, table, yaml.safe_load(text))
    assert made.overrides("one", "paper") == ("model=resnet8", "epochs=100", "optimizer.lr=0.2")
    assert made.overrides("two", "short") == ("model=resnet8", "epochs=10", "optimizer.lr=0.3")
    assert made.overrides("one", "smoke") == ("model=resnet8", "epochs=2", "optimizer.lr=0.2", "data=digits")
    assert made.overrides("three", "smoke") == "b is nowhere"
    assert (list(made.seeds("smoke")), list(made.seeds("paper"))) == ([0, 1], [0, 1, 2])


def test_an_unknown_table_is_one_line():
    with pytest.raises(BadInput, match="no table is called "):
        recipe.load("smith2018_batch_size/fig9")


def test_a_metric_that_training_does_not_give_is_said():
    for name in NAMES:
        loaded = recipe.load(name)
        if loaded.table.metric.name not in ERRORS:
            assert "is not measured by training here" in next(iter(plan(loaded, "paper").reasons.values()))
            return
