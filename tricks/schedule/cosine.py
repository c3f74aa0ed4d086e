"""Half a cosine from 1 to `end` over the run. Loshchilov & Hutter 2017, SGDR, arXiv:1608.03983, without restarts.

factor(t) = end + (1 - end) * (1 + cos(pi t / T)) / 2,    T the run's epochs
"""

import math


class Cosine:
    """Falls from 1 to `end`, slowly at both ends. end: the factor at the end of the run."""

    def __init__(self, total_epochs: float, end: float = 0.0) -> None:
        if end < 0:
            raise ValueError(f"end must be at least 0, got {end:g}")
        self.total_epochs, self.end = total_epochs, end

    def __call__(self, epoch: float) -> float:
        """The factor at a time in epochs."""
        share = min(epoch / self.total_epochs, 1.0)
        return self.end + (1 - self.end) * (1 + math.cos(math.pi * share)) / 2
