"""Warm-up, stable, decay: a ramp, a flat rate, a fall at the end. Hu et al. 2024 (MiniCPM), arXiv:2404.06395; Hägele et
al. 2024, arXiv:2405.18392.

    t < W:              factor(t) = t / W
    W <= t < T - D:     factor(t) = 1
    T - D <= t:         factor(t) = end + (1 - end) * f(s),    s = (t - (T - D)) / D
    linear:  f(s) = 1 - s,    1-sqrt:  f(s) = 1 - sqrt(s)

W and D are the lengths of the ramp and of the fall, T the run's epochs.
Differs from the paper: MiniCPM's own fall is exponential, to about a tenth; the shapes are those of Hägele et al.
"""

import math
from typing import Literal


class WSD:
    """A straight ramp from 0, then 1, then a fall to `end`.

    warmup, decay: the lengths of the ramp (0: none) and of the fall in epochs; a number below 1 is a share of the run.
    """

    def __init__(
        self,
        total_epochs: float,
        warmup: float = 0.05,
        decay: float = 0.2,
        shape: Literal["1-sqrt", "linear"] = "1-sqrt",
        end: float = 0.0,
    ) -> None:
        if warmup < 0:
            raise ValueError(f"warmup must be at least 0, got {warmup:g}")
        if decay <= 0:
            raise ValueError(f"decay must be above 0, got {decay:g}")
        self.warmup, length = (round(e * total_epochs, 9) if e < 1 else e for e in (warmup, decay))
        if self.warmup + length > total_epochs:
            took = f"got {self.warmup:g} and {length:g}"
            raise ValueError(f"warmup and decay together must be at most the run's {total_epochs:g} epochs, {took}")
        if end < 0:
            raise ValueError(f"end must be at least 0, got {end:g}")
        self.begin, self.length, self.end = total_epochs - length, length, end
        self.root = shape == "1-sqrt"

    def __call__(self, epoch: float) -> float:
        """The factor at a time in epochs."""
        if epoch < self.warmup:
            return epoch / self.warmup
        share = min(max(epoch - self.begin, 0.0) / self.length, 1.0)
        return self.end + (1 - self.end) * (1 - (math.sqrt(share) if self.root else share))
