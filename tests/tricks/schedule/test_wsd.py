"""The warmup-stable-decay schedule against its three pieces."""

import math

import pytest

from tricktable.tricks.schedule.wsd import WSD


@pytest.mark.parametrize("shape", ["1-sqrt", "linear"])
@pytest.mark.parametrize("end", [0.0, 0.1])
def test_the_three_pieces(shape, end):
    wsd = WSD(total_epochs=100, warmup=5, decay=20, shape=shape, end=end)
    for i in range(401):
        t = i / 4
        if t < 5:
            expected = t / 5
        elif t < 80:
            expected = 1.0
        else:
            fall = math.sqrt((t - 80) / 20) if shape == "1-sqrt" else (t - 80) / 20
            expected = end + (1 - end) * (1 - fall)
        assert wsd(t) == pytest.approx(expected)


def test_lengths_below_one_are_shares_of_the_run():
    shares, epochs = WSD(30, warmup=0.1, decay=0.2), WSD(30, warmup=3, decay=6)
    assert [shares(i / 7) for i in range(211)] == [epochs(i / 7) for i in range(211)]


def test_without_a_ramp_it_begins_at_1():
    assert WSD(10, warmup=0.0)(0.0) == 1


def test_it_stays_at_its_end():
    assert WSD(10, end=0.25)(12.0) == 0.25


def test_a_ramp_and_a_fall_alone_fill_the_run():
    wsd = WSD(10, warmup=0.5, decay=0.5, shape="linear")
    assert [wsd(t) for t in (0, 2.5, 5, 7.5, 10)] == pytest.approx([0, 0.5, 1, 0.5, 0])


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"warmup": -1.0}, "warmup must be at least 0, got -1"),
        ({"decay": 0.0}, "decay must be above 0, got 0"),
        ({"warmup": 6, "decay": 5}, "warmup and decay together must be at most the run's 10 epochs, got 6 and 5"),
        ({"end": -0.1}, "end must be at least 0, got -0.1"),
    ],
)
def test_out_of_range(arguments, line):
    with pytest.raises(ValueError, match=f"^{line}$"):
        WSD(10, **arguments)
