"""Rows that begin from other runs, that are tuned on a grid, or that are several runs together: in order, once, and
found again."""

import contextlib
import csv
import math

import pytest
import yaml

from tricktable.runner import cli, report
from tricktable.runner.config import reader
from tricktable.runner.config.compose import compose
from tricktable.runner.disk.runs import under
from tricktable.runner.errors import BadInput, Diverged
from tricktable.runner.papers import matching, recipe, reproduce, tabulate
from tricktable.runner.papers.facts import Claim
from tricktable.runner.report import grids
from tricktable.runner.training import job

NAME = "smith2018_batch_size/fig5_section52"
RECIPE = """# chains
n: 2
shared: [data=digits, data.subset=6, model=resnet8, model.width=4, batch_size=16, epochs=4, optimizer.lr=0.05]
after:
  teacher: {typed: [model.width=8]}
  plain: {row: original, seed: null}
rows:
  original: []
  increasing_batch: [loss=distillation, loss.teacher=after.teacher]
  increased_initial_lr: ["init=[pretrained]", init.pretrained.source=after.plain]
  increased_momentum: [optimizer.momentum=0.8]
together: {increased_momentum: 2}
results: {increased_momentum: [final, ensemble]}
budgets: {smoke: {epochs: 1}, short: {epochs: 0.5}, paper: {}}
"""
GRID = """# a grid
n: 2
shared: [data=digits, data.subset=6, model=resnet8, model.width=4, batch_size=16, epochs=4]
tune: {grid: {optimizer.lr: [1.0e-6, 0.05], optimizer.momentum: [0.0, 0.9]}, validation: 0.25, seeds: 1}
rows:
  increasing_batch: [optimizer.weight_decay=1.0e-3]
  increased_initial_lr: "not here"
  increased_momentum: "not here"
budgets: {smoke: {epochs: 3}, short: {epochs: 0.5}, paper: {}}
"""


@pytest.fixture
def table(tmp_path, monkeypatch):
    """Put a recipe in the place of a table's; returns the output root."""

    def write(text):
        path = tmp_path / "table" / f"{NAME}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        for each in (recipe.names, recipe.load):
            each.cache_clear()
        return tmp_path / "outputs"

    monkeypatch.setattr(recipe, "TABLES", tmp_path / "table")
    yield write
    for each in (recipe.names, recipe.load):
        each.cache_clear()


def planned(root, budget="smoke"):
    return reproduce.requested(NAME, budget, [f"output.root={root}", "compute=cpu", "compute.threads=1"])[0]


def train(plan, root):
    """Every round to its end, in this process; the labels of each round."""
    rounds = []
    while todo := reproduce.ready(plan, under(root)):
        rounds.append([(point.label, point.seed) for point in todo])
        for point in todo:
            job.execute(compose(point.overrides))
    return rounds


def test_runs_come_in_their_order_and_each_once(table):
    root = table(RECIPE)
    plan = planned(root)
    assert len(reproduce.missing(plan, under(root))) == 11
    first, second = train(plan, root)
    assert sorted(first) == [
        ("increased_momentum", 0), ("increased_momentum", 1), ("increased_momentum", 2), ("increased_momentum", 3),
        ("original", 0), ("original", 1), ("teacher", 0),
    ]  # fmt: skip
    assert sorted(second) == [
        ("increased_initial_lr", 0), ("increased_initial_lr", 1), ("increasing_batch", 0), ("increasing_batch", 1),
    ]  # fmt: skip
    assert len(under(root)) == 11 and not reproduce.missing(plan, under(root))
    taught = {run.id: set(run.info.identity.teachers) for run in under(root) if run.info.identity.teachers}
    teachers = [names for name, names in taught.items() if "distillation" in name]
    assert len(teachers) == 2 and teachers[0] == teachers[1]  # the teacher of one seed
    sources = [names for name, names in taught.items() if "pretrained" in name]
    assert len(sources) == 2 and sources[0] != sources[1]  # each seed's own
    assert not train(planned(root), root)  # another call finds all of it


def test_a_teacher_that_diverged_keeps_its_row_waiting(table):
    root = table(RECIPE.replace("[model.width=8]", "[model.width=8, optimizer.lr=1.0e+30]"))
    plan = planned(root)
    for point in reproduce.ready(plan, under(root)):
        with contextlib.suppress(Diverged):
            job.execute(compose(point.overrides))
    assert {point.label for point in reproduce.ready(plan, under(root))} == {"increased_initial_lr"}
    assert "increasing_batch" in {point.label for point in reproduce.missing(plan, under(root))}


def test_an_ensemble_is_of_the_runs_of_its_seed(table):
    """Two runs a seed: their mean prediction is the row's figure, evaluated once they have all ended."""
    root = table(RECIPE)
    plan = planned(root)
    train(plan, root)
    rows = {row.label: row for row in matching.rows(plan, under(root))}
    assert not rows["increased_momentum"].figures and rows["original"].figures
    assert reproduce.evaluate(plan, under(root)) == 2
    rows = {row.label: row for row in matching.rows(plan, under(root))}
    figures = rows["increased_momentum"].figures
    assert len(figures) == 2 and rows["increased_momentum"].seeds == (0, 2)
    for point, figure in zip(plan.points["increased_momentum"], figures, strict=True):
        run, (other,) = matching.current(point, under(root)), matching.joined(point, under(root))
        assert other.settings.seed == run.settings.seed + 1 and run.settings.seed == point.seed
        together = [each for each in run.evaluations if each.members == other.id]
        assert [each.inference for each in together] == ["ensemble"] and together[0].test_error == 100 - figure
    assert reproduce.evaluate(plan, under(root)) == 0


def test_the_winner_of_a_grid_is_run_with_fresh_seeds_on_all_images(table):
    root = table(GRID)
    plan = planned(root)
    first, second = train(plan, root)
    assert len(first) == 8 and set(first) == {("original", 0), ("increasing_batch", 0)}
    assert second == [("original", 1), ("original", 2), ("increasing_batch", 1), ("increasing_batch", 2)]
    row = matching.rows(plan, under(root))[0]
    errors = {str(each.setting): each.validation for each in row.grid}
    assert len(errors) == 4 and all(math.isfinite(error) for error in errors.values())
    best = min(errors, key=errors.get)
    assert [str(each.setting) for each in row.grid if each.chosen] == [best]
    assert best.startswith("optimizer.lr=0.05")
    for measured in row.runs:
        config = measured.run.settings
        assert f"optimizer.lr={config.optimizer.arguments['lr']}" in best
        assert config.data.validation == 0
    assert row.seeds == (1, 2) and set(best.split()) <= set(row.overrides)
    assert all(run.summary.data.validation for each in row.grid for run in each.runs)


def claim(field):
    values = {
        "id": "c", "statement": "s", "kind": "less_than", "table": "fig5_section52", "left": "original",
        "right": "increasing_batch", "field": field, "confidence": "verified", "margin": 0.0,
    }  # fmt: skip
    return reader.read(Claim, values)


def test_claims_may_be_of_the_grid_itself(table):
    """Without images to choose on there is no winner: best, median and range by seed."""
    root = table(GRID.replace("validation: 0.25, seeds: 1", "seeds: 2"))
    plan = planned(root)
    assert not plan.points["original"] and len(train(plan, root)[0]) == 16
    row = matching.rows(plan, under(root))[0]
    accuracies = [sorted(run.figure for each in row.grid for run in each.runs if run.seed == seed) for seed in (0, 1)]
    for field, expected in (
        ("grid_best", lambda a: a[-1]),
        ("grid_median", lambda a: (a[1] + a[2]) / 2),
        ("grid_range", lambda a: a[-1] - a[0]),
    ):
        found = matching.in_field(row, claim(field), plan.recipe.table.metric)
        assert found.figures == pytest.approx([expected(a) for a in accuracies]) and found.seeds == (0, 1)
    with pytest.raises(SystemExit) as ended:
        cli.main(["table", NAME, "--budget", "smoke", f"output.root={root}", "compute=cpu", "compute.threads=1"])
    assert not ended.value.code
    assert (reproduce.folder(plan, root) / "table.md").exists(), "a table of grids alone has a page"


def test_a_setting_that_diverged_is_never_chosen(table):
    root = table(GRID.replace("[1.0e-6, 0.05]", "[1.0e+30, 0.05]"))
    plan = planned(root)
    for point in reproduce.ready(plan, under(root)):
        with contextlib.suppress(Diverged):
            job.execute(compose(point.overrides))
    row = matching.rows(plan, under(root))[0]
    assert [each.validation for each in row.grid][:2] == [math.inf, math.inf]
    assert str(matching.chosen(row.grid).setting).startswith("optimizer.lr=0.05")
    found = matching.in_field(row, claim("grid_range"), plan.recipe.table.metric)
    assert found.figures == ()  # from a figure to none there is no distance


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda v: v["after"].update(teacher={}), "after.teacher: expected a row (of a table), or what is typed for it"),
        (lambda v: v["after"].update(plain={"row": "origin"}),
         "after.plain.row: unknown key origin; did you mean original?"),
        (lambda v: v["after"].update(plain={"row": "original", "table": "fig"}),
         "after.plain.table: unknown key fig; did you mean fig1_to_4_section51 or fig5_section52?"),
        (lambda v: v["after"].pop("teacher"), "after: unknown key teacher; there are: plain"),
        (lambda v: v.update(together={"increased_momentum": 1}),
         "together.increased_momentum: an ensemble is of at least 2 runs, got 1"),
        (lambda v: v.update(inference={"original": ["data=digits"]}),
         "inference.original: expected inference=[...] and arguments of it, got data=digits"),
        (lambda v: v.update(tune={"grid": {"optimizer.lr": [1]}, "validation": 10}),
         "tune: expected as many settings for each row, at least 2; got 1"),
        (lambda v: v.update(tune={"grid": {"optimizer.lr": [1, 2]}, "rows": {"original": {"optimizer.lr": [1, 2, 3]}}}),
         "tune: expected as many settings for each row, at least 2; got 2, 3"),
        (lambda v: v.update(tune={"grid": {"optimizer.lr": [1, 2]}}),
         "tune: rows of several runs (together) are not tuned"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(table, change, line):
    values = yaml.safe_load(RECIPE)
    change(values)
    table("# changed\n" + yaml.safe_dump(values))
    with pytest.raises(BadInput) as raised:
        recipe.load(NAME)
    assert str(raised.value).removeprefix(f"configs/table/{NAME}.yaml: ").startswith(line)


def test_the_table_says_what_was_tried(table, capsys, tmp_path):
    root = table(GRID)
    plan = planned(root)
    reproduce.dry_run(plan, under(root))
    said = capsys.readouterr().out
    assert "first come 4 settings of optimizer.lr, optimizer.momentum, 1 seed each" in said
    assert "12 of 12 runs are missing" in said
    train(plan, root)
    measured = tabulate.tabulate(plan, under(root), "")
    report.write(measured, tmp_path / "report")
    best = matching.chosen(measured.rows[0].grid)
    text = (tmp_path / "report" / "table.md").read_text(encoding="utf-8")
    held_out = measured.rows[0].grid[0].runs[0].summary.data.validation
    assert (
        f"original: {best.setting} was chosen of 4 settings of optimizer.lr and optimizer.momentum, 1 seed each, by the "
        f"error on {held_out} held-out training images: {best.validation:.2f}%"
    ) in text
    with (tmp_path / "report" / "grid.csv").open(encoding="utf-8") as file:
        records = list(csv.DictReader(file))
    assert len(records) == 8 and [r["chosen"] for r in records if r["row"] == "original"].count("1") == 1
    assert [float(r["validation_error"]) for r in records[:4]] == [each.validation for each in measured.rows[0].grid]
    assert (tmp_path / "report" / "grid.png").is_file() and (tmp_path / "report" / "grid-2.png").is_file()
    assert "Validation error over the grid, %: original" in (tmp_path / "report" / "report.html").read_text("utf-8")


def test_a_grid_without_a_winner_says_its_span(table):
    root = table(GRID.replace("validation: 0.25, seeds: 1", "seeds: 1").replace("[1.0e-6, 0.05]", "[1.0e+30, 0.05]"))
    plan = planned(root)
    for point in reproduce.ready(plan, under(root)):
        with contextlib.suppress(Diverged):
            job.execute(compose(point.overrides))
    measured = tabulate.tabulate(plan, under(root), "")
    (line, _) = grids.sentences(measured)
    assert "; in 2 a run diverged; none is chosen" in line and "% error with optimizer.lr=0.05" in line
    assert "digits" in measured.provenance and "1 seeds a row" in measured.provenance
