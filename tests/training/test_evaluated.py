"""Runs whose result are other weights than those that train: by an optimizer (Schedule-Free) and by a hook (SWA)."""

import copy

import pytest
import torch

from tricktable.runner.disk.epoch import EpochRow
from tricktable.runner.training.evaluate import FIGURES, evaluate, results
from tricktable.runner.training.summary import weights_sha256
from tricktable.runner.training.train import train

FREE = ("optimizer=schedule_free_sgd", "optimizer.lr=0.5", "schedule.lr=warmup", "model.width=4")
SWA = ("hook=[swa]", "hook.swa.start=2", "hook.swa.c=2", "schedule.lr=constant", "model.width=4")


def rows_of(run, edge=lambda: None):
    return list(train(run, edge))


def result_of(run):
    """A model at the optimizer's own weights, made beside the run's."""
    model, weights = copy.deepcopy(run.model), run.optimizer.evaluation_weights()
    with torch.no_grad():
        for p, q in zip(run.model.parameters(), model.parameters(), strict=True):
            q.copy_(weights[p])
    run.recompute_statistics(model)
    return model


@pytest.mark.parametrize("optimizer", ["schedule_free_sgd", "schedule_free_adamw"])
def test_every_epochs_figures_are_of_the_average_with_statistics_of_its_own(make_run, optimizer):
    run = make_run(*FREE[2:], f"optimizer={optimizer}", "optimizer.lr=0.05", "data.validation=30", "epochs=2")
    for row in train(run, lambda: None):
        model = result_of(run)
        assert row.test_loss == evaluate(run, model, run.splits.test)[0]
        assert row.val_loss == evaluate(run, model, run.splits.validation)[0]
        assert row.test_loss != evaluate(run, copy.deepcopy(run.model), run.splits.test)[0]
    run.finish()
    (final,) = results(run, row)
    assert {key: getattr(final, key) for key in FIGURES} == {key: getattr(row, key) for key in FIGURES}
    assert weights_sha256(run.evaluated.state_dict()) == weights_sha256(result_of(run).state_dict())


def test_other_optimizers_evaluate_the_model_that_trains(make_run):
    run = make_run("epochs=1", "model.width=4")
    rows_of(run)
    assert run.evaluated is run.model and not any(name.startswith("evaluated") for name in run.state()[0])


def test_evaluation_does_not_touch_the_model_that_trains(make_run):
    run, other = make_run(*FREE), make_run(*FREE)
    rows_of(run)
    other.update_evaluated = lambda edge: None  # never evaluated at x
    rows_of(other)
    for a, b in zip(run.model.state_dict().values(), other.model.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_the_best_epoch_keeps_what_was_evaluated(make_run):
    run = make_run(
        *FREE, "hook=[early_stopping]", "hook.early_stopping.monitor=val_loss", "data.validation=0.2", "epochs=4"
    )
    rows = rows_of(run)
    run.finish()
    best = min(rows, key=lambda row: row.val_loss)
    (model,) = run.variants["best"]
    assert evaluate(run, model, run.splits.validation)[0] == best.val_loss
    assert evaluate(run, model, run.splits.test)[0] == best.test_loss


def at_each_edge(make_run, overrides, whole):
    """Stop at each edge of the last epoch, those of its evaluation included; go on from the state that was saved."""
    edges = []
    rows = rows_of(whole, lambda: edges.append(whole.clock.epoch))
    whole.finish()
    figures = results(whole, rows[-1])
    for stop in range(edges.index(whole.epochs - 1), len(edges)):
        first, second = make_run(*overrides), make_run(*overrides)
        calls = []

        def edge(first=first, stop=stop, calls=calls):
            calls.append(None)
            if len(calls) == stop + 1:
                raise InterruptedError

        with pytest.raises(InterruptedError):
            rows_of(first, edge)
        tensors, plain = first.state()
        second.load({k: v.clone() for k, v in tensors.items()}, plain)
        (last,) = rows_of(second)
        second.finish()
        assert results(second, last) == figures
        (a, plain_a), (b, plain_b) = whole.state(), second.state()
        assert plain_a == plain_b and a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


@pytest.mark.parametrize("overrides", [FREE, SWA, (*FREE, *SWA[:3])], ids=["schedule_free", "swa", "both"])
def test_a_run_resumes_with_the_same_bits_from_every_edge(make_run, overrides):
    overrides = [*overrides, "epochs=2", "augment=[crop]"]
    at_each_edge(make_run, overrides, make_run(*overrides))


def test_swa_is_the_mean_of_the_weights_over_a_hundred_steps(make_run):
    run = make_run(*SWA, "epochs=5", "batch_size=3", "optimizer.lr=0.01")
    taken = []
    for row in train(run, lambda: None):
        taken += [[p.detach().double().clone() for p in run.model.parameters()]] if row.epoch in (2, 4) else []
    assert run.clock.updates == 100
    run.finish()
    (model,) = run.variants["swa"]
    for p, *each in zip(model.parameters(), *taken, strict=True):
        torch.testing.assert_close(p.detach().double(), sum(each) / 2, rtol=1e-5, atol=1e-7)
    again = copy.deepcopy(model)
    run.recompute_statistics(again)
    last = run.model.state_dict()
    for name, buffer in model.named_buffers():
        assert torch.equal(buffer, again.get_buffer(name))
        assert name.endswith("num_batches_tracked") or not torch.equal(buffer, last[name])
    assert run.variants["final"] == [run.model]


def test_a_finished_run_is_read_again_without_another_pass(make_run):
    run, again = make_run(*SWA, "epochs=2"), make_run(*SWA, "epochs=2", "batch_size=5")
    last = rows_of(run)[-1]
    run.finish()
    figures = results(run, EpochRow.of(last.plain()))
    again.recompute_statistics = None
    again.load_models(*run.state())
    again.finish()
    assert results(again, None) == figures
