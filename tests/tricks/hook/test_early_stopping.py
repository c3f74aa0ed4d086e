"""Early stopping on sequences of figures, with a model that says after which epoch it was kept."""

from math import inf, isnan, nan
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from tricktable.tricks.hook.early_stopping import EarlyStopping


def train(hook, figures, resume_after=None):
    """Epoch t sets every weight and buffer to t and reports figures[t - 1]; returns the run."""
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    run = SimpleNamespace(model=model, variants={"final": [model]}, stopped=False, epoch=0)
    for epoch, figure in enumerate(figures, 1):
        for tensor in model.state_dict().values():
            tensor.fill_(epoch)
        run.epoch = epoch
        other = "val_loss" if hook.monitor == "val_error" else "val_error"
        hook.on_epoch(run, {"epoch": epoch, hook.monitor: figure, other: -epoch, "test_loss": 0.0, "test_error": 0.0})
        if epoch == resume_after:
            again = EarlyStopping(hook.monitor, hook.patience, hook.min_delta)
            again.load_state_dict(hook.state_dict())
            hook = again
        if run.stopped:
            break
    hook.finish(run)
    return run


def kept(run):
    """The epoch whose weights and buffers are the variant's."""
    (model,) = run.variants["best"]
    (epoch,) = {tensor.unique().item() for tensor in model.state_dict().values()}
    return epoch


@pytest.mark.parametrize("monitor", ["val_error", "val_loss"])
@pytest.mark.parametrize(
    ("figures", "best"),
    [
        ([5, 4, 3, 2, 1], 5),
        ([1, 2, 3, 4, 5], 1),
        ([5, 3, 4, 2, 6], 4),
        ([5, 3, 4, 3, 3], 2),  # the first of equals
        ([nan, 3, nan, 2, nan], 4),
        ([inf, 7, nan], 2),
    ],
)
def test_the_variant_is_the_best_epoch_on_validation(monitor, figures, best):
    run = train(EarlyStopping(monitor, patience=None), figures)
    assert kept(run) == best and not run.stopped and run.epoch == len(figures)


@pytest.mark.parametrize(
    ("patience", "figures", "last"),
    [
        (1, [5, 4, 4, 1], 3),
        (2, [5, 4, 6, 3, 4, 4, 1], 6),
        (3, [5, 4, 6, 3, 4, 4, 1], 7),
        (2, [5, nan, nan, 1], 3),
        (2, [nan, 5, 6, 4, 9], 5),
        (3, [5, 4, 3, 2, 1], 5),
    ],
)
def test_it_stops_after_so_many_epochs_without_an_improvement(patience, figures, last):
    run = train(EarlyStopping(patience=patience), figures)
    assert run.epoch == last
    assert kept(run) == figures.index(min(f for f in figures[:last] if not isnan(f))) + 1


def test_a_smaller_fall_than_min_delta_is_no_improvement():
    figures = [5.0, 4.75, 4.5, 4.25, 1.0]
    assert kept(train(EarlyStopping(patience=2), figures)) == 5
    run = train(EarlyStopping(patience=2, min_delta=0.5), figures)
    assert run.stopped and run.epoch == 3 and kept(run) == 1
    assert kept(train(EarlyStopping(patience=3, min_delta=0.5), figures)) == 5


@pytest.mark.parametrize("epoch", range(1, 7))
def test_a_resumed_run_stops_and_keeps_the_same(epoch):
    figures = [nan, 5, 4, 6, 4, 7, 1]
    whole = train(EarlyStopping(patience=3), figures)
    resumed = train(EarlyStopping(patience=3), figures, resume_after=epoch)
    assert (resumed.epoch, resumed.stopped, kept(resumed)) == (whole.epoch, whole.stopped, kept(whole)) == (6, True, 3)


def test_the_variant_shares_no_memory_with_the_model():
    run = train(EarlyStopping(), [3, 2])
    with torch.no_grad():
        run.model[0].weight.zero_()
    assert kept(run) == 2 and all(p.requires_grad for p in run.variants["best"][0].parameters())


def test_the_state_is_flat_tensors_and_numbers():
    hook = EarlyStopping()
    run = train(hook, [3, 2, 4])
    state = hook.state_dict()
    assert (state.pop("best"), state.pop("epoch")) == (2, 2)
    assert len(state) == len(run.model.state_dict()) and all(isinstance(t, torch.Tensor) for t in state.values())


def test_it_needs_a_validation_split():
    with pytest.raises(ValueError, match=r"^early_stopping needs a validation split: data\.validation=0\.1$"):
        EarlyStopping().begin(SimpleNamespace(splits=SimpleNamespace(validation=None)))
    EarlyStopping().begin(SimpleNamespace(splits=SimpleNamespace(validation=object())))


def test_it_declares_its_variant():
    assert EarlyStopping().variants == {"best": 1}


def test_bad_arguments():
    with pytest.raises(ValueError, match="^monitor must be val_error or val_loss, got test_error$"):
        EarlyStopping("test_error")
    with pytest.raises(ValueError, match="^patience must be at least 1 epoch, or null, got 0$"):
        EarlyStopping(patience=0)
    with pytest.raises(ValueError, match=r"^min_delta must be at least 0, got -0\.1$"):
        EarlyStopping(min_delta=-0.1)
