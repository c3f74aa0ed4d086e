"""The sums of an epoch: what is added, in which order they are saved, and that what is not finite stays so."""

import math

import pytest
import torch

from tricktable.runner.training.sums import EpochSums, Totals


@pytest.fixture
def sums():
    return EpochSums(torch.device("cpu"))


ONE, NONE = torch.tensor(1), torch.tensor(0)  # wrong answers


def test_a_batch_is_added_by_its_images(sums):
    sums.add(torch.tensor(0.5), ONE, 3)
    assert sums.read() == Totals(loss=1.5, wrong=1, images=3, finite=1, steps=1)
    sums.add(torch.tensor(2.0), NONE, 1)
    totals = sums.read()
    assert totals == Totals(loss=3.5, wrong=1, images=4, finite=2, steps=2)
    assert (totals.mean_loss, totals.error) == (0.875, 25.0)


def test_they_are_one_tensor_in_the_order_in_which_checkpoints_have_them(sums):
    sums.add(torch.tensor(0.5), ONE, 3)
    assert sums.tensor.dtype == torch.float64
    assert sums.tensor.tolist() == [1.5, 1, 3, 1, 1]


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_after_a_loss_that_is_not_finite_no_step_counts_as_finite(sums, bad):
    for loss in (1.0, bad, 1.0, 1.0):
        sums.add(torch.tensor(loss), ONE, 3)
    totals = sums.read()
    assert (totals.finite, totals.steps, totals.images) == (1, 4, 12) and not math.isfinite(totals.loss)


def test_a_new_epoch_begins_at_zero_in_the_same_tensor(sums):
    tensor = sums.tensor
    sums.add(torch.tensor(math.nan), ONE, 3)
    sums.zero()
    assert sums.read() == Totals(0, 0, 0, 0, 0) and sums.tensor is tensor


def test_a_checkpoint_of_five_numbers_called_sums_is_read_back(make_run):
    """What checkpoints have held since they are made."""
    run, other = make_run(), make_run()
    run.sums.add(torch.tensor(0.5), ONE, 3)
    tensors, plain = run.state()
    assert tensors["sums"].tolist() == [1.5, 1, 3, 1, 1]
    other.load({**tensors, "sums": torch.tensor([9.0, 2, 6, 2, 2], dtype=torch.float64)}, plain)
    assert other.sums.read() == Totals(loss=9, wrong=2, images=6, finite=2, steps=2)
