"""The inverse of the root of the number of updates. Kingma and Ba 2015 (Adam), arXiv:1412.6980, section 4.

    alpha_t = alpha / sqrt(t),    t = 1, 2, ... the updates:    factor(e) = 1 / sqrt(1 + e / s)

e is the time in epochs and s the timescale. The paper's is one update, B / N epochs of batches of B images out of N;
then e / s = t - 1.
Differs from the paper: s may be longer, and the rate then falls later; it is a function of the images that were seen,
and so of the updates only while the batch keeps its size.
"""

import math


class InverseSqrt:
    """Falls as the inverse of the root of the time, without an end.

    timescale: after so many epochs the factor is 1 / sqrt(2).
    """

    def __init__(self, timescale: float) -> None:
        if not 0 < timescale < math.inf:
            raise ValueError(f"timescale must be above 0 and finite, got {timescale:g}")
        self.timescale = timescale

    def __call__(self, epoch: float) -> float:
        """The factor at a time in epochs."""
        return 1 / math.sqrt(1 + epoch / self.timescale)
