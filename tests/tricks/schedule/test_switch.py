"""One schedule, then another."""

import math

import pytest

from tricktable.tricks.schedule.switch import Switch


def falling(epoch):
    return 1 - min(epoch, 30) / 30


def cosine(epoch):
    return (1 + math.cos(math.pi * min(epoch, 30) / 30)) / 2


def test_by_the_runs_clock():
    switch = Switch(falling, cosine, total_epochs=30, at=10, stretch=False)
    for i in range(121):
        t = i / 4
        assert switch(t) == (falling(t) if t < 10 else cosine(t))
    assert switch(40) == cosine(30)


def test_each_in_its_part_of_the_run():
    switch = Switch(falling, cosine, total_epochs=30, at=10)
    for i in range(121):
        t = i / 4
        expected = 1 - t / 10 if t < 10 else (1 + math.cos(math.pi * (t - 10) / 20)) / 2
        assert switch(t) == pytest.approx(expected)
    assert switch(40) == switch(30) == pytest.approx(0)


@pytest.mark.parametrize("total", [30, 90, 100])
def test_a_share_that_is_a_whole_epoch_acts_on_its_first_step(total):
    for epoch in range(1, total):
        switch = Switch(lambda t: 1.0, lambda t: 2.0, total_epochs=total, at=epoch / total)
        assert (switch(epoch - 1e-6), switch(epoch)) == (1, 2)


def test_a_step_within_a_part_comes_in_time():
    for at in range(1, 100):
        switch = Switch(falling, lambda t: float(t >= 50), total_epochs=100, at=at)
        middle = at + (100 - at) / 2
        assert (switch(middle - 1e-6), switch(middle)) == (0, 1)


def test_switches_can_be_nested():
    inner = Switch(lambda t: 2.0, lambda t: 3.0, total_epochs=30, at=15)
    switch = Switch(lambda t: 1.0, inner, total_epochs=30, at=10)
    assert [switch(t) for t in (9.9, 10, 19.9, 20)] == [1, 2, 2, 3]


@pytest.mark.parametrize("at", [0.0, -1.0, 30.0, 40.0])
def test_times_outside_the_run_are_refused(at):
    with pytest.raises(ValueError, match="at must be above 0 and less than the run's 30 epochs, got"):
        Switch(falling, cosine, total_epochs=30, at=at)
