"""Running averages recomputed by a pass over the training set, against the batches that the pass shows the network."""

import copy

import pytest
import torch
from torch import nn

from tricktable.runner.training.train import train

SMALL = ("model.width=4", "epochs=2")


def norms(model):
    return {name: m for name, m in model.named_modules() if isinstance(m, nn.BatchNorm2d)}


def watched(model):
    """Record what a model and each of its normalisations is given in a forward pass."""
    seen = {"": [], **{name: [] for name in norms(model)}}
    for name, module in {"": model, **norms(model)}.items():
        module.register_forward_pre_hook(lambda _, inputs, name=name: seen[name].append(inputs[0].detach().clone()))
    return seen


def trained(run):
    list(train(run, lambda: None))
    return run


def test_they_are_the_plain_mean_over_the_batches(make_run):
    run = trained(make_run(*SMALL, "augment=[flip]"))
    model = copy.deepcopy(run.model)
    seen = watched(model)
    run.recompute_statistics(model)
    assert len(seen[""]) == 4 and norms(model)
    for name, module in norms(model).items():
        batches = [x.double().transpose(0, 1).flatten(1) for x in seen[name]]
        mean = torch.stack([x.mean(1) for x in batches]).mean(0)
        var = torch.stack([x.var(1, correction=1) for x in batches]).mean(0)
        torch.testing.assert_close(module.running_mean.double(), mean, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(module.running_var.double(), var, rtol=1e-4, atol=1e-5)


def test_the_pass_shows_each_training_image_once(make_run):
    run = make_run(*SMALL)
    model = copy.deepcopy(run.model)
    seen = watched(model)
    run.recompute_statistics(model)
    shown, own = torch.cat(seen[""]).flatten(1), run.prepare(run.splits.train.images).flatten(1)
    assert torch.equal(shown.sort(0).values, own.sort(0).values) and not torch.equal(shown, own)


def test_the_batches_are_the_last_epochs_and_augmented(make_run):
    run = make_run(
        *SMALL, "batch_size=10", "schedule.batch_size=multistep", "schedule.batch_size.at=[1]",
        "schedule.batch_size.factor=3", "augment=[cutout]", "augment.cutout.length=4",
    )  # fmt: skip
    for expected in ([10] * 6, [10] * 6, [30, 30]):  # before the first step, after the first epoch, after the second
        model = copy.deepcopy(run.model)
        seen = watched(model)
        run.recompute_statistics(model)
        assert [len(x) for x in seen[""]] == expected
        next(iter(train(run, lambda: None)), None)
    assert (run.prepare(run.splits.train.images) != 0).all(), "so that 0 is what was cut out"
    assert (seen[""][0] == 0).double().mean() > 0.1


def test_a_pass_is_the_same_again_and_leaves_everything_else(make_run):
    run = trained(make_run(*SMALL, "augment=[crop]", "residual=stochastic_depth"))
    before, momenta = copy.deepcopy(run.model), [m.momentum for m in norms(run.model).values()]
    run.model.eval()
    run.model.head.train()
    modes = [module.training for module in run.model.modules()]
    passes = []
    for _ in range(2):
        torch.rand(7)  # the default generator stands elsewhere
        run.recompute_statistics(run.model)
        passes.append({k: v.clone() for k, v in run.model.state_dict().items()})
    assert all(torch.equal(passes[0][k], passes[1][k]) for k in passes[0])
    assert all(torch.equal(a, b) for a, b in zip(before.parameters(), run.model.parameters(), strict=True))
    assert [module.training for module in run.model.modules()] == modes
    assert [m.momentum for m in norms(run.model).values()] == momenta == [0.1] * len(momenta)


def test_a_pass_between_steps_does_not_move_the_training(make_run):
    overrides = [*SMALL, "augment=[crop,mixup]", "residual=stochastic_depth"]
    run, other = make_run(*overrides), make_run(*overrides)
    list(train(run, lambda: None))
    list(train(other, lambda: other.recompute_statistics(copy.deepcopy(other.model))))
    for a, b in zip(run.model.state_dict().values(), other.model.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_without_running_averages_there_is_no_pass(make_run):
    run = make_run(*SMALL, "norm=group", "norm.group_size=2")
    seen = watched(run.model)
    run.recompute_statistics(run.model)
    assert not seen[""]


def test_micro_batches_are_respected_and_told(make_run):
    class Told(nn.Identity):
        def __init__(self):
            super().__init__()
            self.parts = []

        def part(self, start, stop, of):
            self.parts.append((start, stop, of))

    run = make_run(*SMALL, "norm=ghost_batch", "norm.ghost_batch_size=4", "micro_batch=8", "batch_size=20")
    model = nn.Sequential(copy.deepcopy(run.model), Told())
    seen = watched(model)
    run.recompute_statistics(model)
    assert [len(x) for x in seen[""]] == [8, 8, 4] * 3
    assert model[1].parts == [(0, 8, 20), (8, 16, 20), (16, 20, 20)] * 3


def test_the_edge_is_called_after_each_batch_and_may_stop_the_pass(make_run):
    run = make_run(*SMALL)
    calls = []

    def edge():
        calls.append(None)
        if len(calls) == 3:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        run.recompute_statistics(run.model, edge)
    assert all(m.momentum == 0.1 for m in norms(run.model).values())
