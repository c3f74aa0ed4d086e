"""The learning-rate range test: the rate that is applied, what is read off the accuracy, and what it leaves on disk."""

import csv
import json
import math
import random

import pytest
import torch
from PIL import Image

from tests.conftest import TINY
from tricktable.runner.disk import record
from tricktable.runner.errors import BadInput
from tricktable.runner.explore import lr_range
from tricktable.runner.explore.lr_range import suggest
from tricktable.tricks.optimizer.sgd import SGD
from tricktable.tricks.optimizer.sgdw import SGDW

RATES = [1e-4 * 10 ** (i / 20) for i in range(101)]  # 1e-4 to 10


def run_test(root, *overrides, **options):
    keys = {override.partition("=")[0] for override in overrides}
    left_out = {"epochs"} if "updates" in options else set()
    tiny = [t for t in TINY if t.partition("=")[0] not in keys | left_out]
    return lr_range.lr_range([*tiny, f"output.root={root}", *overrides], **options)


@pytest.fixture
def applied(monkeypatch):
    """The learning rate that the optimizer has at each of its steps."""
    rates = []
    step = SGD.step

    def noted(self, *arguments):
        rates.append(self.param_groups[0]["lr"])
        return step(self, *arguments)

    monkeypatch.setattr(SGD, "step", noted)
    return rates


def line(begin, end, low=10.0, high=90.0):
    """Accuracies: low up to RATES[begin], in a straight line to high at RATES[end], and there from then on."""
    return [low + (high - low) * min(max((i - begin) / (end - begin), 0), 1) for i in range(len(RATES))]


def test_the_bounds_are_where_a_tenth_and_95_percent_of_the_rise_are_made():
    found = suggest(RATES, line(20, 60), beta=0.0)
    assert (found.base_lr, found.max_lr) == (RATES[24], RATES[58])
    assert (found.accuracy_at_start, found.accuracy_at_peak) == (10, 90)


def test_the_bounds_do_not_care_what_follows_the_peak():
    falling = [a if i < 70 else 90 - 2.5 * (i - 70) for i, a in enumerate(line(20, 60))]
    ragged = [a if i < 70 else 60 + 30 * (i % 2) for i, a in enumerate(line(20, 60))]
    for curve in (falling, ragged):
        found = suggest(RATES, curve, beta=0.0)
        assert (found.base_lr, found.max_lr) == (RATES[24], RATES[58]) and not found.still_rising


def test_smoothing_moves_the_bounds_by_less_than_it_averages_over():
    found = suggest(RATES, line(30, 60), beta=0.64)
    assert abs(RATES.index(found.base_lr) - 33) <= 1
    assert abs(RATES.index(found.max_lr) - 59) <= 2


def test_a_curve_that_rises_to_the_end_says_so():
    assert suggest(RATES, line(20, 100), beta=0.6).still_rising


def test_smoothing_is_the_mean_with_weights_beta_to_the_distance():
    values, beta = [3.0, -1.0, 4.0, 1.0, 5.0], 0.7
    for i, smooth in enumerate(lr_range.smoothed_both_ways(values, beta)):
        weights = [beta ** abs(i - j) for j in range(5)]
        assert smooth == pytest.approx(sum(w * v for w, v in zip(weights, values, strict=True)) / sum(weights))


def test_accuracy_that_never_rises_gives_no_bounds():
    assert suggest(RATES, [10.0] * 101, beta=0.6) is None
    assert suggest(RATES, line(20, 60, low=90, high=10), beta=0.6) is None
    assert suggest([0.1], [12.5], beta=0.0) is None


def test_noise_is_no_rise_and_hides_none():
    rng = random.Random(0)
    for _ in range(50):
        noise = [rng.gauss(0, 3) for _ in RATES]
        assert suggest(RATES, [10 + e for e in noise], beta=0.64) is None
        found = suggest(RATES, [a + e for a, e in zip(line(20, 60), noise, strict=True)], beta=0.64)
        assert RATES[15] < found.base_lr < RATES[30] and RATES[50] < found.max_lr < RATES[75]


@pytest.mark.parametrize("linear", [False, True])
def test_the_applied_rate_rises_from_low_to_high(tmp_path, applied, linear):
    test = run_test(tmp_path, low=1e-4, high=0.1, linear=linear)
    times = [(e + i * 16 / 60) / 3 for e in range(3) for i in range(4)]
    wanted = [1e-4 + (0.1 - 1e-4) * t if linear else 1e-4 * 1000**t for t in times]
    assert applied == pytest.approx(wanted, rel=1e-12)
    assert [row["lr"] for row in test.rows] == applied


def test_the_rate_rises_whatever_holds_it_and_in_every_group(tmp_path, applied):
    run_test(tmp_path, "optimizer=lookahead", "optimizer.k=2", low=1e-4, high=0.1, updates=4)
    assert applied == pytest.approx([1e-4 * 1000 ** (i * 16 / 60) for i in range(4)], rel=1e-12)


def test_a_decay_by_the_schedule_rises_with_the_rate(tmp_path, monkeypatch):
    """As in a run whose schedule rises from the base value: the factor is lr over the optimizer's own."""
    factors = []
    step = SGDW.step
    monkeypatch.setattr(
        SGDW, "step", lambda self, *a: (factors.append(self.param_groups[0]["lr_factor"]), step(self, *a))[1]
    )
    test = run_test(tmp_path, "optimizer=sgdw", low=1e-4, high=0.1, updates=4)
    assert factors == pytest.approx([row["lr"] / 0.05 for row in test.rows])


def test_rows_are_each_step_by_itself(tmp_path, make_run):
    test = run_test(tmp_path, low=1e-4, high=0.1)
    run = make_run()
    images, labels = next(iter(run.splits.train.draw([(0, 60)], torch.arange(60))))
    assert [row["update"] for row in test.rows] == list(range(1, 13))
    assert [row["epoch"] for row in test.rows] == pytest.approx([e + i * 16 / 60 for e in range(3) for i in range(4)])
    right = [row["accuracy"] / 100 * (12 if i % 4 == 3 else 16) for i, row in enumerate(test.rows)]
    assert right == pytest.approx([round(r) for r in right], abs=1e-9), "of the step's own images"
    with torch.no_grad():
        first = run.loss(run.model(run.prepare(images)), run.splits.one_hot[labels], images)
    assert test.rows[0]["loss"] == pytest.approx(float(first), rel=0.5), "of an untrained network, and no sum"


def test_the_files_hold_the_test(tmp_path):
    test = run_test(tmp_path, low=1e-4, high=0.5, updates=40)
    assert test.folder == tmp_path / "default" / "lr-range-resnet8-digits-s0"
    assert sorted(p.name for p in test.folder.iterdir()) == ["lr-range.csv", "lr-range.json", "lr-range.png"]
    table = list(csv.reader((test.folder / "lr-range.csv").open()))
    assert table[0] == ["update", "epoch", "lr", "loss", "accuracy", "smoothed_loss", "smoothed_accuracy"]
    assert record.read(test.folder / "lr-range.csv") == test.rows and len(test.rows) == 40
    summary = json.loads((test.folder / "lr-range.json").read_text())
    assert summary["updates"] == summary["planned_updates"] == 40 and summary["stopped"] is None
    assert (summary["from"], summary["to"], summary["linear"]) == (1e-4, 0.5, False)
    assert summary["base_lr"] == test.suggestion.base_lr < summary["max_lr"] == test.suggestion.max_lr
    assert summary["base_lr_by_max"] == summary["max_lr"] / 3
    picture = Image.open(test.folder / "lr-range.png")
    assert picture.width >= 1000 and picture.height >= 800 and len(picture.convert("RGB").getcolors(1 << 20)) > 50


def test_the_smoothed_loss_is_the_corrected_average_of_those_before(tmp_path):
    test = run_test(tmp_path, low=1e-4, high=0.1, updates=40)
    beta, losses = 0.5, [row["loss"] for row in test.rows]  # 1 - 20/40
    for i, row in enumerate(test.rows):
        weights = [beta ** (i - j) for j in range(i + 1)]
        mean = sum(w * x for w, x in zip(weights, losses, strict=False)) / sum(weights)
        assert row["smoothed_loss"] == pytest.approx(mean)


def test_a_second_test_takes_the_place_of_the_first(tmp_path):
    first = run_test(tmp_path, low=1e-4, high=0.1, updates=4)
    before = {p.name: p.read_bytes() for p in first.folder.iterdir()}
    second = run_test(tmp_path, low=1e-3, high=0.1, updates=8)
    assert second.folder == first.folder
    after = {p.name: p.read_bytes() for p in second.folder.iterdir()}
    assert after.keys() == before.keys() and all(after[name] != before[name] for name in before)


@pytest.mark.parametrize(("high", "why"), [(1e4, "more than 4 times its best"), (1e38, "not finite")])
def test_it_stops_where_the_loss_explodes(tmp_path, capsys, high, why):
    test = run_test(tmp_path, "inference=[plain]", low=1e-3 if high < 1e9 else 1e37, high=high, updates=40)
    assert why in test.stopped and len(test.rows) < test.planned == 40
    smoothed = [row["smoothed_loss"] for row in test.rows]
    assert all(math.isfinite(x) and x <= 4 * min(smoothed[: i + 1]) for i, x in enumerate(smoothed[:-1]))
    assert not smoothed[-1] <= 4 * min(smoothed[:-1])
    assert len(record.read(test.folder / "lr-range.csv")) == len(test.rows)
    lr_range.show(test)
    assert f"stopped: {test.stopped}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("overrides", "options", "updates"),
    [
        ((), {"updates": 9}, 12),  # 4 an epoch
        (("epochs=2",), {}, 8),
        (("batch_size=60", "data.validation=0.1"), {"updates": 2}, 2),
    ],
)
def test_how_long_it_is(tmp_path, overrides, options, updates):
    assert run_test(tmp_path, *overrides, low=1e-5, high=1e-4, **options).planned == updates


def test_about_a_hundred_updates_where_nothing_says_how_many(tmp_path):
    overrides = [t for t in TINY if not t.startswith("epochs")]
    test = lr_range.lr_range([*overrides, f"output.root={tmp_path}"], low=1e-5, high=1e-4)
    assert test.config.epochs == 25 and test.planned == 100


@pytest.mark.parametrize(
    "override",
    [
        "schedule.lr=step", "schedule.lr.end=0.1", "schedule@schedule.lr=step", "optimizer.lr=0.1",
        "optimizer.inner.lr=0.1", "schedule.noise_scale=multistep", "noise=hybrid", "scale_with_batch=linear",
    ],
)  # fmt: skip
def test_what_says_the_rate_is_refused(tmp_path, override):
    with pytest.raises(BadInput, match="the range test sets the learning rate itself") as error:
        run_test(tmp_path, override)
    assert str(error.value).startswith(override) and "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"low": 0.1, "high": 0.1}, "expected 0 < from < to, got 0.1 and 0.1"),
        ({"low": 0.0}, "expected 0 < from < to, got 0 and 10"),
        ({"high": math.inf}, "expected 0 < from < to"),
        ({"low": math.nan}, "expected 0 < from < to"),
        ({"updates": 0}, "--updates: expected at least 1, got 0"),
    ],
)
def test_a_range_that_cannot_be_is_refused(tmp_path, options, said):
    with pytest.raises(BadInput, match=said):
        run_test(tmp_path, **options)
    assert not list(tmp_path.iterdir())


def test_two_lengths_and_a_hostile_study_are_refused(tmp_path):
    with pytest.raises(BadInput, match="epochs: --updates says how long"):
        run_test(tmp_path, "epochs=2", updates=10)
    with pytest.raises(BadInput, match="study"):
        run_test(tmp_path, "study=../x", updates=1)
    assert not list(tmp_path.iterdir())


def test_what_is_printed(tmp_path, capsys):
    test = run_test(tmp_path, low=1e-4, high=0.5, updates=40)
    lr_range.show(test)
    out = capsys.readouterr().out
    assert out.startswith("40 of 40 updates, lr 0.0001 to 0.4")
    assert f"base_lr {test.suggestion.base_lr:.3g}, where 10%" in out
    assert f"max_lr  {test.suggestion.max_lr:.3g}, where 95%" in out
    assert all(str(test.folder / f"lr-range.{ending}") in out for ending in ("csv", "json", "png"))


def test_no_suggestion_is_said(tmp_path, capsys):
    test = run_test(tmp_path, low=1e-9, high=1e-8)
    lr_range.show(test)
    assert test.suggestion is None and "no suggestion" in capsys.readouterr().out
    assert json.loads((test.folder / "lr-range.json").read_text())["max_lr"] is None
    assert (test.folder / "lr-range.png").is_file()
