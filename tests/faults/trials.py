"""How often a fault is tried: a few times with every test, and as often as the catalogue says with `make test-faults`."""

import pytest


def several(short, full, parts=1):
    """Values of a parameter: range of trial numbers; the full one in so many parts, marked."""
    step = -(-full // parts)
    whole = [range(begin, min(begin + step, full)) for begin in range(0, full, step)]
    marked = [pytest.param(each, marks=pytest.mark.faults, id=f"{each.start}-{each.stop - 1}") for each in whole]
    return [*([pytest.param(range(short), id="short")] if short else []), *marked]
