"""The counters of batch normalisations that are moved together, against torch's own."""

import copy

import pytest
import torch
from torch import nn

from tricktable.runner.training.counters import Counters
from tricktable.tricks.norm.ghost_batch import GhostBatchNorm


def network(momentum):
    torch.manual_seed(0)
    norms = nn.BatchNorm2d(4, momentum=momentum), nn.BatchNorm2d(4, momentum=momentum)
    return nn.Sequential(nn.Conv2d(3, 4, 3), norms[0], nn.ReLU(), norms[1], norms[1], GhostBatchNorm(4, 2))


@pytest.mark.parametrize("momentum", [0.1, None])
def test_they_end_as_torchs_own_do_to_the_bit(momentum):
    """One of the layers is passed through twice, which is two batches; a norm with its own forward counts for itself."""
    ours = network(momentum)
    theirs = copy.deepcopy(ours)
    counters = Counters(ours)
    assert len(counters.norms) == 2
    for _ in range(3):
        x = torch.randn(4, 3, 6, 6)
        with counters.held():
            y = ours(x)
        assert torch.equal(y, theirs(x))
    found, expected = ours.state_dict(), theirs.state_dict()
    assert found.keys() == expected.keys() and all(torch.equal(found[name], expected[name]) for name in found)
    assert found["1.num_batches_tracked"] == 3 and found["3.num_batches_tracked"] == 6


def test_what_stays_in_evaluation_is_not_counted():
    model = network(0.1)
    model[1].eval()
    with Counters(model).held():
        model(torch.randn(4, 3, 6, 6))
    assert model[1].num_batches_tracked == 0 and model[3].num_batches_tracked == 2


def test_a_plain_mean_goes_on_from_where_it_stood():
    model = network(None)
    model[1].num_batches_tracked.fill_(4)
    before = model[1].running_mean.clone()
    x = torch.randn(4, 3, 6, 6)
    with Counters(model).held():
        model(x)
    torch.testing.assert_close(model[1].running_mean, 0.8 * before + 0.2 * model[0](x).mean((0, 2, 3)))


def test_a_pass_that_is_tried_leaves_the_counters():
    model = network(None)
    with Counters(model).tried(), pytest.raises(RuntimeError):
        model(torch.randn(4, 5, 6, 6))
    with Counters(model).tried():
        model(torch.randn(4, 3, 6, 6))
    assert [int(model[i].num_batches_tracked) for i in (1, 3)] == [0, 0]


def test_a_run_without_a_momentum_trains(make_run):
    """The dry pass of the rehearsal is on the meta device, where a counter has no value to be read."""
    assert make_run("norm=batch", "norm.momentum=null").model is not None
