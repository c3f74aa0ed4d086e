"""The campaign: its order, what results/ is known to hold, what is written there, and what time and failures do to it."""

import shutil
import time
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT
from tests.papers.test_reproduce import CIFAR10_SEEN, finish
from tricktable.runner import cli, report
from tricktable.runner.disk.runs import under
from tricktable.runner.errors import BadInput, Interrupted, SweepFailed
from tricktable.runner.launch import pool
from tricktable.runner.papers import campaign as order
from tricktable.runner.papers import matching, recipe, reproduce, several
from tricktable.runner.papers.campaign import Campaign, Entry
from tricktable.runner.report import archive, campaign

NAME = "smith2018_batch_size/fig5_section52"
RECIPE = """# two rows
n: 2
shared: [data=digits, data.subset=6, model=resnet8, model.width=4, batch_size=16, epochs=2]
rows:
  original: [noise=increasing_batch, "noise.spend=[{batch_size: 32}, lr]"]
  increasing_batch: [optimizer.momentum=0.8]
  increased_initial_lr: "not here"
  increased_momentum: "not here"
budgets: {smoke: {}, short: {}, paper: {}}
"""
RESULTS = ROOT / "results"
FIRST = Entry(NAME, "It is first.", rows=("orig*",))


def forget():
    for each in (recipe.names, recipe.load):
        each.cache_clear()


@pytest.fixture
def table(tmp_path, monkeypatch):
    """A recipe in the place of all others; changes its text."""
    path = tmp_path / "table" / f"{NAME}.yaml"
    path.parent.mkdir(parents=True)

    def write(text):
        path.write_text(text)
        forget()

    monkeypatch.setattr(recipe, "TABLES", tmp_path / "table")
    write(RECIPE)
    yield write
    forget()


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Runs that cost nothing: those that a table wants are there when they are asked for; which were, by label and seed."""
    made = []

    def make(plan, runs, **limits):
        while todo := reproduce.ready(plan, runs):
            for point in todo:
                made.append((point.label, point.seed))
                finish(point, 5.0 + point.seed, CIFAR10_SEEN)
            runs = under(runs.root)
        return []

    monkeypatch.setattr(reproduce, "make", make)
    monkeypatch.setattr(report, "write", report.write_tables)  # without its pictures
    return made


def work(folder, *entries, root="outputs", budget="smoke", **limits):
    steps = order.steps(Campaign({}, entries), budget)
    typed = [f"output.root={folder / root}", f"data.path={folder}/images", "compute=cpu"]
    return campaign.work(steps, typed, folder / "results", **{"jobs": 1, **limits})


def test_the_file_names_tables_and_rows_that_can_be_run_and_says_why():
    read = order.load()
    assert set(read.rates) == {"gpu", "cpu"}
    for each in read.tables:
        assert order.trained(recipe.load(each.table)), each.table
        assert each.reason[0].isupper() and each.reason.endswith(".") and len(each.reason.split()) > 8


def test_the_files_tables_come_first_then_all_others_by_their_claims():
    read = order.load()
    steps = order.steps(read)
    assert [each.table for each in steps[: len(read.tables)]] == [each.table for each in read.tables]
    wholly = {each.table for each in steps if not each.part}
    assert wholly == {name for name in recipe.names() if order.trained(recipe.load(name))}
    assert len({(each.table, each.rows, each.budget) for each in steps}) == len(steps)
    rest = [each.table for each in steps[len(read.tables) :]]
    assert rest == [name for name in several.names("all") if name in rest]
    assert {each.budget for each in order.steps(read, "smoke")} == {"smoke"}


@pytest.mark.parametrize(
    ("entry", "line"),
    [
        (
            {"table": "he2016_resnet/tabel6"},
            "no table is called he2016_resnet/tabel6; did you mean he2016_resnet/table6",
        ),
        ({"table": "he2016_resnet/table6", "rows": ["ResNet-20", "RseNet*"]}, "has no row like "),
        ({"table": "he2016_resnet/table6", "budgets": ["long"]}, "budgets"),
    ],
)
def test_what_is_wrong_in_the_file_is_one_line(tmp_path, monkeypatch, entry, line):
    text = {"rates": {"cpu": 1.0e9}, "tables": [{"reason": "So it is.", **entry}]}
    (tmp_path / "campaign.yaml").write_text(yaml.safe_dump(text))
    monkeypatch.setattr(order, "CONFIGS", tmp_path)
    with pytest.raises(BadInput, match=r"^configs/campaign\.yaml: ") as refused:
        order.load()
    assert line in str(refused.value) and "\n" not in str(refused.value)


def test_a_fresh_clone_knows_what_exists(table, machine, tmp_path, capsys):
    first = work(tmp_path, FIRST)
    assert [str(step) for step in first.written] == [f"{NAME}, 1 of its rows, budget smoke", f"{NAME}, budget smoke"]
    assert machine == [("original", 0), ("original", 1), ("increasing_batch", 0), ("increasing_batch", 1)]
    machine.clear()
    again = work(tmp_path, FIRST, root="another")
    assert len(again.before) == 2 and not again.written and not machine and not (tmp_path / "another").exists()
    assert f"{NAME}, budget smoke: {tmp_path}/results/{NAME}/smoke has it whole" in capsys.readouterr().err
    assert work(tmp_path, root="another", budget="short").written, "another budget is another table"


def test_rows_that_another_recipe_made_are_made_anew(table, machine, tmp_path, capsys):
    work(tmp_path)
    machine.clear()
    table(RECIPE.replace("epochs=2", '"epochs=2"').replace("momentum=0.8", "momentum=0.80"))
    assert work(tmp_path).before, "what is written otherwise is the same recipe"
    table(RECIPE.replace("momentum=0.8", "momentum=0.7"))
    assert work(tmp_path).written and machine == [("increasing_batch", 0), ("increasing_batch", 1)]
    assert "increasing_batch was made by another recipe" in capsys.readouterr().err
    machine.clear()
    table(RECIPE.replace("momentum=0.8", "momentum=0.7").replace("n: 2", "n: 3"))
    assert work(tmp_path).written and machine == [("original", 2), ("increasing_batch", 2)]
    assert "original lacks the seed 2" in capsys.readouterr().err


def test_what_results_has_more_of_is_not_written_over(table, machine, tmp_path):
    work(tmp_path)
    table(RECIPE.replace("batch_size: 32", "batch_size: 48"))  # of original alone
    first, *_ = order.steps(Campaign({}, (FIRST,)), "smoke")
    done = campaign.work([first], [f"output.root={tmp_path}/another"], tmp_path / "results", jobs=1)
    assert "has runs of increasing_batch that are not here" in done.failed[first]
    runs = (tmp_path / "results" / NAME / "smoke" / "runs.csv").read_text()
    assert [line.split(",")[2] for line in runs.splitlines()[1:]] == ["original"] * 2 + ["increasing_batch"] * 2
    assert work(tmp_path, FIRST, root="another").written, "the whole table follows, and loses nothing"


GRID = """# a grid, of which no setting is chosen
n: 2
shared: [data=digits, data.subset=6, model=resnet8, model.width=4, batch_size=16, epochs=2]
tune: {grid: {optimizer.lr: [0.01, 0.1]}, seeds: 2}
rows: {increasing_batch: "no", increased_initial_lr: "no", increased_momentum: "no"}
budgets: {smoke: {}, short: {}, paper: {}}
"""


def test_a_grid_is_whole_with_all_of_its_settings(table, machine, tmp_path):
    table(GRID)
    assert work(tmp_path).written and len(machine) == 4
    assert work(tmp_path, root="another").before
    table(GRID.replace("0.01, 0.1", "0.01, 0.1, 1.0"))
    assert work(tmp_path).written and len(machine) == 6


def test_the_setting_that_a_grid_chose_is_no_other_recipe(table, machine, tmp_path, monkeypatch):
    monkeypatch.setattr(
        matching, "_validation_error", lambda point, run: None if run is None else float(point.config.seed)
    )
    table(GRID.replace("seeds: 2", "validation: 0.25"))
    assert work(tmp_path).written and len(machine) == 4, "two settings, and two seeds of the one that was chosen"
    assert "optimizer.lr=0.01" in (tmp_path / "results" / NAME / "smoke" / "table.csv").read_text()
    assert work(tmp_path, root="another").before


def test_a_table_that_fails_is_told_and_passed_by_and_its_other_seeds_are_not_tried(
    table, tmp_path, monkeypatch, capsys
):
    asked = []

    def make(plan, runs, **limits):
        asked.append(len(plan.all()))
        job = pool.Job(("seed=0",), tmp_path, "study", "label", None, "seed=0")
        return [pool.Outcome(job, "failed", reason="no images")]

    monkeypatch.setattr(reproduce, "make", make)
    done = work(tmp_path, FIRST)
    assert asked == [1, 2], "the first seeds of one row, then of both"
    assert len(done.failed) == 2 and not done.written and not (tmp_path / "results").exists()
    with pytest.raises(SweepFailed, match=f"2 failed: {NAME}$"):
        campaign.raise_for(done)


def test_when_the_time_is_up_nothing_more_is_begun(table, machine, tmp_path):
    done = work(tmp_path, FIRST, until=time.monotonic() - 1)
    assert done.time_is_up and not machine
    with pytest.raises(Interrupted, match="the time is up; run the same command again to go on"):
        campaign.raise_for(done)


def test_nothing_of_this_machine_is_written_there(table, machine, tmp_path):
    damaged = tmp_path / "outputs" / "other" / "resnet8-12345678" / "run.json"  # tables name its folder
    damaged.parent.mkdir(parents=True)
    damaged.write_text("{")
    work(tmp_path)
    local = (tmp_path / "outputs" / "tables" / NAME / "smoke" / "table.md").read_text()
    assert "other/resnet8-12345678" in local and str(tmp_path) in local
    files = [path for path in (tmp_path / "results").rglob("*") if path.is_file()]
    assert {path.name for path in files} >= {"table.md", "claims.csv", "runs.csv"}
    for path in files:
        text = path.read_text()
        assert str(tmp_path) not in text and "other/resnet8" not in text, path.name
    made_by = f"tricktable table {NAME} --run --budget smoke compute=cpu"
    assert f"    {made_by}\n" in (tmp_path / "results" / NAME / "smoke" / "table.md").read_text()


@pytest.mark.parametrize(("owner", "name", "call"), [(Path, "rename", 1), (Path, "rename", 2), (shutil, "rmtree", 3)])
def test_a_kill_while_it_is_written_leaves_a_whole_report_or_none(
    table, machine, tmp_path, monkeypatch, owner, name, call
):
    work(tmp_path)
    there = tmp_path / "results" / NAME / "smoke"
    names = sorted(path.name for path in there.iterdir())
    table(RECIPE.replace("momentum=0.8", "momentum=0.7"))
    real, calls = getattr(owner, name), []

    def killed(*arguments, **options):
        calls.append(arguments)
        if len(calls) == call:
            raise KeyboardInterrupt
        return real(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, killed)
        with pytest.raises(KeyboardInterrupt):
            work(tmp_path)
    assert not there.exists() or sorted(path.name for path in there.iterdir()) == names
    machine.clear()
    done = work(tmp_path)
    assert (done.written or done.before) and not machine
    assert sorted(path.name for path in there.iterdir()) == names
    assert "momentum=0.7" in (there / "table.csv").read_text()


def test_a_spoilt_csv_is_one_line(table, machine, tmp_path):
    work(tmp_path)
    path = tmp_path / "results" / NAME / "smoke" / "runs.csv"
    path.write_text(path.read_text().replace("seed", "sede", 1))
    assert "its CSVs are not as tricktable writes them" in next(iter(work(tmp_path).failed.values()))


def test_overrides_are_read_back_as_they_were_joined():
    typed = ["noise.spend=[{batch_size: 32}, lr]", "augment=[crop,flip]", "model=resnet8", "a.b='x y'"]
    assert archive._split(" ".join(typed)) == typed
    assert archive._split("") == []


def test_the_dry_run_says_what_is_there_the_hours_and_why(table, machine, tmp_path, capsys):
    work(tmp_path, FIRST)
    read = Campaign({"gpu": 5e12, "cpu": 3e10}, (FIRST,))
    capsys.readouterr()
    campaign.dry_run(read, order.steps(read, "smoke"), [f"output.root={tmp_path}/none"], tmp_path / "results")
    assert "whole in" in capsys.readouterr().out
    campaign.dry_run(read, order.steps(read, "short"), [f"output.root={tmp_path}/none"], tmp_path / "results")
    said = capsys.readouterr().out
    assert f"1. {NAME}, 1 of its rows, budget short\n   2 of 2 runs are missing: gpu 8 s, cpu " in said
    assert "   It is first.\n" in said


def test_hours_are_what_the_estimate_says(table, tmp_path):
    """Two runs of 60 images, 2 epochs, forward and backward thrice a forward pass, and 4 s to begin each."""
    from tricktable.runner.explore import networks

    plan, _ = reproduce.requested(NAME, "smoke", [f"output.root={tmp_path}"])
    points = plan.points["increasing_batch"]
    madds = networks.cost(points[0].config, (1, 8, 8), 10).madds
    images = reproduce.data.known(points[0].config.data)[0]
    rate = 2 * images * 2 * 3 * madds / 3600  # an hour of steps
    assert campaign.hours(Campaign({"slow": rate}, ()), points) == "slow 60 min"
    assert len(under(tmp_path)) == 0


def test_the_command_takes_its_overrides_and_refuses_what_the_recipe_says(capsys):
    with pytest.raises(SystemExit) as left:
        cli.main(["reproduce", "--budget", "smoke", "--minutes", "-1"])
    assert left.value.code == 2 and "--minutes: expected a number above 0" in capsys.readouterr().err
    with pytest.raises(SystemExit) as left:
        cli.main(["reproduce", "--budget", "smoke", "optimizer.lr=1"])
    assert left.value.code == 2


def test_make_reproduce_goes_through_the_command():
    text = (ROOT / "Makefile").read_text()
    assert "tricktable reproduce $(if $(MINUTES),--minutes $(MINUTES)) $(if $(BUDGET),--budget $(BUDGET))" in text


def test_the_tables_of_this_checkout_can_be_read_back():
    """Each has all the rows of a step of the campaign, which for some tables are a part."""
    lacking = dict[tuple[str, str], list[str]]()
    for step in (step for budget in recipe.BUDGETS for step in order.steps(order.load(), budget)):
        if archive.folder(RESULTS, step.table, step.budget).is_dir():
            plan, _ = reproduce.requested(step.table, step.budget, [])
            why = archive.lacking(plan.of(step.rows), RESULTS)
            lacking.setdefault((step.table, step.budget), []).append(why)
    assert lacking[NAME, "smoke"] == [""] and len(lacking) >= 40
    assert not {each: whys for each, whys in lacking.items() if "" not in whys}


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (["--engine", "nonsense"], "--engine: nothing is called nonsense"),
        (["--detach"], "--detach: runs of this machine stop with the command"),
        (["engine.time=60"], "engine.time=60: of which engine?"),
    ],
)
def test_its_runs_are_made_by_the_engine_that_is_typed(capsys, typed, said):
    with pytest.raises(SystemExit) as ended:
        cli.main(["reproduce", *typed])
    assert ended.value.code == 2 and said in capsys.readouterr().err
