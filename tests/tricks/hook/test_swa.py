"""Stochastic weight averaging against the mean of the weights that it takes, on a stand-in for a run."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from tricktable.runner.errors import BadInput
from tricktable.tricks.hook.swa import SWA


def start():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3))

    def recompute(model):
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.fill_(model[0].weight.sum())

    return SimpleNamespace(model=model, variants={"final": [model]}, recompute_statistics=recompute)


def train(hook, epochs, resume_after=None):
    """Epoch t sets every parameter to t^2 times its first value; returns the run and the weights of each epoch."""
    run, seen = start(), {}
    first = [p.detach().clone() for p in run.model.parameters()]
    for epoch in range(1, epochs + 1):
        with torch.no_grad():
            for p, value in zip(run.model.parameters(), first, strict=True):
                p.copy_(epoch**2 * value)
        seen[epoch] = [p.detach().double().numpy().copy() for p in run.model.parameters()]
        hook.on_epoch(run, {"epoch": epoch})
        if epoch == resume_after:
            saved = {k: v.clone() if isinstance(v, torch.Tensor) else v for k, v in hook.state_dict().items()}
            hook = SWA(12.0, hook.start, hook.c)
            hook.load_state_dict(saved)
    hook.finish(run)
    return run, seen


@pytest.mark.parametrize(
    ("begin", "c", "taken"),
    [
        (0.75, 1, [9, 10, 11, 12]),
        (9, 1, [9, 10, 11, 12]),
        (0.7, 1, [9, 10, 11, 12]),  # 8.4 epochs, of which a whole epoch is the ninth
        (3, 4, [3, 7, 11]),
        (1.0, 5, [1, 6, 11]),
        (12, 1, [12]),
    ],
)
@pytest.mark.parametrize("resume_after", [None, 2, 9, 12])
def test_the_mean_of_the_weights_at_the_ends_of_the_cycles(begin, c, taken, resume_after):
    run, seen = train(SWA(12.0, begin, c), 12, resume_after)
    (model,) = run.variants["swa"]
    for i, p in enumerate(model.parameters()):
        expected = sum(seen[epoch][i] for epoch in taken) / len(taken)
        np.testing.assert_allclose(p.detach().numpy(), expected, rtol=1e-5, atol=1e-6)
    assert model is not run.model and run.variants["final"] == [run.model]


def test_the_statistics_are_the_averaged_weights_own():
    run, _ = train(SWA(12.0, 3, 4), 12)
    (model,) = run.variants["swa"]
    torch.testing.assert_close(model[1].running_mean, model[0].weight.detach().sum().expand(3))
    assert torch.equal(run.model[1].running_mean, torch.zeros(3))


def test_a_finished_run_has_them_in_its_state():
    run, hook = start(), SWA(2.0, 1)
    hook.on_epoch(run, {"epoch": 1})
    hook.finish(run)
    (model,) = run.variants["swa"]
    again = SWA(2.0, 1)
    again.load_state_dict(hook.state_dict())
    other = start()
    other.recompute_statistics = None  # a pass would be an error
    again.finish(other)
    for a, b in zip(model.state_dict().values(), other.variants["swa"][0].state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_a_run_that_is_stopped_before_gives_its_final_weights():
    run, seen = train(SWA(12.0), 8)
    (model,) = run.variants["swa"]
    assert all(np.array_equal(p.detach().numpy(), w) for p, w in zip(model.parameters(), seen[8], strict=True))
    assert torch.equal(model[1].running_mean, torch.zeros(3))


def test_the_model_and_the_mean_share_no_memory():
    run, hook = start(), SWA(1.0)
    hook.on_epoch(run, {"epoch": 1})
    hook.finish(run)
    kept = run.variants["swa"][0][0].weight.detach().clone()
    with torch.no_grad():
        run.model[0].weight.fill_(torch.nan)
    assert torch.equal(run.variants["swa"][0][0].weight, kept) and torch.equal(hook.average["0.weight"], kept)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"start": 0.0}, "start must be above 0, got 0"),
        ({"start": 13}, "start must be at most the run's 12 epochs, got 13"),
        ({"c": 0}, "c must be at least 1 epoch, got 0"),
    ],
)
def test_out_of_range(arguments, line):
    with pytest.raises(ValueError, match=f"^{line}$"):
        SWA(12.0, **arguments)


def test_a_start_after_the_end_is_one_line(make_run):
    with pytest.raises(BadInput, match=r"^hook\.swa: start must be at most the run's 3 epochs, got 4$"):
        make_run("hook=[swa]", "hook.swa.start=4")
