"""Divergence: what is looked at, and the update that is named."""

import math
from dataclasses import replace

import pytest
import torch

from tricktable.runner.disk.epoch import EpochRow
from tricktable.runner.training.divergence import Divergence, divergence_of

ROW = EpochRow(epoch=1, train_loss=1.0, test_loss=2.0)


@pytest.fixture
def run(make_run):
    """A run after 6 updates, 3 of them in the open epoch."""
    run = make_run()
    run.clock.updates = 6
    return run


def add(run, *losses):
    for loss in losses:
        run.sums.add(torch.tensor(loss), torch.tensor(1), 2)


def spoil(run):
    next(run.model.parameters()).data.view(-1)[0] = math.inf


def test_all_that_is_finite_is_no_divergence(run):
    assert divergence_of(run, weights=True) is None  # before the epoch's first step
    add(run, 1.0, 2.0, 3.0)
    assert divergence_of(run, ROW, weights=True) is None


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(("losses", "update"), [(("bad", 1.0, 1.0), 4), ((1.0, "bad", 1.0), 5), ((1.0, 1.0, "bad"), 6)])
def test_the_first_bad_loss_of_the_epoch_is_named_by_its_update(run, losses, update, bad):
    add(run, *(bad if loss == "bad" else loss for loss in losses))
    assert divergence_of(run) == Divergence(update, "the loss")


@pytest.mark.parametrize("part", ["train", "val", "test"])
def test_a_bad_figure_of_the_epoch_stands_for_its_last_update(run, part):
    add(run, 1.0, 1.0, 1.0)
    assert divergence_of(run, replace(ROW, **{f"{part}_loss": math.nan})) == Divergence(6, "the loss")


def test_a_bad_weight_counts_where_it_is_asked_for(run):
    add(run, 1.0)
    spoil(run)
    assert divergence_of(run, ROW) is None
    assert divergence_of(run, ROW, weights=True) == Divergence(6, "a weight")


def test_a_bad_loss_comes_before_what_follows_from_it(run):
    add(run, 1.0, math.nan, 1.0)
    spoil(run)
    assert divergence_of(run, replace(ROW, test_loss=math.nan), weights=True) == Divergence(5, "the loss")


def test_it_is_said_in_one_line():
    assert str(Divergence(7, "a weight")) == "diverged at update 7: a weight is not finite"
