"""The size of the training images as a knob: by what it is rounded, and what of it cannot be.

Smaller images first, larger ones later, is progressive resizing (fast.ai at DAWNBench, 2018; Tan and Le 2021,
arXiv:2104.00298, section 4). What is evaluated is always seen at its own size; Touvron et al. 2019, arXiv:1906.06423,
is about what becomes of a network that has trained at another one.
"""

from torch import nn

from tricktable.runner.config.abilities import Strides
from tricktable.runner.errors import BadInput
from tricktable.runner.terminal import warn_once
from tricktable.runner.training.count import dry_pass
from tricktable.runner.training.knobs import Knobs, nearest_side
from tricktable.runner.training.run import Run

UNSAID = 32  # what most networks for ImageNet divide images by, other libraries' too, which do not say it
ROUNDING = 1e-9  # a straight line to 1 may end that much above it


def stride_of(model: nn.Module) -> int:
    """Return the number of pixels that sides are multiples of: the network's total downsampling."""
    return model.stride if isinstance(model, Strides) else UNSAID


def check(knobs: Knobs, epochs: int) -> None:
    """BadInput for a schedule of the size that rises above the images' own, or that could change nothing."""
    if "size" not in knobs.schedules:
        return
    highest = max(knobs.schedules["size"](time) for time, _ in knobs.steps(epochs))
    if highest > 1 + ROUNDING:
        raise BadInput(f"schedule.size: rises to {highest:g} times the images' own size; it is at most 1 of it")
    if knobs.own and all(nearest_side(side, 0, knobs.stride) == side for side in knobs.own):
        height, width = knobs.own
        raise BadInput(
            f"schedule.size: sizes are multiples of {knobs.stride}, by which the network divides images, and those of "
            f"{height}x{width} have no smaller one, so nothing would change"
        )


def rehearse(run: Run) -> None:
    """Pass a blank image of each size that the schedule comes to; BadInput where the network cannot take it."""
    sizes = {shape.size for shape in run.knobs.shapes(run.epochs) if shape.size is not None}
    channels = run.splits.train.shape[0]
    for height, width in sorted(sizes):
        try:
            dry_pass(run.model, (1, channels, height, width), training=False)
        except (RuntimeError, ValueError, AssertionError) as error:  # torchvision's and timm's networks assert
            reason = " ".join(str(error).split())
            raise BadInput(
                f"schedule.size: the network cannot take {channels}x{height}x{width} images ({reason})"
            ) from None


def warn_of_the_end(run: Run) -> None:
    """Warn of a run that ends on smaller images than those that it is evaluated on."""
    last = run.epochs - 1
    start = max(start for start, _ in run.knobs.batches(last))
    size = run.knobs.image_size(last + start / run.knobs.n)
    if size is not None:
        height, width = run.splits.train.shape[1:]
        warn_once(
            f"schedule.size: the last step is on images of {size[0]}x{size[1]}, and evaluation on {height}x{width}; a "
            "schedule that ends at 1 ends at their own size (linear: schedule.size.end=1)"
        )
