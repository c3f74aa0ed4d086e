"""Gradual warm-up, then another schedule. Goyal et al. 2017, arXiv:1706.02677, section 2.2.

    factor(t) = start + (peak - start) * t / epochs   for t < epochs,    then(t) after,    peak = then(epochs)
    stretch:  then((t - epochs) * T / (T - epochs)) after,  peak = then(0),  T the run's epochs

stretch is how He et al. 2019 (Bag of Tricks, arXiv:1812.01187) count: their cosine begins where the ramp ends.
"""

from collections.abc import Callable


class Warmup:
    """A straight ramp over the first `epochs`, up to where `then` takes over.

    start: the factor at time 0. then: the schedule after the ramp. stretch: whether `then` runs from its own beginning
    to its end in what the ramp leaves, or by the run's clock.
    """

    def __init__(
        self,
        then: Callable[[float], float],
        total_epochs: float,
        epochs: float = 5.0,
        start: float = 0.0,
        stretch: bool = False,
    ) -> None:
        if not 0 < epochs < total_epochs:
            raise ValueError(f"epochs must be above 0 and less than the run's {total_epochs:g}, got {epochs:g}")
        if start < 0:
            raise ValueError(f"start must be at least 0, got {start:g}")
        self.then, self.epochs, self.start = then, epochs, start
        self.offset = epochs if stretch else 0.0
        self.speed = total_epochs / (total_epochs - epochs) if stretch else 1.0

    def __call__(self, epoch: float) -> float:
        """The factor at a time in epochs."""
        after = self.then((max(epoch, self.epochs) - self.offset) * self.speed)
        if epoch >= self.epochs:
            return after
        return self.start + (after - self.start) * epoch / self.epochs
