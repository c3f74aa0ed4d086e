"""Every recipe composes for every budget, and every static fact of every paper has a verdict."""

import copy
import re
from dataclasses import fields, replace

import pytest
import yaml

from tests.papers.spelling import misspelt
from tricktable.runner import data
from tricktable.runner.config import reader
from tricktable.runner.config.compose import compose
from tricktable.runner.errors import BadInput
from tricktable.runner.papers import facts, fits, recipe, statics
from tricktable.runner.papers.plan import plan
from tricktable.runner.training import build

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


TUNED = [name for name in NAMES if any(recipe.load(name).tuned(budget) for budget in recipe.BUDGETS)]


@pytest.mark.parametrize("budget", recipe.BUDGETS)
@pytest.mark.parametrize("name", TUNED)
def test_every_setting_of_a_grid_can_be_run_and_claims_of_grids_have_seeds(name, budget):
    loaded = recipe.load(name)
    tune = loaded.tuned(budget)
    planned = plan(loaded, budget)
    trials = [trial for grid in planned.grids.values() for trial in grid if trial.seed == 0]
    assert trials
    for trial in trials:
        build.plan(trial.config, (data.known(trial.config.data) or IMAGENETTE)[0])
    if tune.validation is None:
        assert tune.seeds >= 2, "one seed has no interval"
        claims = [claim for claim in loaded.paper.claims.values() if claim.table == loaded.table.id]
        assert {claim.field for claim in claims} <= set(facts.GRIDS), "rows without a winner have no other figures"


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


TEXT = """
n: 3
shared: [model=resnet8, epochs=100, optimizer.lr=0.1]
by: {optimizer: {a: [optimizer.lr=0.2], b: "b is nowhere"}}
rows: {two: [optimizer.lr=0.3]}
results: {all: [final, plain], two: [ema, flip]}
budgets:
  smoke: {epochs: 2, overrides: [data=digits], by: {optimizer: {a: [batch_size=8], b: []}}, n: 2, rows: {one: [batch_size=4]}}
  short: {epochs: 0.1, rows: {two: "too long"}}
  paper: {}
note: a note
"""


def table() -> facts.Table:
    rows = {
        label: facts.PaperRow(
            label, None, "cifar10", changes, 1.0, None, None, None, None, None, None, "summary", False, {}
        )
        for label, changes in (("one", {"optimizer": "a"}), ("two", {}), ("three", {"optimizer": "b"}))
    }
    return facts.Table("t", "", facts.Metric("top1_error", "percent", "lower", "test"), "last", rows)


def made(values) -> recipe.Recipe:
    about = facts.About("A paper", authors=(), year=0, venue=None, arxiv=None)
    paper = facts.Paper(schema=2, id="p", about=about, setup={}, tables={}, claims={}, statics={}, notes=(), sources=())
    given = {"name": "p/t", "paper": paper, "table": table()}
    return fits.fitting(reader.read(recipe.Recipe, values, **given), recipe.BUDGETS)


def test_a_row_is_shared_then_by_then_its_own_then_the_budgets():
    loaded = made(yaml.safe_load(TEXT))
    assert loaded.overrides("one", "paper") == ("model=resnet8", "epochs=100", "optimizer.lr=0.2")
    assert loaded.overrides("two", "paper") == ("model=resnet8", "epochs=100", "optimizer.lr=0.3")
    assert loaded.overrides("one", "short") == ("model=resnet8", "epochs=10", "optimizer.lr=0.2")
    assert loaded.overrides("two", "smoke") == ("model=resnet8", "epochs=2", "optimizer.lr=0.3", "data=digits")
    assert loaded.overrides("three", "smoke") == "b is nowhere"
    assert (list(loaded.seeds("smoke")), list(loaded.seeds("paper"))) == ([0, 1], [0, 1, 2])
    assert (loaded.result("one"), loaded.result("two")) == (("final", "plain"), ("ema", "flip"))


def test_a_budgets_rows_come_after_its_by_and_may_be_a_text():
    loaded = made(yaml.safe_load(TEXT))
    assert loaded.overrides("one", "smoke") == (
        "model=resnet8",
        "epochs=2",
        "optimizer.lr=0.2",
        "data=digits",
        "batch_size=4",
    )
    assert loaded.overrides("two", "short") == "too long"


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda v: v.update(n=0), "n: expected a whole number at least 1, got 0"),
        (lambda v: v.pop("n"), "n: missing"),
        (lambda v: v.update(shared=["model"]), "shared[0]: model: expected key=value, such as optimizer.lr=0.1"),
        (lambda v: v["rows"].update(tow=[]), "rows: unknown key tow; did you mean two?"),
        (lambda v: v["results"].update(al=["final", "plain"]), "results: unknown key al; did you mean all?"),
        (lambda v: v["results"].update(all=["final"]), "results.all: expected a list of text, text, got ['final']"),
        (lambda v: v["by"].update(optimiser={}), "by: unknown key optimiser; did you mean optimizer?"),
        (lambda v: v["by"]["optimizer"].pop("a"), "by.optimizer: lacks a, of the row one; there are: b"),
        (lambda v: v["by"].update(dataset={"cifar": []}),
         "by.dataset: lacks cifar10, of the row one; did you mean cifar?"),
        (lambda v: v["budgets"].update(smok={}), "budgets: unknown key smok; did you mean smoke?"),
        (lambda v: v["budgets"].pop("paper"), "budgets.paper: missing"),
        (lambda v: v["budgets"]["smoke"].update(epochs=0), "budgets.smoke.epochs: expected a number above 0, got 0.0"),
        (lambda v: v["budgets"]["smoke"]["rows"].update(on=[]), "budgets.smoke.rows: unknown key on; did you mean one?"),
        (lambda v: v["budgets"]["smoke"]["by"]["optimizer"].pop("b"),
         "budgets.smoke.by.optimizer: lacks b, of the row three; there are: a"),
        (lambda v: v.update(against="tow"), "against: unknown key tow; did you mean two?"),
        (lambda v: v.update(elsewhere={"cifar": {"images": ["data=digits"], "trained": "mnist"}}),
         "elsewhere: unknown key cifar; did you mean cifar10?"),
        (lambda v: v.update(elsewhere={"cifar10": {"images": ["data.size=8"], "trained": "mnist"}}),
         "elsewhere.cifar10.images: expected data=... and arguments of it, got data.size=8"),
        (lambda v: v.update(elsewhere={"cifar10": {"images": ["data=digits", "epochs=1"], "trained": "mnist"}}),
         "elsewhere.cifar10.images: expected data=... and arguments of it, got data=digits epochs=1"),
        (lambda v: v["budgets"]["smoke"].update(elsewhere={"cifar10": ["data=digits"]}),
         "budgets.smoke.elsewhere: unknown key cifar10; there are: none"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_recipe_is_one_line(change, line):
    values = yaml.safe_load(TEXT)
    change(values)
    with pytest.raises(BadInput) as error:
        made(values)
    assert str(error.value) == line


def refused(folder, monkeypatch, name, values, of) -> str:
    """The line that a file of configs/table with such values comes to, without the file's name, which it begins with."""
    (folder / "smith2018_batch_size").mkdir(exist_ok=True)
    (folder / "smith2018_batch_size" / f"{name}.yaml").write_text(yaml.safe_dump(values))
    monkeypatch.setattr(recipe, "TABLES", folder)
    with pytest.raises(BadInput) as error:
        of()
    head = f"configs/table/smith2018_batch_size/{name}.yaml: "
    assert str(error.value).startswith(head) and "\n" not in str(error.value)
    return str(error.value).removeprefix(head)


def assert_misspelt(line, wrong, key):
    assert re.search(rf"unknown key {wrong}; (did you mean {key}\?|there are: .*\b{key}\b)", line), line


NAME = "smith2018_batch_size/fig5_section52"
RECIPE = yaml.safe_load((recipe.TABLES / f"{NAME}.yaml").read_text(encoding="utf-8"))
LEVELS = {  # where the keys stand, which, and what a key may have that the recipe does not
    "recipe": (
        lambda v: v,
        [
            "n",
            "shared",
            "by",
            "rows",
            "budgets",
            "results",
            "note",
            "differs",
            "assumed",
            "like",
            "elsewhere",
            "against",
            "after",
            "tune",
            "together",
            "inference",
        ],
        None,
    ),
    "budgets": (lambda v: v["budgets"], list(recipe.BUDGETS), None),
    "budget": (lambda v: v["budgets"]["smoke"], [field.name for field in fields(recipe.Budget)], None),
    "by": (lambda v: v.setdefault("by", {}), ["model", "dataset", "batch_size", "at_step"], {}),
    "rows": (lambda v: v["rows"], ["original", "increased_momentum"], []),
    "rows of a budget": (lambda v: v["budgets"]["smoke"]["rows"], ["original", "increased_momentum"], []),
    "results": (lambda v: v.setdefault("results", {}), ["original", "all"], ["final", "plain"]),
}


@pytest.mark.parametrize("level", LEVELS)
def test_every_key_of_a_recipe_misspelt_by_a_letter_is_refused_with_the_right_one(tmp_path, monkeypatch, level):
    within, keys, else_ = LEVELS[level]
    monkeypatch.setattr(recipe, "names", lambda: (NAME,))
    for key in keys:
        for wrong in misspelt(key):
            values = copy.deepcopy(RECIPE)
            within(values)[wrong] = within(values).pop(key, else_)
            line = refused(tmp_path, monkeypatch, "fig5_section52", values, lambda: recipe.load.__wrapped__(NAME))
            assert_misspelt(line, wrong, key)
    given = {"name", "paper", "table"}
    assert set(LEVELS["recipe"][1]) == {field.name for field in fields(recipe.Recipe)} - given, "every key is tried"


CHECKS = {
    statics.Count: {"count": "params", "of": ["model=resnet20"], "input": [3, 32, 32], "classes": 10},
    statics.Updates: {"updates": ["epochs=2"], "images": 100},
    statics.Knob: {"knob": "lr", "at": 0, "of": ["epochs=2"], "images": 100},
    statics.Asserted: {"test": "tests/papers/test_recipes.py::test_an_unknown_table_is_one_line"},
}


FACT = "schedule_updates"


@pytest.mark.parametrize("inside", [False, True], ids=["of a fact", "of a part of one"])
@pytest.mark.parametrize("kind", CHECKS, ids=lambda kind: kind.__name__)
def test_every_key_of_a_static_check_misspelt_by_a_letter_is_refused(tmp_path, monkeypatch, kind, inside):
    for key in (field.name for field in fields(kind)):
        for wrong in misspelt(key):
            check = dict(CHECKS[kind])
            check[wrong] = check.pop(key, 1)
            values = {FACT: {"original": check} if inside else check}
            line = refused(tmp_path, monkeypatch, "_static", values, lambda: statics.decide("smith2018_batch_size"))
            assert line.startswith(f"{FACT}.original: unknown" if inside else f"{FACT}: unknown"), line
            assert_misspelt(line, wrong, key)


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"schedule_updatse": "no"}, "smith2018_batch_size has no static fact schedule_updatse; did you mean schedule_updates?"),
        ({FACT: {"count": "parms", "of": []}}, f"{FACT}.count: expected params or madds, got 'parms'; did you mean params?"),
        ({FACT: {"count": "params"}}, f"{FACT}.of: missing"),
        ({FACT: {"knob": "lr", "at": -1, "of": []}}, f"{FACT}.at: expected a number at least 0, got -1.0"),
        ({FACT: {"count": "params", "of": [], "test": "x"}}, f"{FACT}: unknown key test; there are: "),
        ({FACT: {"test": "tests/papers/test_recipes.py::test_nothing"}},
         f"{FACT}: there is no test tests/papers/test_recipes.py::test_nothing"),
        ({FACT: [1]}, f"{FACT}: expected "),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_static_check_is_one_line(tmp_path, monkeypatch, values, line):
    said = refused(tmp_path, monkeypatch, "_static", values, lambda: statics.decide("smith2018_batch_size"))
    assert said.startswith(line), said


# What a key of a recipe is called in the facts of a paper, or in what a recipe says that it assumes or does otherwise.
CALLED = {
    "epochs": r"epochs?\b|iterations|updates|steps|budget",
    "batch_size": r"batch|per worker",
    "optimizer.lr": r"\blr\b|learning.rate|hyper.?parameters",
    "optimizer.momentum": r"momentum|beta",
    "optimizer.nesterov": r"nesterov",
    "optimizer.weight_decay": r"weight.decay|\bwd\b",
    "schedule.lr": r"schedule|cosine|drop|falls|cycle",
    "augment": r"augment|preprocess|crop",
    "init": r"init",
    "norm.ghost_batch_size": r"gpu|worker|accelerator|normalis|ghost",
    "model.dropout": r"dropout",
    "gradient.clip_norm.max_norm": r"clip",
    "data.validation": r"validation|split|withheld|held out",
}


def stated(setup) -> list[str]:
    """The words of a paper's set-up: names and values, but for names without a value."""
    if isinstance(setup, dict):
        if setup.get("value", setup) is None:
            return []
        inner = {name: stated(value) for name, value in setup.items() if name not in ("note", "confidence")}
        return [word for name, words in inner.items() if words for word in (str(name), *words)]
    if isinstance(setup, list):
        return [word for each in setup for word in stated(each)]
    return [] if setup is None else [str(setup)]


def unsaid(loaded: recipe.Recipe) -> set[str]:
    """The keys that some row sets, and neither the facts nor the recipe's assumptions and deviations speak of."""
    found = set()
    for label, row in loaded.table.rows.items():
        overrides = loaded.overrides(label, "paper")
        if isinstance(overrides, str):
            continue
        said = [each.what for each in (*loaded.deviations("paper"), *loaded.assumed) if each.of(label)]
        text = " ".join([*stated(loaded.paper.setup), *map(str, row.changes), *said])
        keys = {key.replace(".inner", "") for key in overrides.keys}
        found |= {key for key in keys & set(CALLED) if not re.search(CALLED[key], text, re.IGNORECASE)}
    return found


@pytest.mark.parametrize("name", NAMES)
def test_what_a_recipe_sets_and_its_facts_do_not_state_is_assumed_or_differs(name):
    missing = unsaid(recipe.load(name))
    assert not missing, f"{name}: neither stated, nor assumed, nor a deviation: {sorted(missing)}"


def test_a_key_counts_as_said_by_its_facts_by_a_change_or_by_an_assumption_of_the_row():
    values = yaml.safe_load(TEXT)
    assert unsaid(made(values)) == {"epochs", "optimizer.lr"}
    facts_of = {"lr": {"value": 0.1}, "epochs": {"value": None, "confidence": "memory", "note": "epochs: who knows"}}
    loaded = made(values)
    assert unsaid(replace(loaded, paper=replace(loaded.paper, setup=facts_of))) == {"epochs"}
    values["assumed"] = [{"what": "The number of epochs is not stated: 100.", "rows": ["one"]}]
    values["differs"] = [{"what": "The learning rate is twice the paper's.", "why": "to see"}]
    assert unsaid(made(values)) == {"epochs"}, "the row two says nothing of them"
    values["assumed"][0]["rows"] = ["one", "two"]
    assert unsaid(made(values)) == set()


@pytest.mark.parametrize("name", NAMES)
def test_rows_are_told_apart_by_labels_and_not_by_sentences(name):
    """A `by` has values of the facts, such as 128 or ghost_bn; only networks have names of several words."""
    loaded = recipe.load(name)
    for by in (loaded.by, *(budget.by for budget in loaded.budgets.values())):
        choices = [choice for key, kinds in by.items() if key != "model" for choice in kinds]
        assert not [choice for choice in choices if not re.fullmatch(r"[\w.+/-]+", choice)]


@pytest.mark.parametrize("name", NAMES)
def test_the_lists_of_a_recipes_rows_are_written_in_one_style(name):
    tree = yaml.compose((recipe.TABLES / f"{name}.yaml").read_text(encoding="utf-8"))
    styles = set()

    def walk(node):
        if isinstance(node, yaml.SequenceNode):
            styles.add(node.flow_style)
        elif isinstance(node, yaml.MappingNode):
            for _, inner in node.value:
                walk(inner)

    for key, node in tree.value:
        if key.value in ("by", "rows", "budgets"):
            walk(node)
    assert len(styles) <= 1


def test_an_unknown_table_is_one_line():
    with pytest.raises(BadInput, match="no table is called "):
        recipe.load("smith2018_batch_size/fig9")


@pytest.mark.parametrize(
    ("metric", "said"),
    [
        ("top5_error", "top5_error is not measured by training here"),
        ("accuracy_gap", "the recipe names no other test images (elsewhere) for a gap"),
        ("accuracy_gain", "the recipe names no row that gains are over (against)"),
    ],
)
def test_a_metric_that_training_does_not_give_is_said(metric, said):
    loaded = made(yaml.safe_load(TEXT))
    other = replace(loaded.table, metric=replace(loaded.table.metric, name=metric))
    planned = plan(replace(loaded, table=other), "paper")
    assert planned.reasons == dict.fromkeys(("one", "two", "three"), said) and not planned.points


PAPER = "recht2018_cifar_generalize"


def test_a_recipe_like_another_is_that_one_but_for_what_it_says_itself():
    one, same = recipe.load(f"{PAPER}/table1_original"), recipe.load(f"{PAPER}/pairs")
    assert (same.n, same.shared, same.by["model"]) == (one.n, one.shared, one.by["model"])
    assert set(same.by["dataset"]) == {"cifar10", "cifar10_1"} and not one.elsewhere
    smoke = same.budgets["smoke"]
    assert smoke.elsewhere and replace(smoke, elsewhere={}) == one.budgets["smoke"]
    for label in one.table.rows:
        for budget in recipe.BUDGETS:
            assert one.overrides(label, budget) == same.overrides(f"{label} original", budget)
            assert one.overrides(label, budget) == same.overrides(f"{label} new", budget)


def test_the_images_of_a_row_are_those_of_its_dataset_and_the_budgets_come_first():
    pairs = recipe.load(f"{PAPER}/pairs")
    assert pairs.evaluation("resnet_basic_44 original", "paper") == ()
    assert pairs.evaluation("resnet_basic_44 new", "paper") == ("data=cifar10_1", "data.version=v4")
    assert pairs.evaluation("resnet_basic_44 new", "smoke") == ("data=synthetic", "data.channels=1", "data.size=8")


@pytest.mark.parametrize(
    ("like", "said"),
    [("table1_orignal", "did you mean table1_original?"), ("pairs", "like: pairs is itself like another")],
)
def test_a_recipe_like_none_is_one_line(like, said):
    with pytest.raises(BadInput, match=re.escape(said)):
        recipe._whole({"like": like, "budgets": {}}, PAPER)
