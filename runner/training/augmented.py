"""The augmentations over a pass through the training set.

Each trick's choices for the whole pass are one table, of which a batch reads its rows (docs/design.md, «Randomness»).
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional as F

from tricktable.runner import randomness
from tricktable.runner.config.abilities import ImageSample, PictureCrop, having
from tricktable.runner.config.places import Augment
from tricktable.runner.data.draw import Crop

if TYPE_CHECKING:
    from tricktable.runner.training.run import Run


def begin(run: "Run", order: Tensor, epoch: int, *purpose: int | str) -> tuple[dict[str, Any], Crop | None]:
    """Draw a pass's tables, and what it crops out of pictures as they are decoded, whose table is not among them."""
    device, rest = run.compute.device, dict(run.augment)
    crop = None
    for name, trick in having(run.augment, PictureCrop) if run.splits.train.streamed else ():
        del rest[name]
        cpu = torch.device("cpu")
        drawn = tables({name: run.augment[name]}, order, epoch, *purpose, seed=run.seed, device=cpu)
        crop = Crop(trick.boxes, drawn[name], trick.interpolation)
    return tables(rest, order, epoch, *purpose, seed=run.seed, device=device), crop


def tables(
    augment: Mapping[str, Augment], order: Tensor, epoch: int, *purpose: int | str, seed: int, device: torch.device
) -> dict[str, Any]:
    """Draw every augmentation's table on the device, for a pass over the images in this order.

    `purpose` sets the draws of a pass that is no epoch of the training apart. What follows an image through the epochs
    (`ImageSample`) follows it here too.
    """
    drawn = {}
    for name, trick in augment.items():
        if isinstance(trick, ImageSample):
            table = trick.sample_images(order, randomness.generator(seed, "augment", name), epoch)
        else:
            at = purpose or (epoch,)
            table = trick.sample(len(order), randomness.generator(seed, "augment", name, *at))
        drawn[name] = _each(lambda t: t.to(device, non_blocking=True), table)
    return drawn


def rows(drawn: dict[str, Any], start: int, stop: int) -> dict[str, Any]:
    """Return the rows of a batch, of every table."""
    return {name: _each(lambda t: t[start:stop], table) for name, table in drawn.items()}


def copied(drawn: dict[str, Any]) -> dict[str, Any]:
    """Return every table in memory of its own."""
    return {name: _each(torch.clone, table) for name, table in drawn.items()}


def batch(
    run: "Run", images: Tensor, labels: Tensor, drawn: dict[str, Any], size: tuple[int, int] | None = None
) -> tuple[Tensor, Tensor]:
    """Turn uint8 B C H W and int64 B into what the network sees and is told, B C H W and B x K, by the batch's rows.

    A trick that has no rows has acted already, as the images were decoded. size: the height and width in pixels to
    which the images are resized at the end; None leaves them as they are.
    """
    x, y = run.prepare(images), run.splits.one_hot.index_select(0, labels)
    for name, table in drawn.items():  # in the list's order
        x, y = run.augment[name](x, y, table)
    return (x if size is None else resized(x, size, run.compute.memory_format)), y


def resized(x: Tensor, size: tuple[int, int], memory_format: torch.memory_format) -> Tensor:
    """Resize images B C H W to a height and width by antialiased bilinear interpolation."""
    small = F.interpolate(x, size=size, mode="bilinear", align_corners=False, antialias=True)
    return small.contiguous(memory_format=memory_format)


def _each(change: Callable[[Tensor], Tensor], drawn: Any) -> Any:
    """Change a table, which is a tensor or a tuple of them."""
    return tuple(map(change, drawn)) if isinstance(drawn, tuple) else change(drawn)
