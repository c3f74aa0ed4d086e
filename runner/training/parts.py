"""Gradient accumulation: a batch that is taken in parts, to the same update as the whole."""

from torch import nn

from tricktable.runner.config.abilities import InParts


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


def announce(model: nn.Module, start: int, stop: int, of: int) -> None:
    """Tell the modules that act once a batch which part of it comes next."""
    for module in model.modules():
        if isinstance(module, InParts):
            module.part(start, stop, of)
