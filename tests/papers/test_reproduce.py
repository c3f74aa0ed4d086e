"""A paper's table from its recipe to its page: what belongs to a row, what is missing, what is run, what is said."""

import dataclasses
import json
import math
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from scipy import stats

from tests.data import sets
from tricktable.runner import cli, data
from tricktable.runner.config import reader
from tricktable.runner.config.compose import compose
from tricktable.runner.config.schema import choices_key
from tricktable.runner.disk import record, runs
from tricktable.runner.disk.epoch import EpochRow
from tricktable.runner.disk.evaluation import Evaluation
from tricktable.runner.disk.info import Identity, RunInfo
from tricktable.runner.disk.runs import under
from tricktable.runner.disk.summary import ComputeSummary, DataSummary, Environment, Result, Summary
from tricktable.runner.errors import BadInput
from tricktable.runner.papers import claims, departures, estimate, matching, recipe, reproduce, statics, tabulate
from tricktable.runner.papers import plan as planning
from tricktable.runner.papers.plan import changes, distinct
from tricktable.runner.report import command
from tricktable.runner.training import job
from tricktable.runner.training.knobs import Knobs
from tricktable.runner.training.objects import files

RECIPE = """# two rates
n: 3
shared: [data=digits, data.subset=6, model=resnet8, model.width=8, batch_size=16, epochs=20]
rows:
  original: [noise=decaying_lr, batch_size=16, optimizer.lr=0.05]
  increasing_batch: [noise=decaying_lr, batch_size=16, optimizer.lr=0.01]
  increased_initial_lr: "it needs a larger batch than there are images"
  increased_momentum: [noise=decaying_lr, batch_size=16, optimizer.lr=0.05, optimizer.momentum=0.95]
budgets: {smoke: {epochs: 2, n: 2}, short: {epochs: 0.25}, paper: {}}
"""
NAME = "smith2018_batch_size/fig5_section52"


@pytest.fixture
def made(tmp_path, monkeypatch):
    """A recipe of four rows, one of which cannot be run, and its output root."""
    folder = tmp_path / "table" / "smith2018_batch_size"
    folder.mkdir(parents=True)
    (folder / "fig5_section52.yaml").write_text(RECIPE)
    monkeypatch.setattr(recipe, "TABLES", tmp_path / "table")
    for each in (recipe.names, recipe.load):
        each.cache_clear()
    yield tmp_path / "outputs"
    for each in (recipe.names, recipe.load):
        each.cache_clear()


def planned(root, budget="smoke"):
    overrides = [f"output.root={root}", "compute=cpu", "compute.threads=1"]
    return reproduce.requested(NAME, budget, overrides)[0]


def run(point, *more):
    return job.execute(compose([*(o for o in point.overrides if not (more and o.startswith("study="))), *more]))


def test_what_a_table_wants(made):
    plan = planned(made)
    assert [(p.label, p.seed, p.config.epochs) for p in plan.points["original"]] == [
        ("original", 0, 2),
        ("original", 1, 2),
    ]
    assert plan.reasons == {"increased_initial_lr": "it needs a larger batch than there are images"}
    assert {p.config.epochs for p in planned(made, "short").all()} == {5}
    for point in plan.all():  # a seed is replaced in the composed config: as if it had been typed
        assert (
            point.key == choices_key(compose(point.overrides)) and point.config.label == compose(point.overrides).label
        )


def test_runs_are_found_in_any_study_and_stale_ones_are_not(made, monkeypatch):
    plan = planned(made)
    first, second, *_ = plan.points["original"]
    run(first)
    run(second, "study=elsewhere")
    left = reproduce.missing(plan, under(made))
    assert [(p.label, p.seed) for p in left] == [
        ("increasing_batch", 0), ("increasing_batch", 1), ("increased_momentum", 0), ("increased_momentum", 1)
    ]  # fmt: skip
    info = made / "elsewhere" / next(p.name for p in (made / "elsewhere").iterdir()) / "run.json"
    values = json.loads(info.read_text())
    info.write_text(json.dumps({**values, "code": {**values["code"], "models/resnet.py": "0" * 64}}))
    assert second in reproduce.missing(plan, under(made))


def test_the_table_has_their_figures_and_ours_and_no_verdict_below_the_papers_budget(made):
    plan = planned(made)
    errors = {}
    for point in plan.all():
        errors[point.label, point.seed] = run(point).figure("test_error")
    table = tabulate.tabulate(plan, under(made), "tricktable table ...")
    rows = {row.label: row for row in table.rows}
    assert rows["original"].figures == tuple(100 - errors["original", seed] for seed in (0, 1))
    assert rows["original"].mean == pytest.approx(sum(rows["original"].figures) / 2)
    assert rows["increased_initial_lr"].reason and not rows["increased_initial_lr"].runs
    assert not any(row.missing for row in table.rows)
    judged = {each.claim.id: each for each in table.claims}
    assert set(judged) == {c.id for c in table.recipe.paper.claims.values() if c.table == "fig5_section52"}
    for each in judged.values():
        if each.claim.field == "value":
            assert each.verdict not in ("reproduced", "contradicted", "undecided")
    assert "Budget smoke: digits, 60 training images" in table.provenance


def finish(point, error, seen, precision="fp32"):
    """A run of a point as it stands on disk, on this data."""
    folder = Path(point.config.output.root) / point.config.study / f"{point.config.label}-{point.key[:8]}"
    folder.mkdir(parents=True)
    identity = Identity(point.choices, seen.fingerprint, files(point.config))
    RunInfo(identity=identity, id=folder.name, state="complete", choices_key=point.choices).write(folder)
    result = Result(variant="final", inference="plain", test_error=error)
    compute = ComputeSummary(device="cpu", precision=precision)
    summary = Summary(state="complete", results=(result,), seed=point.seed, data=seen, compute=compute)
    summary.write(folder / "summary.json")
    record.write_config(folder / "config.yaml", {"label": point.config.label, "seed": point.seed})


def images_of(folder):
    """What a summary says of the images in a folder."""
    source = sets.load(sets.write_tree(folder, sets.images()))
    return DataSummary(title=source.title, fingerprint=source.fingerprint, **vars(source.origin))


CIFAR10 = DataSummary(title="cifar10", dataset="cifar10", complete=True)
CIFAR10_SEEN = replace(CIFAR10, fingerprint="sha256:cifar10")
COPY = "JPEG copy"


@pytest.mark.parametrize(
    ("seen", "verdict", "why"),
    [
        (CIFAR10, "reproduced", ""),
        (replace(CIFAR10, title="my pictures"), "reproduced", ""),
        (replace(CIFAR10, copy=COPY), "reproduced", COPY),
        (replace(CIFAR10, complete=False), "indication for", "other data"),
        (replace(CIFAR10, copy=COPY, complete=False), "indication for", f"{COPY}; other data"),
        (replace(CIFAR10, dataset="cifar100"), "indication for", "other data"),
        (DataSummary(title="cifar10 (JPEG copy)"), "indication for", "other data"),  # as summaries were before
        ("cifar10", "indication for", "other data"),
        ("imagenet", "indication for", "other data"),
    ],
)
def test_a_verdict_needs_the_rows_dataset_whole_and_no_title_stands_for_it(made, tmp_path, seen, verdict, why):
    """A text is the name of a folder of images: `data=image_folder` vouches for no dataset."""
    data_seen = images_of(tmp_path / seen) if isinstance(seen, str) else seen
    plan = planned(made, "paper")
    for label, error in (("original", 10.0), ("increased_momentum", 12.0)):
        for point in plan.points[label]:
            finish(point, error + point.seed / 10, data_seen)
    table = tabulate.tabulate(plan, under(made), "")
    judged = next(each for each in table.claims if each.claim.id == "momentum_costs_accuracy")
    assert judged.verdict == verdict
    said = judged.reason.removeprefix("the interval lies on the claimed side").removeprefix("; ")
    assert said == (f"{claims.ONLY}: {why}" if verdict == "indication for" else why)


def test_one_run_on_other_data_is_enough_for_an_indication(made):
    plan = planned(made, "paper")
    points = [*plan.points["original"], *plan.points["increased_momentum"]]
    for i, point in enumerate(points):
        error = 10.0 + point.seed / 10 + 2 * (point.label == "increased_momentum")
        finish(point, error, DataSummary(title="cifar10") if i == 4 else CIFAR10)
    table = tabulate.tabulate(plan, under(made), "")
    judged = next(each for each in table.claims if each.claim.id == "momentum_costs_accuracy")
    assert judged.verdict == "indication for" and judged.reason.endswith("other data")


def test_an_evaluation_on_other_images_is_not_the_rows_figure(made, tmp_path):
    """A row of another inference is filled by `tricktable evaluate`: on the images that the run was tested on."""
    (tmp_path / "table" / f"{NAME}.yaml").write_text(RECIPE + "results: {original: [final, flip]}\n")
    plan = planned(made)
    point = plan.points["original"][0]
    finish(point, 10.0, CIFAR10_SEEN)
    (stored,) = under(made)
    evaluations = record.Metrics(stored.files.evaluations)
    for images, error in (("sha256:other", 30.0), (CIFAR10_SEEN.fingerprint, 8.0)):
        result = Evaluation(variant="final", inference="flip", test_error=error, data="images", fingerprint=images)
        evaluations.append(asdict(result))
    table = tabulate.tabulate(plan, under(made), "")
    assert {row.label: row for row in table.rows}["original"].figures == (92.0,)


def add(point, **values):
    """A further evaluation of the run of a point."""
    stored = next(run for run in under(Path(point.config.output.root)) if run.info.choices_key == point.key)
    evaluation = Evaluation(**{"variant": "final", "inference": "plain", "data": "images", **values})
    record.Metrics(stored.files.evaluations).append(asdict(evaluation))


RECHT = "recht2018_cifar_generalize"
TEN = "densenet_BC_100_12"


def recht(root, table, budget="paper"):
    overrides = [f"output.root={root}", "compute=cpu", "compute.threads=1"]
    plan = reproduce.requested(f"{RECHT}/{table}", budget, overrides)[0]
    return replace(plan, points={label: each for label, each in plan.points.items() if TEN in label})


def judged_of(plan, root, name):
    return next(each for each in tabulate.tabulate(plan, under(root), "").claims if each.claim.id == name)


def test_rows_that_differ_in_their_test_images_are_of_the_same_runs(tmp_path):
    plan = recht(tmp_path, "pairs")
    assert len(plan.all()) == 10 and len(distinct(plan.all())) == 5
    original, new = (plan.points[f"{TEN} {which}"] for which in ("original", "new"))
    assert [a.key for a in original] == [b.key for b in new]
    assert not original[0].evaluation and new[0].evaluation == ("data=cifar10_1", "data.version=v4")
    for point in original:
        finish(point, 5.0 + point.seed, CIFAR10_SEEN)
    assert not reproduce.missing(plan, under(tmp_path))
    assert [point for point, _ in reproduce.unevaluated(plan, under(tmp_path))] == list(new)
    rows = {row.label: row for row in matching.rows(plan, under(tmp_path))}
    assert len(rows[f"{TEN} original"].figures) == 5 and rows[f"{TEN} new"].missing == (0, 1, 2, 3, 4)


def evaluated(root, table, dataset="cifar10_1", complete=True):
    """Five runs with errors of 5, 6 ... 9 on their own images, and 8.0, 8.1 ... more on others."""
    plan = recht(root, table)
    for point in next(iter(plan.points.values())):
        finish(point, 5.0 + point.seed, CIFAR10_SEEN)
    for point in next(points for points in plan.points.values() if points[0].evaluation):
        images = {"images_key": point.images_key, "dataset": dataset, "complete": complete}
        add(point, test_error=13.0 + 1.1 * point.seed, fingerprint="sha256:new", **images)
    return plan


def test_figures_on_other_images_are_compared_by_seed(tmp_path):
    """The drops are 8.0, 8.1 ... 8.4 of errors that spread over 4 points: paired, the interval is narrow."""
    judged = judged_of(evaluated(tmp_path, "pairs"), tmp_path, f"drop_{TEN}")
    assert judged.verdict == "reproduced" and judged.reason.endswith("paired by seed")
    assert judged.ours == pytest.approx(8.2)
    drops = np.array([8.0, 8.1, 8.2, 8.3, 8.4])
    assert judged.half == pytest.approx(stats.t.ppf(0.975, 4) * drops.std(ddof=1) / math.sqrt(5))


def test_a_gap_is_the_difference_of_two_evaluations_of_a_run(tmp_path):
    plan = evaluated(tmp_path, "gaps")
    row = next(row for row in matching.rows(plan, under(tmp_path)) if row.label == TEN)
    assert row.figures == pytest.approx((8.0, 8.1, 8.2, 8.3, 8.4))
    assert not reproduce.unevaluated(plan, under(tmp_path))
    assert "tested on images (new) too" in tabulate.tabulate(plan, under(tmp_path), "").provenance


@pytest.mark.parametrize(
    ("given", "verdict"),
    [({}, "reproduced"), ({"dataset": "cifar10_1_v6"}, "indication for"), ({"complete": False}, "indication for")],
)
def test_a_verdict_needs_the_datasets_of_training_and_of_testing(tmp_path, given, verdict):
    judged = judged_of(evaluated(tmp_path, "pairs", **given), tmp_path, f"drop_{TEN}")
    assert judged.verdict == verdict


def test_what_is_missing_is_trained_once_and_evaluated_elsewhere(tmp_path, capsys):
    """All the way, on small images: a table's own runs, then their evaluations, then nothing."""
    plan = recht(tmp_path, "pairs", "smoke")
    for point in distinct(reproduce.missing(plan, under(tmp_path))):
        run(point)
    assert len(under(tmp_path)) == 2
    assert reproduce.evaluate(plan, under(tmp_path)) == 2
    rows = {row.label: row for row in matching.rows(plan, under(tmp_path))}
    for seed, stored in enumerate(under(tmp_path)):
        own, other = stored.evaluations
        assert rows[f"{TEN} original"].figures[seed] == 100 - own.test_error
        assert rows[f"{TEN} new"].figures[seed] == 100 - other.test_error and other.data.startswith("synthetic")
    assert reproduce.evaluate(plan, under(tmp_path)) == 0
    assert "2 evaluations are missing" in capsys.readouterr().err
    reproduce.dry_run(plan, under(tmp_path))
    assert "0 of 2 runs are missing" in capsys.readouterr().out


def test_gains_are_over_the_same_seed_of_a_row(tmp_path):
    plan = reproduce.requested("summers2020_four_things_bn/gains", "paper", [f"output.root={tmp_path}"])[0]
    seen = DataSummary(title="cifar100", fingerprint="sha256:c", dataset="cifar100", complete=True)
    gains = np.linspace(0.5, 0.59, 10)
    for label, gain in (("no change", 0 * gains), ("ghost_cifar100", gains)):
        for point in plan.points[label]:
            finish(point, 20.0 + point.seed - gain[point.seed], seen)
    rows = {row.label: row for row in matching.rows(plan, under(tmp_path))}
    assert set(rows["no change"].figures) == {0.0}
    assert rows["ghost_cifar100"].figures == pytest.approx(gains)
    judged = judged_of(plan, tmp_path, "ghost_helps")
    assert judged.verdict == "reproduced" and judged.ours == pytest.approx(gains.mean())
    assert judged.half == pytest.approx(stats.t.ppf(0.975, 9) * gains.std(ddof=1) / math.sqrt(10))


def test_a_size_is_counted_and_not_trained(tmp_path):
    plan, runs = reproduce.requested("iandola2016_squeezenet/compression", "paper", [f"output.root={tmp_path}"])
    assert not plan.all()
    table = tabulate.tabulate(plan, runs, "")
    rows = {row.label: row for row in table.rows}
    assert rows["SqueezeNet fp32"].mean == pytest.approx(4 * rows["SqueezeNet fp32"].params / 1e6)
    judged = {each.claim.id: each for each in table.claims}
    left, right = rows["AlexNet fp32"].params, rows["SqueezeNet fp32"].params
    assert judged["fifty_times_smaller"].ours == pytest.approx(left / right)
    assert judged["fifty_times_smaller"].reason.startswith("exact: ")
    assert judged["510x"].verdict == "not runnable here"


def curve(point, errors, **summary):
    """The run of a point with these test errors of its epochs, of 100 images each at 50 images a second."""
    stored = next(run for run in under(Path(point.config.output.root)) if run.info.choices_key == point.key)
    for i, error in enumerate(errors, 1):
        row = EpochRow(epoch=i, samples=100 * i, test_error=error, images_per_second=50.0)
        record.Metrics(stored.files.metrics).append(row.plain())
    replace(stored.summary, **summary).write(stored.folder / "summary.json")


def test_a_run_is_timed_by_its_epochs(tmp_path):
    plan = reproduce.requested("huang2016_stochastic_depth/training_time", "paper", [f"output.root={tmp_path}"])[0]
    point = plan.points["constant_c10_time"][0]
    finish(point, 5.0, CIFAR10_SEEN)
    curve(point, [9.0, 8.0, 7.0])
    row = next(row for row in matching.rows(plan, under(tmp_path)) if row.label == "constant_c10_time")
    assert plan.recipe.table.metric.unit == "minutes" and row.figures == pytest.approx((3 * 100 / 50 / 60,))


def test_what_curves_show_is_taken_from_the_runs(made):
    plan = planned(made)
    points = plan.points["original"]
    for point, errors in zip(points, ([9.0, 4.5, 4.0], [9.0, 8.0, 7.0]), strict=True):
        finish(point, errors[-1], CIFAR10_SEEN)
        curve(point, errors, train_error=1.0 + point.seed, train_loss=0.5)
    row = next(row for row in matching.rows(plan, under(made)) if row.label == "original")
    claim = replace(next(iter(plan.recipe.paper.claims.values())), field="epochs_to_target", target=95.5)
    metric = plan.recipe.table.metric
    assert metric.better == "higher"
    reached = matching.in_field(row, claim, metric)
    assert reached.figures == (2.0,) and reached.missing == (1,), "the second run never reaches 95.5%"
    lower = replace(metric, name="top1_error", better="lower")
    assert matching.in_field(row, replace(claim, target=4.0), lower).figures == (3.0,)
    trained = replace(claim, field="train_error", target=None)
    assert matching.in_field(row, trained, metric).figures == (1.0, 2.0)
    assert matching.in_field(row, replace(claim, field="value", target=None), metric) == row


def test_claims_of_a_curve_are_judged(tmp_path):
    plan = reproduce.requested("wu2018_group_norm/table1", "paper", [f"output.root={tmp_path}"])[0]
    for label, error in (("GN", 10.0), ("BN", 12.0)):
        for point in plan.points[label]:
            finish(point, 24.0, replace(CIFAR10_SEEN, dataset="imagenet"))
            curve(point, [], train_error=error + point.seed / 10)
    judged = judged_of(plan, tmp_path, "gn_lower_train_error")
    assert judged.verdict == "reproduced" and judged.ours == pytest.approx(2.0) and judged.theirs is None


def test_parts_of_a_batch_and_workers_are_typed_with_a_table_and_its_rows_are_matched_with_them(made):
    typed = [f"output.root={made}", "compute=cpu", "micro_batch=4", "data.workers=1", "checkpoint.every=7"]
    plan = reproduce.requested(NAME, "smoke", typed)[0]
    assert all(p.config.micro_batch == 4 and p.config.data.workers == 1 for p in plan.all())
    finish(plan.points["original"][0], 10.0, CIFAR10)
    assert matching.current(plan.points["original"][0], under(made))
    assert matching.current(planned(made).points["original"][0], under(made)) is None


def test_rows_that_differ_in_precision_alone_have_runs_of_their_own(tmp_path):
    """How a run computes is none of its choices; where a recipe asks for it, it is."""
    plan = reproduce.requested("he2019_bag_of_tricks/table4", "smoke", [f"output.root={tmp_path}"])[0]
    exact, half = (plan.points[f"+ {name} bs256"][0] for name in ("No bias decay", "FP16"))
    assert exact.choices == half.choices and exact.key != half.key
    finish(exact, 10.0, DataSummary(title="synthetic"))
    assert matching.current(exact, under(tmp_path)) and matching.current(half, under(tmp_path)) is None


def test_a_table_composes_each_row_once(made, monkeypatch):
    """At its own budget and, for what that changes and for what is counted, at the paper's; not once per point."""
    composed = []
    monkeypatch.setattr(planning, "compose", lambda overrides: composed.append(overrides) or compose(overrides))
    planning.composed.cache_clear()
    plan = planned(made)
    reproduce.dry_run(plan, under(made))
    assert len(composed) == 6
    tabulate.tabulate(plan, under(made), "")
    assert len(composed) == 6 and len(set(composed)) == 6


def test_the_output_root_is_read_once_per_command(made, monkeypatch, capsys):
    reads = []
    monkeypatch.setattr(runs, "under", lambda root, study=None: reads.append(root) or under(root, study))
    given = [f"output.root={made}", "compute=cpu", "compute.threads=1"]
    for options in (["--dry-run"], []):
        reads.clear()
        with pytest.raises(SystemExit):
            cli.main(["table", NAME, "--budget", "smoke", *options, *given])
        assert len(reads) == 1
    assert "6 of 6 runs are missing" in capsys.readouterr().out


def test_claims_on_updates_are_decided_without_a_run():
    """The real recipe at the paper's budget: 78,000, 29,040, 6,300 and 2,160 updates."""
    plan, runs = reproduce.requested(NAME, "paper", ["output.root=nowhere"])
    judged = [each for each in tabulate.tabulate(plan, runs, "").claims if each.claim.field == "updates"]
    assert judged and all(each.verdict == "reproduced" for each in judged)


def test_what_is_missing_is_made_and_nothing_twice(made, capsys):
    plan = planned(made)
    outcomes = reproduce.make(plan, under(made), jobs=2)
    assert [o.state for o in outcomes] == ["complete"] * 6
    assert "6 runs of 3 rows are missing: about " in capsys.readouterr().err
    assert reproduce.make(plan, under(made), jobs=2) == []


def test_a_dry_run_says_all_of_it(made, capsys):
    plan = planned(made)
    run(plan.points["original"][0])
    reproduce.dry_run(plan, under(made))
    said = capsys.readouterr().out
    assert "5 of 6 runs are missing" in said and "1 of 2 seeds exist" in said
    assert "increased_initial_lr: not runnable here: it needs a larger batch" in said
    assert "2 epochs, 8 updates" in said


def test_only_the_machine_is_typed_with_a_table(made):
    with pytest.raises(BadInput, match="epochs: the recipe says it"):
        reproduce.requested(NAME, "smoke", ["epochs=3"])
    with pytest.raises(BadInput, match="no table is called"):
        reproduce.requested("smith2018_batch_size/fig6", "smoke", [])


def test_without_a_budget_the_fullest_with_runs_is_shown(made):
    overrides = [f"output.root={made}", "compute=cpu", "compute.threads=1"]
    assert reproduce.requested(NAME, None, overrides)[0].budget == "paper"
    run(planned(made).points["original"][0])
    assert reproduce.requested(NAME, None, overrides)[0].budget == "smoke"


def test_the_time_is_estimated_from_what_this_machine_achieved(made):
    plan = planned(made)
    run(plan.points["original"][0])
    rate = estimate.rate(under(made), plan.all()[0].config.compute)
    one = estimate.seconds(plan.all()[:1], rate)
    assert estimate.START < one < 60 and estimate.seconds(plan.all()[:2], rate) == pytest.approx(2 * one)
    assert (estimate.duration(30), estimate.duration(600), estimate.duration(36_000)) == ("30 s", "10 min", "10.0 h")
    assert estimate.duration(None) == "an unknown time"


def test_the_time_is_of_the_device_that_is_asked_for(made, monkeypatch):
    plan = planned(made)
    run(plan.points["original"][0])
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    gpu = dataclasses.replace(plan.all()[0].config.compute, device="cuda")
    assert estimate.rate(under(made), gpu) is None, "no such device here, and no run was on one"
    assert estimate.seconds(plan.all()[:1], None) is None and estimate.seconds([], None) == 0
    auto = dataclasses.replace(gpu, device="auto")
    assert estimate.rate(under(made), auto) == estimate.rate(under(made), plan.all()[0].config.compute)


def test_known_sizes_are_those_of_the_data():
    config = compose(["data=digits", "data.validation=0.1"])
    source = data.load(config.data)
    assert data.known(config.data)[:2] == (1442 - 144, (1, 8, 8))
    assert len(source.train_labels) == 1442 and data.known(compose(["data=image_folder"]).data) is None


def test_a_study_has_a_report_of_its_own(made):
    for point in planned(made).points["original"]:
        run(point, "study=mine")
    paths = command.produce("mine", None, [f"output.root={made}"])
    assert paths[-1].name == "report.html" and (made / "mine" / "report" / "table.csv").is_file()
    collected = command.produce(None, None, [f"output.root={made}"])
    assert any(path.name == "runs.csv" for path in collected)
    with pytest.raises(BadInput, match="neither a table"):
        command.produce("nothing", None, [f"output.root={made}"])


@pytest.mark.parametrize(
    ("check", "theirs", "verdict"),
    [
        ({"count": "params", "of": ["model=resnet20"]}, 269_722, "equal"),
        ({"count": "params", "of": ["model=resnet20"]}, 270_000, "contradicted"),
        ({"count": "params", "of": ["model=resnet20"], "misprint": "rounded"}, 270_000, "misprint"),
        ({"count": "params", "of": ["model=resnet20"], "tolerance": 0.01}, 270_000, "equal"),
        ({"updates": ["noise=hybrid", "epochs=200"], "images": 50_000}, 34_520, "equal"),
        ({"knob": "batch_size", "at": 100, "of": ["noise=hybrid", "epochs=200"]}, 640, "equal"),
        ({"knob": "noise_scale", "at": 0, "of": ["noise=hybrid"], "expect": 390.625}, "g at first", "equal"),
        ({"test": "tests/papers/test_reproduce.py::test_what_a_table_wants"}, "a formula", "asserted by a test"),
        ("words only", "a formula", "not decided"),
    ],
)
def test_static_facts(check, theirs, verdict):
    assert decided(theirs, check).verdict == verdict


def decided(theirs, check):
    return statics._one("paper", "fact", "what", theirs, reader.value_of("fact", statics.Check | str, check))


def test_static_facts_that_make_no_sense_are_one_line():
    with pytest.raises(BadInput, match="there is no test"):
        decided(1, {"test": "tests/papers/test_reproduce.py::test_nothing"})
    with pytest.raises(BadInput, match="give `expect`"):
        decided("text", {"count": "params", "of": ["model=resnet20"]})


def test_a_static_fact_about_a_noise_scale_that_is_not_known_is_one_line(monkeypatch):
    knobs = Knobs({"lr": 0.1, "batch_size": 128, "momentum": 0.9}, {}, n=50_000)
    monkeypatch.setattr(statics, "plan", lambda overrides, images: (knobs, 1))
    with pytest.raises(BadInput, match=r"^noise_scale: "):
        decided(1, {"knob": "noise_scale", "at": 0, "of": ["epochs=1"]})


def test_the_commands(tricktable, tmp_path):
    listed = tricktable("list", "tables")
    assert NAME in listed.stdout and listed.returncode == 0
    shown = tricktable("static", "smith2018_batch_size")
    assert shown.returncode == 0 and "78200" in shown.stdout.replace(",", "")
    assert yaml.safe_load(RECIPE)["n"] == 3
    dry = tricktable("table", NAME, "--budget", "paper", "--dry-run")
    assert dry.returncode == 0 and "78,000 updates" in dry.stdout
    assert tricktable("train", "--jobs", "2").returncode == 2


def differing(folder, text):
    """The recipe with this appended."""
    (folder / "table" / f"{NAME}.yaml").write_text(RECIPE + text)
    recipe.load.cache_clear()


BORDER = "{what: a border, why: none, material: augmentation, rows: [%s]}"


@pytest.mark.parametrize(
    ("differs", "verdict"),
    [
        (BORDER % "original", "indication for"),
        (BORDER % "increasing_batch", "reproduced"),
        ("{what: a border, why: none, material: augmentation}", "indication for"),
        ("{what: a border, why: none}", "reproduced"),
    ],
)
def test_a_material_difference_of_a_claims_rows_caps_its_verdict(made, tmp_path, differs, verdict):
    differing(tmp_path, f"differs: [{differs}]\n")
    plan = planned(made, "paper")
    for label, error in (("original", 10.0), ("increased_momentum", 12.0)):
        for point in plan.points[label]:
            finish(point, error + point.seed / 10, CIFAR10)
    table = tabulate.tabulate(plan, under(made), "")
    judged = next(each for each in table.claims if each.claim.id == "momentum_costs_accuracy")
    assert judged.verdict == verdict and ("differs: augmentation" in judged.reason) == (verdict != "reproduced")


def test_what_a_budget_changes_is_read_off_its_overrides(made):
    """Each with what the paper's budget has, typed there or not; nothing at the paper's own."""
    plan, paper = planned(made), planned(made, "paper")
    assert changes(paper, "original") == ()
    assert list(map(str, changes(plan, "original"))) == ["epochs=2 in place of 20"]


def test_the_committed_recipe_says_that_another_network_was_run():
    """The caption has WRN-16-4; at the smoke budget its depth is 10."""
    plan, found = reproduce.requested(NAME, "smoke", ["output.root=nowhere"])
    changed = {label: [*map(str, changes(plan, label))] for label in plan.points}
    for label in plan.recipe.table.rows:
        assert "model.depth=10 in place of 16" in changed[label] and "epochs=8 in place of 200" in changed[label]
    table = tabulate.tabulate(plan, found, "")
    assert all("data.path" not in row.overrides.keys and "output.root" not in row.overrides.keys for row in table.rows)
    said = departures.said(plan.recipe, "smoke", {label: changes(plan, label) for label in plan.points})
    (kinds,) = [line for line in said[departures.DIFFERS] if line.startswith("The smoke budget changes ")]
    assert all(kind in kinds for kind in ("data", "network", "optimization"))


def committed(plan, root, commits):
    """Runs of these commits, one each."""
    for point in plan.points["original"]:
        finish(point, 10.0 + point.seed, CIFAR10)
    for stored, commit in zip(sorted(under(root), key=lambda run: run.summary.seed), commits, strict=True):
        replace(stored.summary, environment=Environment(commit=commit)).write(stored.files.summary)
    *warnings, unsealed = tabulate.tabulate(plan, under(root), "").warnings
    assert "of an earlier version" in unsealed
    return warnings


@pytest.mark.parametrize(
    ("commits", "said"),
    [
        (["a", "a", "a"], []),
        (["a", "b", "b"], ["These runs were made by several commits: 1 of a, 2 of b."]),
        (["a", "a+", "a"], ["1 of these 3 runs were made with uncommitted changes"]),
        (["a+", "a+", "a+"], ["All 3 runs were made with uncommitted changes"]),
        (["a", None, "b+"], ["several commits: 1 of a, 1 of none that is known, 1 of b+.", "1 of these 3 runs"]),
        ([None, None, None], ["The commit that made these runs is not known."]),
    ],
)
def test_runs_of_several_commits_or_of_an_edited_tree_are_said(made, commits, said):
    warnings = committed(planned(made, "paper"), made, commits)
    assert len(warnings) == len(said) and all(part in line for part, line in zip(said, warnings, strict=True))


def test_the_archive_of_the_data_is_named(made):
    plan = planned(made, "paper")
    for point in plan.points["original"]:
        finish(point, 10.0, replace(CIFAR10, archive="cifar-10-python.tar.gz (MD5 c5), https://x"))
    assert ", from cifar-10-python.tar.gz (MD5 c5), https://x;" in tabulate.tabulate(plan, under(made), "").provenance


def test_imagenets_size_is_known_before_it_is_read(capsys):
    """90 epochs of 1,281,167 images in batches of 8,192 are 90 * 157 updates, or without the last part 90 * 156."""
    images = compose(["data=image_folder", "data.size=224"]).data
    assert data.known(images, "imagenet") == (1_281_167, (3, 224, 224), 1000)
    assert data.known(images, "cifar10") is None and data.known(images) is None
    plan, runs = reproduce.requested("smith2018_batch_size/table2", "paper", ["output.root=nowhere"])
    judged = {each.claim.id: each for each in tabulate.tabulate(plan, runs, "").claims}
    assert judged["imagenet_updates_halved"].reason == "exact: 5,580 and 14,040"
    reproduce.dry_run(plan, runs)
    said = capsys.readouterr().out
    assert "? updates" not in said and "an unknown time" not in said and "on imagenet's 1,281,167 images" in said
