"""1cycle: up, down, and far below in what is left of the run. Smith 2018, arXiv:1803.09820.

    factor runs from base at 0 to 1 at stepsize, to base at 2 stepsize, to end at T, the run's epochs

in straight lines, or half cosines. The knob's base value is max_lr, reached at stepsize; base = min_lr / max_lr. The
momentum moves the other way: base and end 0.95 / 0.85 on a momentum of 0.85. Super-convergence (Smith & Topin 2018,
arXiv:1708.07120) is this policy with a large max_lr.

Differs from torch's OneCycleLR (three_phase), whose last step has the value of the end: of a run of n steps it gives
the cycle n - 1, and the peak of a share p of the run is its step p n - 1. Here the end is after the last step, and the
peak at p n, one step later.
"""

import math
from itertools import pairwise
from typing import Literal


class OneCycle:
    """One triangle, then the annihilation of the rate.

    stepsize: epochs of the way up, and of the way down, less than half of the run; a number below 1 is a share of the
    run. base: the factor before and after the cycle; above 1 the cycle goes the other way. end: the factor at the end
    of the run. anneal: the shape of the three ways.
    """

    def __init__(
        self,
        total_epochs: float,
        stepsize: float = 0.45,
        base: float = 0.1,
        end: float = 1e-4,
        anneal: Literal["linear", "cosine"] = "linear",
    ) -> None:
        half = round(stepsize * total_epochs, 9) if stepsize < 1 else stepsize
        if not 0 < half < total_epochs / 2:
            raise ValueError(
                f"stepsize must be above 0 and less than half of the run's {total_epochs:g} epochs, got {stepsize:g}"
            )
        if base < 0:
            raise ValueError(f"base must be at least 0, got {base:g}")
        if end < 0:
            raise ValueError(f"end must be at least 0, got {end:g}")
        self.points = [(0.0, base), (half, 1.0), (2 * half, base), (total_epochs, end)]
        self.cosine = anneal == "cosine"

    def __call__(self, epoch: float) -> float:
        """The factor at a time in epochs."""
        for (begin, before), (stop, after) in pairwise(self.points):
            if epoch < stop:
                share = (epoch - begin) / (stop - begin)
                if self.cosine:
                    share = (1 - math.cos(math.pi * share)) / 2
                return (1 - share) * before + share * after
        return self.points[-1][1]
