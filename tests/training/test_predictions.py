"""What is predicted of each image: top-5 error, confusion and losses as scikit-learn and plain loops have them."""

import math

import pytest
import torch
from sklearn.metrics import confusion_matrix, top_k_accuracy_score

from tests.conftest import TINY
from tricktable.runner.config.compose import compose
from tricktable.runner.disk import runs
from tricktable.runner.training import evaluate, job
from tricktable.runner.training.predictions import Collector
from tricktable.runner.training.train import train


def collected(logits, labels, batch=7):
    collector = Collector()
    for start in range(0, len(labels), batch):
        collector.add(logits[start : start + batch], labels[start : start + batch])
    return collector.read()


@pytest.fixture
def drawn():
    rng = torch.Generator().manual_seed(3)
    return 2 * torch.randn(60, 9, generator=rng), torch.randint(9, (60,), generator=rng)


def test_top5_error_and_confusion_are_scikit_learns(drawn):
    logits, labels = drawn
    found = collected(logits, labels)
    right = top_k_accuracy_score(labels.numpy(), logits.numpy(), k=5, labels=range(9))
    assert found.top5_error == pytest.approx(100 * (1 - right)) and 10 < found.top5_error < 90
    expected = confusion_matrix(labels.numpy(), logits.argmax(1).numpy(), labels=range(9))
    assert found.confusion().tolist() == expected.tolist()
    assert int(found.right.sum()) == int(expected.diagonal().sum())


def test_losses_and_probabilities_are_the_definitions(drawn):
    logits, labels = drawn
    found = collected(logits, labels)
    for i, (row, label) in enumerate(zip(logits.double().tolist(), labels.tolist(), strict=True)):
        total = sum(math.exp(value) for value in row)
        order = sorted(range(9), key=lambda c: -row[c])[:5]
        assert found.likeliest[i].tolist() == order
        assert found.probabilities[i].tolist() == pytest.approx([math.exp(row[c]) / total for c in order], rel=1e-5)
        assert float(found.losses[i]) == pytest.approx(-math.log(math.exp(row[label]) / total), rel=1e-5, abs=1e-6)
    worst = sorted(range(60), key=lambda i: (-float(found.losses[i]), i))[:8]
    assert found.worst(8).tolist() == worst


def test_of_equal_outputs_the_first_classes_are_taken_and_a_loss_that_is_no_number_leads():
    logits = torch.zeros(3, 7)
    logits[1] = math.nan
    found = collected(logits, torch.tensor([4, 0, 5]))
    assert found.likeliest[0].tolist() == [0, 1, 2, 3, 4] and found.worst(1).tolist() == [1]
    assert found.top5_error == pytest.approx(100 / 3), "the last label alone is not among the first five"


@pytest.mark.parametrize("k", [2, 5])
def test_of_five_classes_or_fewer_there_is_no_top5_error(k):
    found = collected(torch.eye(k), torch.arange(k))
    assert found.top5_error is None and found.likeliest.shape == (k, k)


def test_a_runs_results_have_it_and_their_other_figures_stay(make_run):
    run = make_run("hook=[ema]", "inference=[plain,flip]", "epochs=2")
    *_, last = train(run, lambda: None)
    run.finish()
    test = run.splits.test
    for result in evaluate.results(run, last):
        (model,) = run.variants[result.variant]
        module = dict(evaluate.taking(run, [model]))[result.inference]
        loss, error = evaluate.evaluate(run, module, test)
        assert (result.test_loss, result.test_error) == (loss, error)
        with torch.no_grad():
            logits = module.eval()(run.prepare(test.images))
        hits = sum(label in row.topk(5).indices for row, label in zip(logits, test.labels, strict=True))
        assert result.test_top5_error == pytest.approx(100 * (1 - hits / test.n))


def test_a_finished_run_keeps_its_counts_by_class_and_its_worst_images(tmp_path):
    summary = job.execute(compose([*TINY, f"output.root={tmp_path}"]))
    stored = runs.at(tmp_path / summary.study / summary.id)
    kept = stored.predicted
    assert sum(kept.images) == summary.data.test and len(kept.images) == summary.data.classes
    assert 100 * (1 - sum(kept.right) / sum(kept.images)) == pytest.approx(summary.figure("test_error"))
    losses = [each.loss for each in kept.worst]
    assert len(losses) == 24 and losses == sorted(losses, reverse=True)
    assert all(each.picture().startswith(b"\x89PNG") for each in kept.worst)
    assert 0 <= summary.figure("test_top5_error") <= summary.figure("test_error")
