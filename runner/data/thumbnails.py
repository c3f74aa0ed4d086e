"""Images of a split as small pictures, for pages and files that people look at."""

import io
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from tricktable.runner.data.draw import Split


def pixels(split: Split, rows: Sequence[int]) -> list[Any]:
    """Images of a split by their places, as they are evaluated: arrays uint8 H W, or H W 3 in colour.

    They are stretched as `stretch` says. Of another number of channels than three the first is shown.
    """
    if not rows:
        return []
    ((images, _),) = split.draw([(0, len(rows))], torch.tensor(rows))
    images = images.cpu()
    images = (images.float() * stretch(int(images.max()))).round().to(torch.uint8)
    shown: Tensor = images.permute(0, 2, 3, 1) if images.shape[1] == 3 else images[:, 0]
    return list(shown.numpy())


def stretch(peak: int) -> float:
    """What pixels are multiplied by so that they are seen.

    A set that uses less than half of the 256 levels (digits has 17) is stretched until its brightest pixel, `peak`, is
    white; any other stays.
    """
    return 255 / peak if 0 < peak < 128 else 1.0


def png(image: Any, side: int) -> bytes:
    """Pixels uint8 H W or H W 3 as a PNG whose longer side is at most `side`."""
    from PIL import Image  # a run of small images needs it at its end alone

    picture = Image.fromarray(image)
    picture.thumbnail((side, side))
    data = io.BytesIO()
    picture.save(data, format="PNG", optimize=True)
    return data.getvalue()
