"""A batch that is taken in parts, to the same update as the whole: gradient accumulation, and several processes."""

import itertools
import math

from torch import nn

from tricktable.runner.config.abilities import InParts, JointStatistics


def parts_of(images: int, size: int | None) -> list[tuple[int, int]]:
    """Return the (start, stop) of a batch's parts of `size` images; one part where there is no size.

    A single image that is left over joins the part before it: where a channel has one pixel it would have no variance,
    and a normalisation over parts of a batch joins it in the same way when it sees the whole.
    """
    if size is None:
        return [(0, images)]
    starts = list(range(0, images, size))
    if size > 1 and len(starts) > 1 and images % size == 1:
        starts.pop()
    return list(zip(starts, [*starts[1:], images], strict=True))


def shares_of(images: int, processes: int, together: int = 1) -> list[tuple[int, int]]:
    """Return the (start, stop) of the shares of a batch that so many processes have, as even as can be.

    `together` images stay together, so that there may be fewer shares than processes. A single image that is left over
    joins what is before it, as in `parts_of`.
    """
    pieces = parts_of(images, together) if together > 1 else [(i, i + 1) for i in range(images)]
    shares = min(processes, len(pieces))
    cuts = [len(pieces) * i // shares for i in range(shares + 1)]
    return [(pieces[a][0], pieces[b - 1][1]) for a, b in itertools.pairwise(cuts)]


def batch_parts(images: int, size: int | None, processes: int, together: int = 1) -> list[tuple[int, int]]:
    """Return the parts of a batch, of which each process takes every so many-th: micro-batches, or a share for each."""
    return shares_of(images, processes, together) if size is None else parts_of(images, size)


def together_in(model: nn.Module) -> int:
    """Return how many images the shares of a batch are to be multiples of, for the normalisations that train."""
    joint = [m for m in model.modules() if isinstance(m, JointStatistics) and m.training]
    return math.lcm(*(m.images_together or 1 for m in joint))


def announce(model: nn.Module, start: int, stop: int, of: int) -> None:
    """Tell the modules that act once a batch which part of it comes next."""
    for module in model.modules():
        if isinstance(module, InParts):
            module.part(start, stop, of)
