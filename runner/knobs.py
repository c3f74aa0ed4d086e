"""The knobs over a run: base value times schedule, at a time in epochs. Pure arithmetic, so nothing of it is saved."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Knobs:
    """`base` holds lr, batch_size and what else the optimizer has; `schedules` a factor for some of them.

    n: images of the training set (N); drop_last: whether an epoch's last batch is left out when it is smaller.
    """

    base: Mapping[str, float]
    schedules: Mapping[str, Callable[[float], float]]
    n: int
    drop_last: bool = False

    def at(self, epoch: float) -> dict[str, float]:
        """Every knob's value at a time in epochs; the batch size is a whole number of images, at least 1."""
        values = {k: v * self.schedules[k](epoch) if k in self.schedules else v for k, v in self.base.items()}
        values["batch_size"] = max(1, round(values["batch_size"]))
        return values

    def batches(self, epoch: int, position: int = 0) -> Iterator[tuple[int, int]]:
        """The epoch's batches from a position on, as (start, stop) in its order.

        The size is read before each batch at epoch + position/N, because it may change within an epoch.
        """
        while position < self.n:
            size = int(self.at(epoch + position / self.n)["batch_size"])
            stop = min(position + size, self.n)
            if stop - position < size and self.drop_last:
                return
            yield position, stop
            position = stop

    def updates(self, epochs: int) -> int:
        """The number of steps in a run of so many epochs."""
        if "batch_size" not in self.schedules:
            return epochs * sum(1 for _ in self.batches(0))
        return sum(1 for epoch in range(epochs) for _ in self.batches(epoch))

    def largest_batch(self, epochs: int) -> int:
        """The largest batch size that the schedule asks for."""
        if "batch_size" not in self.schedules:
            return int(self.at(0)["batch_size"])
        times = (e + start / self.n for e in range(epochs) for start, _ in self.batches(e))
        return max(int(self.at(t)["batch_size"]) for t in times)
