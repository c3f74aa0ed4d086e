"""The figure of calibration: bins and calibration error as the paper defines them, of the run's own predictions."""

import csv
import math

import pytest
import torch

from tricktable.runner.disk import runs
from tricktable.runner.errors import BadInput
from tricktable.runner.explore import reevaluate
from tricktable.runner.figures import figure
from tricktable.runner.figures.calibration import binned, calibration, calibration_error


def plain(probabilities, labels, m):
    """(images, accuracy, confidence) of the bins ((i - 1) / m, i / m], and the sum of eq. 3, image by image."""
    members = [[] for _ in range(m)]
    for p, label in zip(probabilities.tolist(), labels.tolist(), strict=True):
        confidence = max(p)
        (i,) = [i for i in range(m) if i / m < confidence <= (i + 1) / m]
        members[i].append((confidence, p.index(confidence) == label))
    found = [(len(b), sum(r for _, r in b) / len(b), sum(c for c, _ in b) / len(b)) if b else (0, None, None) for b in members]  # fmt: skip
    error = sum(n / len(labels) * abs(accuracy - confidence) for n, accuracy, confidence in found if n)
    return found, error


@pytest.mark.parametrize("m", [1, 2, 15])
def test_bins_and_error_are_the_papers(m):
    rng = torch.Generator().manual_seed(m)
    logits = 2 * torch.randn(300, 4, generator=rng, dtype=torch.float64)
    labels = torch.randint(4, (300,), generator=rng)
    expected, error = plain(logits.softmax(1), labels, m)
    bins = binned(logits, labels, m)
    assert [each.images for each in bins] == [n for n, _, _ in expected]
    for each, (n, accuracy, confidence) in zip(bins, expected, strict=True):
        if n:
            assert each.accuracy == pytest.approx(accuracy) and each.confidence == pytest.approx(confidence)
        else:
            assert math.isnan(each.accuracy) and math.isnan(each.confidence)
    assert calibration_error(bins) == pytest.approx(error) and error > 0.01


def test_a_confidence_on_an_edge_belongs_to_the_bin_below():
    even = torch.zeros(1, 2)  # a confidence of exactly 1/2
    certain = torch.tensor([[1000.0, 0.0]])
    bins = binned(torch.cat([even, certain]), torch.tensor([0, 0]), 2)
    assert [each.images for each in bins] == [1, 1]
    assert calibration_error(bins) == pytest.approx(0.25)


def test_a_calibrated_prediction_has_no_error():
    logits = torch.tensor([[math.log(3.0), 0.0]]).repeat(4, 1)  # confidence 3/4
    assert calibration_error(binned(logits, torch.tensor([0, 0, 0, 1]), 15)) == pytest.approx(0, abs=1e-7)


def test_the_table_has_every_inference_of_the_run(finished):
    *pictures, table = figure.make("calibration", [str(finished)], ["bins=5", "inference=[plain,flip]"])
    assert [path.name for path in pictures] == ["calibration.png"]
    rows = list(csv.DictReader(table.read_text(encoding="utf-8").splitlines()))
    assert [(row["variant"], row["inference"]) for row in rows] == [("final", i) for i in ("plain", "flip") for _ in range(5)]  # fmt: skip
    run = reevaluate.rebuilt(runs.at(finished), reevaluate.read([]))
    test = run.splits.test
    with torch.no_grad():
        views = [run.evaluated.eval()(run.prepare(images)).double().softmax(1) for images in (test.images, test.images.flip(3))]  # fmt: skip
    for start, p in ((0, views[0]), (5, sum(views) / 2)):
        expected, error = plain(p, test.labels, 5)
        assert [int(row["images"]) for row in rows[start : start + 5]] == [n for n, _, _ in expected]
        assert float(rows[start]["calibration_error"]) == pytest.approx(100 * error, rel=1e-4)


def test_several_runs_are_a_line_each(finished, twin):
    _, table = figure.make("calibration", [str(finished), str(twin)], ["bins=3"])
    rows = list(csv.DictReader(table.read_text(encoding="utf-8").splitlines()))
    assert [row["run"] for row in rows] == [finished.name] * 3 + [twin.name] * 3
    assert table.parent == finished.parent / "figures"


def test_bad_input_is_one_line(finished):
    with pytest.raises(BadInput, match=r"^bins: expected 1 or more, got 0$"):
        figure.make("calibration", [str(finished)], ["bins=0"])
    with pytest.raises(BadInput, match=r"^calibration: a figure of at most 6 runs, got 7$"):
        calibration([runs.at(finished)] * 7, reevaluate.read([]))
