"""Snapshots at the ends of the cycles, on a stand-in for a run that moves its weights step by step."""

import math
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from tricktable.tricks.hook.snapshots import Snapshots
from tricktable.tricks.schedule.cosine_restarts import CosineRestarts


class Run:
    """`steps` steps per epoch of equal length; with `dropped`, images after the last step that no step sees."""

    def __init__(self, epochs, steps, dropped=0):
        torch.manual_seed(0)
        self.model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
        self.epochs, self.steps, self.n = epochs, steps, 10 * steps + dropped
        self.variants = {"final": [self.model]}
        self.clock = SimpleNamespace(epoch=0, position=0)
        self.knobs = SimpleNamespace(updates=lambda epochs: epochs * steps)
        self.history = []  # the model's tensors after each step

    @property
    def time(self):
        return self.clock.epoch + self.clock.position / self.n

    def train(self, hook, until=None, resume=None):
        """Up to a number of steps; `resume` is asked for the hook to go on with before each step."""
        while self.clock.epoch < self.epochs:
            while self.clock.position < 10 * self.steps:
                if len(self.history) == until:
                    return
                hook = resume(hook) if resume else hook
                with torch.no_grad():
                    for p in self.model.parameters():
                        p.add_(1)
                    self.model(torch.randn(4, 1, 5, 5, generator=torch.Generator().manual_seed(len(self.history))))
                self.history.append({k: v.clone() for k, v in self.model.state_dict().items()})
                self.clock.position += 10
                hook.on_step(self)
            hook.on_epoch(self, {})
            self.clock.epoch, self.clock.position = self.clock.epoch + 1, 0
        hook.finish(self)

    def taken(self):
        """The numbers of the steps after which the snapshots were taken, weights and buffers alike."""
        return [self._step(model.state_dict()) for model in self.variants["snapshots"]]

    def _step(self, state):
        same = [all(torch.equal(state[k], past[k]) for k in past) for past in self.history]
        return same.index(True) + 1


@pytest.mark.parametrize(
    ("epochs", "steps", "cycles", "expected"),
    [
        (6, 4, 3, [8, 16, 24]),
        (2, 6, 4, [3, 6, 9, 12]),
        (2, 5, 3, [4, 7, 10]),  # ends at 3.33 and 6.67 steps
        (7, 9, 7, [9, 18, 27, 36, 45, 54, 63]),
        (3, 1, 1, [3]),
        (2, 3, 6, [1, 2, 3, 4, 5, 6]),
        (1, 10, 10, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),  # 0.3 / 0.1 is below 3 in floating point
    ],
)
def test_a_snapshot_is_the_model_after_the_step_in_which_a_cycle_ends(epochs, steps, cycles, expected):
    run = Run(epochs, steps)
    run.train(Snapshots(float(epochs), cycles))
    assert run.taken() == expected


@pytest.mark.parametrize(
    ("epochs", "steps", "cycles", "ratio", "expected"),
    [
        (15, 2, 4, 2.0, [2, 6, 14, 30]),  # cycles of 1, 2, 4 and 8 epochs
        (2, 15, 4, 2.0, [2, 6, 14, 30]),  # the same, in shares of an epoch
        (13, 3, 3, 3.0, [3, 12, 39]),  # 1, 3 and 9
        (1, 10, 2, 1.5, [4, 10]),  # the first of them is 0.4 epochs
        (2, 5, 3, 2.0, [2, 5, 10]),  # ends at 1.43 and 4.29 steps
    ],
)
def test_each_cycle_is_t_mult_times_the_one_before(epochs, steps, cycles, ratio, expected):
    run = Run(epochs, steps)
    run.train(Snapshots(float(epochs), cycles, T_mult=ratio))
    assert run.taken() == expected


def test_the_papers_cycles_end_where_its_schedule_restarts():
    """Loshchilov & Hutter 2017: T_0 = 10 and T_mult = 2; of the ends 10, 30, 70 and 150 the last three are kept."""
    run = Run(150, 1)
    run.train(Snapshots(150.0, 4, last=3, T_mult=2.0))
    assert run.taken() == [30, 70, 150]
    schedule = CosineRestarts(150.0, cycles=4, T_mult=2.0)
    assert [t for t in range(1, 150) if schedule(float(t)) == 1] == [10, 30, 70]


def test_equal_cycles_end_as_without_the_argument():
    for epochs, steps, cycles in ((6, 4, 3), (2, 5, 3), (7, 9, 7)):
        plain, ratio = Run(epochs, steps), Run(epochs, steps)
        plain.train(Snapshots(float(epochs), cycles))
        ratio.train(Snapshots(float(epochs), cycles, T_mult=1.0))
        assert plain.taken() == ratio.taken() == [math.ceil(k * epochs * steps / cycles) for k in range(1, cycles + 1)]


def test_a_cycle_ends_with_its_epoch_where_the_last_images_are_left_out():
    run = Run(4, 3, dropped=5)
    run.train(Snapshots(4.0, 2))
    assert run.taken() == [6, 12]


def test_only_the_last_are_kept():
    run, hook = Run(6, 2), Snapshots(6.0, 6, last=2)
    run.train(hook)
    assert run.taken() == [10, 12] and hook.variants == {"snapshots": 2}
    assert Snapshots(6.0, 6).variants == {"snapshots": 6}


@pytest.mark.parametrize("stop", [4, 8, 11, 13])
def test_a_resumed_run_of_unequal_cycles_has_the_same_snapshots(stop):
    def resume(hook):
        if len(run.history) != stop:
            return hook
        again = Snapshots(7.0, 3, last=2, T_mult=2.0)
        again.load_state_dict(hook.state_dict())
        return again

    run = Run(7, 4)
    run.train(Snapshots(7.0, 3, last=2, T_mult=2.0), resume=resume)
    assert run.taken() == [12, 28]


@pytest.mark.parametrize("stop", [5, 8, 9, 17])
def test_a_resumed_run_has_the_same_snapshots(stop):
    def resume(hook):
        if len(run.history) != stop:
            return hook
        again = Snapshots(6.0, 3, last=2)
        again.load_state_dict(hook.state_dict())
        return again

    run = Run(6, 4)
    run.train(Snapshots(6.0, 3, last=2), resume=resume)
    assert run.taken() == [16, 24]


@pytest.mark.parametrize(("stopped", "expected"), [(3, [3]), (9, [8]), (17, [8, 16])])
def test_a_run_that_is_stopped_early_has_what_it_came_to(stopped, expected):
    run, hook = Run(6, 4), Snapshots(6.0, 3)
    run.train(hook, until=stopped)
    hook.finish(run)
    assert run.taken() == expected


def test_snapshots_share_no_memory_with_the_model():
    run = Run(2, 2)
    run.train(Snapshots(2.0, 2))
    with torch.no_grad():
        run.model[0].weight.fill_(torch.nan)
    assert run.taken() == [2, 4]
    assert all(p.requires_grad for model in run.variants["snapshots"] for p in model.parameters())


def test_the_state_is_flat_tensors_and_numbers():
    run, hook = Run(6, 4), Snapshots(6.0, 3)
    run.train(hook, until=17)
    state = hook.state_dict()
    assert state.pop("ended") == 2
    assert len(state) == 2 * len(run.model.state_dict()) and all(isinstance(t, torch.Tensor) for t in state.values())


def test_a_run_needs_a_step_a_cycle():
    Snapshots(2.0, 6).begin(Run(2, 3))
    with pytest.raises(ValueError, match="^cycles must be at most 6, the run's steps, got 7$"):
        Snapshots(2.0, 7).begin(Run(2, 3))
    Snapshots(15.0, 4, T_mult=2.0).begin(Run(15, 1))
    with pytest.raises(ValueError, match="^cycles must be so few that the first has one of the run's 14 steps, got 4 "):
        Snapshots(14.0, 4, T_mult=2.0).begin(Run(14, 1))


def test_bad_arguments():
    with pytest.raises(ValueError, match="^cycles must be at least 1, got 0$"):
        Snapshots(6.0, 0)
    for last in (0, 4):
        with pytest.raises(ValueError, match=rf"^last must lie in 1\.\.3, the number of cycles, got {last}$"):
            Snapshots(6.0, 3, last)
    with pytest.raises(ValueError, match=r"^T_mult must be at least 1, got 0\.5$"):
        Snapshots(6.0, 3, T_mult=0.5)
