"""Gradual warm-up against the papers' values."""

import math

import pytest

from tricktable.tricks.schedule.warmup import Warmup


def constant(epoch):
    return 1.0


def step(epoch):
    return 0.1 ** sum(epoch >= at for at in (30, 60, 80))


def cosine(total):
    return lambda epoch: 0.5 * (1 + math.cos(math.pi * epoch / total))


def test_goyals_values_for_a_batch_of_8192():
    warmup = Warmup(step, total_epochs=90, epochs=5, start=0.1 / 3.2)
    lr = {0: 0.1, 1: 0.72, 2.5: 1.65, 5: 3.2, 29.9: 3.2, 30: 0.32, 60: 0.032, 80: 0.0032}
    for epoch, value in lr.items():
        assert 3.2 * warmup(epoch) == pytest.approx(value)


def test_the_ramp_is_straight_from_start_to_what_follows():
    warmup = Warmup(cosine(20), total_epochs=20, epochs=4, start=0.25)
    for i in range(17):
        assert warmup(i / 4) == pytest.approx(0.25 + (cosine(20)(4) - 0.25) * i / 16)
    assert [warmup(t) for t in (4, 11, 20)] == [cosine(20)(t) for t in (4, 11, 20)]


def test_stretch_counts_as_he_2019():
    warmup = Warmup(cosine(120), total_epochs=120, epochs=5, stretch=True)
    assert [warmup(t) for t in (0, 2.5)] == pytest.approx([0, 0.5])
    for t in (5, 6, 50, 100, 120):
        assert warmup(t) == pytest.approx(0.5 * (1 + math.cos(math.pi * (t - 5) / 115)))


@pytest.mark.parametrize("stretch", [False, True])
def test_there_is_no_jump_where_the_ramp_ends(stretch):
    warmup = Warmup(cosine(10), total_epochs=10, epochs=3, stretch=stretch)
    assert warmup(3 - 1e-9) == pytest.approx(warmup(3), abs=1e-8)


def test_warmups_can_be_nested():
    inner = Warmup(constant, total_epochs=10, epochs=4)
    assert Warmup(inner, total_epochs=10, epochs=2)(1) == pytest.approx(0.25)


@pytest.mark.parametrize("epochs", [0.0, -1.0, 10.0, 12.0])
def test_a_ramp_outside_the_run_is_refused(epochs):
    with pytest.raises(ValueError, match="epochs must be above 0 and less than the run's 10, got"):
        Warmup(constant, total_epochs=10, epochs=epochs)


def test_a_negative_start_is_refused():
    with pytest.raises(ValueError, match="start must be at least 0, got -1"):
        Warmup(constant, total_epochs=10, start=-1.0)


def test_a_constant_warmup_holds_the_base_rate_and_jumps():
    warmup = Warmup(step, total_epochs=90, epochs=5, start=0.1 / 3.2, mode="constant")
    for epoch, value in {0: 0.1, 2.5: 0.1, 4.999: 0.1, 5: 3.2, 29.9: 3.2, 30: 0.32, 80: 0.0032}.items():
        assert 3.2 * warmup(epoch) == pytest.approx(value)


@pytest.mark.parametrize("mode", ["gradual", "constant"])
def test_a_length_below_one_is_a_share_of_the_run(mode):
    warmup = Warmup(constant, total_epochs=30, epochs=0.1, start=0.5, mode=mode)
    assert warmup(3 - 1e-3) == pytest.approx(1 - 0.5e-3 / 3 if mode == "gradual" else 0.5)
    assert warmup(3) == warmup(31) == 1


def test_a_step_after_a_stretched_warmup_comes_in_time():
    for epochs in range(1, 100):
        warmup = Warmup(lambda t: float(t >= 50), total_epochs=100, epochs=epochs, stretch=True)
        middle = epochs + (100 - epochs) / 2
        assert (warmup(middle - 1e-6), warmup(middle)) == (0, 1)


def test_a_constant_warmup_at_zero_is_refused():
    with pytest.raises(ValueError, match="start must be above 0 where mode is constant, got 0"):
        Warmup(constant, total_epochs=10, mode="constant")
