"""The figures of predictions: counts, accuracies and losses are those of the run's own model, image by image."""

import csv

import pytest
import torch
from torch.nn import functional as F

from tricktable.runner.disk import runs
from tricktable.runner.errors import BadInput
from tricktable.runner.explore import reevaluate
from tricktable.runner.figures import figure
from tricktable.runner.papers.intervals import wilson


def table(name, folders, *typed):
    *pictures, path = figure.make(name, [str(folder) for folder in folders], typed)
    assert pictures and all(picture.read_bytes().startswith(b"\x89PNG") for picture in pictures)
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


def logits_of(folder):
    run = reevaluate.rebuilt(runs.at(folder), reevaluate.read([]))
    test = run.splits.test
    with torch.no_grad():
        return run.evaluated.eval()(run.prepare(test.images)).double(), test.labels


def counts_of(folder):
    logits, labels = logits_of(folder)
    counts = torch.zeros(10, 10, dtype=torch.int64)
    for row, label in zip(logits, labels, strict=True):
        counts[label, row.argmax()] += 1
    return counts


def test_the_confusion_matrix_counts_every_image(finished):
    rows, counts = table("confusion", [finished]), counts_of(finished)
    assert len(rows) == 100 and 0 < int(counts.diagonal().sum()) < int(counts.sum())
    for row in rows:
        i, j = int(row["class"]), int(row["predicted_class"])
        assert int(row["images"]) == counts[i, j]
        assert float(row["share"]) == pytest.approx(int(counts[i, j]) / int(counts[i].sum()))


def test_the_counts_of_several_runs_are_summed(finished, twin):
    rows, counts = table("confusion", [finished, twin], "pairs=3"), counts_of(finished) + counts_of(twin)
    found = {(int(row["class"]), int(row["predicted_class"])): int(row["images"]) for row in rows}
    assert found == {(i, j): int(counts[i, j]) for i in range(10) for j in range(10)}


def test_accuracies_have_their_intervals_and_the_lowest_comes_first(finished):
    rows, counts = table("per_class", [finished], "classes=4"), counts_of(finished)
    assert sorted(int(row["class"]) for row in rows) == list(range(10)), "the table has those that are not drawn too"
    accuracies = [float(row["accuracy"]) for row in rows]
    assert accuracies == sorted(accuracies) and accuracies[0] < accuracies[-1]
    for row in rows:
        i = int(row["class"])
        right, n = int(counts[i, i]), int(counts[i].sum())
        assert (int(row["right"]), int(row["images"])) == (right, n)
        low, high = wilson(right, n)
        assert [float(row[name]) for name in ("accuracy", "low", "high")] == pytest.approx(
            [100 * right / n, 100 * low, 100 * high]
        )


def test_each_run_has_its_own_accuracies(finished, twin):
    rows = table("per_class", [finished, twin])
    for folder in (finished, twin):
        right = sum(int(row["right"]) for row in rows if row["run"] == folder.name)
        assert right == int(counts_of(folder).diagonal().sum())


def test_the_worst_images_are_those_of_the_largest_loss(finished):
    logits, labels = logits_of(finished)
    losses = F.cross_entropy(logits, labels, reduction="none").tolist()
    rows = table("worst", [finished], "count=7")
    assert [int(row["index"]) for row in rows] == sorted(range(len(losses)), key=lambda i: -losses[i])[:7]
    for row in rows:
        i = int(row["index"])
        p = logits[i].softmax(0)
        assert (int(row["class"]), int(row["predicted_class"])) == (int(labels[i]), int(p.argmax()))
        assert float(row["probability"]) == pytest.approx(float(p.max()), rel=1e-4)
        assert float(row["loss"]) == pytest.approx(losses[i], rel=1e-4)


@pytest.mark.parametrize(
    ("name", "typed", "line"),
    [
        ("confusion", "pairs=0", "pairs: expected 1 or more, got 0"),
        ("per_class", "classes=0", "classes: expected 1 or more, got 0"),
        ("worst", "count=101", "count: expected 1 to 100, got 101"),
    ],
)
def test_bad_input_is_one_line(finished, name, typed, line):
    with pytest.raises(BadInput) as raised:
        figure.make(name, [str(finished)], [typed])
    assert str(raised.value) == line


def test_the_worst_images_are_of_one_run(finished, twin):
    with pytest.raises(BadInput, match=r"^worst: a figure of one run, got 2$"):
        figure.make("worst", [str(finished), str(twin)], [])
