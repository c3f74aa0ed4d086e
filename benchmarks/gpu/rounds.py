"""Two ways in turns, and what is said of their times."""

import statistics
from collections.abc import Callable, Mapping, Sequence

Spread = dict[str, float]


def in_turns(ways: Mapping[str, Callable[[int], float]], rounds: int) -> dict[str, list[float]]:
    """The seconds of each way, which is given the number of the round; round 0 is a warm-up, and not among them."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, way in ways.items():
            took = way(number)
            if number:
                times[name].append(took)
    return times


def spread(times: Sequence[float], per: float) -> Spread:
    """The median, the least and the most, each divided by `per`."""
    found = {"median": statistics.median(times), "least": min(times), "most": max(times)}
    return {name: value / per for name, value in found.items()}


def ratio(over: Sequence[float], under: Sequence[float]) -> Spread:
    """Of the rounds' ratios: what took turns was disturbed alike."""
    return spread([a / b for a, b in zip(over, under, strict=True)], 1.0)


def sizes(images: int, batch: int) -> list[str]:
    """The overrides of so many images a round, with epochs enough that a recording pays."""
    return [f"data.n_train={images}", f"batch_size={batch}", "epochs=1000"]
