"""No schedule: the knob stays at its base value.

factor(t) = 1
"""


class Constant:
    """The factor 1 at all times."""

    def __call__(self, epoch: float) -> float:
        """The factor at a time in epochs."""
        return 1.0
