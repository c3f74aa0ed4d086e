"""A crop of random area and ratio of its sides, resized. Szegedy et al. 2014, arXiv:1409.4842, section 6.

    h = sqrt(a H W / r),  w = sqrt(a H W r),    a ~ U[scale],  log r ~ U[log ratio],    its place uniform in the picture

The first of ten draws that lies within the picture counts; where none does, the largest centred crop of an allowed
ratio. The crop is resized to the image's own size, by a triangle (bilinear) or Keys's cubic with a = -1/2 (bicubic),
as wide as what it shrinks needs; nothing outside the crop is read.

Differs from the paper: the ratio is drawn by its logarithm, as torchvision does; and the interpolation is one, where
the paper draws it. Images that are on the device are cropped as they are stored there; of those that are decoded while
training the whole picture is cropped, before it is resized.
"""

import math
from typing import Literal

import torch
from torch import Tensor

TRIES = 10


class RandomResizedCrop:
    """Crops a share of the area of each image, and resizes it to the image's size.

    scale: least and largest share of the area. ratio: least and largest width by height. interpolation: of resizing.
    square: crops lie in the central square, and scale is of its area. With scale (224/256)^2 and ratio 1 they are those
    of Krizhevsky et al. 2012, section 4.1: short side 256, centre cropped, and 224 x 224 pixels anywhere in that.
    """

    def __init__(
        self,
        scale: list[float] = [0.08, 1.0],  # noqa: B006  # read only
        ratio: list[float] = [3 / 4, 4 / 3],  # noqa: B006
        interpolation: Literal["bilinear", "bicubic"] = "bilinear",
        square: bool = False,
    ) -> None:
        if len(scale) != 2 or not 0 < scale[0] <= scale[1] <= 1:
            raise ValueError(f"scale must be two shares of the area in (0, 1], the least first, got {scale}")
        if len(ratio) != 2 or not 0 < ratio[0] <= ratio[1]:
            raise ValueError(f"ratio must be two ratios above 0 of width to height, the least first, got {ratio}")
        self.scale, self.ratio, self.interpolation, self.square = tuple(scale), tuple(ratio), interpolation, square

    def sample(self, n: int, rng: torch.Generator) -> Tensor:
        """n x 22 uniforms: area and ratio of each try, then the crop's vertical and horizontal position."""
        return torch.rand(n, 2 * TRIES + 2, generator=rng)

    def boxes(self, height: int, width: int, drawn: Tensor) -> Tensor:
        """The crops of pictures of this height and width: n x 22 -> int64 n x 4, top, left, height and width."""
        down, right = 0, 0
        if self.square:
            side = min(height, width)
            down, right, height, width = (height - side) // 2, (width - side) // 2, side, side
        top, left, h, w = self._within(height, width, drawn)
        return torch.stack((top + down, left + right, h, w), 1)

    def _within(self, height: int, width: int, drawn: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """As `boxes`, of a region of this height and width: top, left, height and width, int64 n each."""
        area, ratio = drawn[:, : 2 * TRIES].double().view(-1, TRIES, 2).unbind(2)
        target = height * width * (self.scale[0] + (self.scale[1] - self.scale[0]) * area)
        low, high = (math.log(r) for r in self.ratio)
        aspect = (low + (high - low) * ratio).exp()
        h, w = (target / aspect).sqrt().round(), (target * aspect).sqrt().round()
        inside = (h > 0) & (h <= height) & (w > 0) & (w <= width)
        first = inside.int().argmax(1, keepdim=True)
        largest = _largest(height, width, *self.ratio)
        found = inside.any(1)
        h, w = (
            torch.where(found, side.gather(1, first).squeeze(1), whole).long()
            for side, whole in zip((h, w), largest, strict=True)
        )
        down, right = drawn[:, 2 * TRIES :].double().unbind(1)
        top = torch.where(found, (down * (height - h + 1)).long(), (height - h) // 2)
        left = torch.where(found, (right * (width - w + 1)).long(), (width - w) // 2)
        return top, left, h, w

    def __call__(self, images: Tensor, targets: Tensor, drawn: Tensor) -> tuple[Tensor, Tensor]:
        """B C H W -> B C H W, in the same memory format; targets as they are."""
        height, width = images.shape[2:]
        top, left, h, w = self.boxes(height, width, drawn).unbind(1)
        rows = _weights(top, h, height, self.interpolation).to(images.dtype)
        columns = _weights(left, w, width, self.interpolation).to(images.dtype)
        out = rows.unsqueeze(1) @ images @ columns.transpose(1, 2).unsqueeze(1)
        return torch.empty_like(images).copy_(out), targets


def _largest(height: int, width: int, low: float, high: float) -> tuple[float, float]:
    """Height and width of the largest crop whose width by height lies in [low, high]."""
    return min(height, round(width / low)), min(width, round(height * high))


def _weights(start: Tensor, length: Tensor, size: int, interpolation: str) -> Tensor:
    """What each pixel of a side adds to each pixel of the resized crop: int64 B and B -> float32 B x size x size."""
    pixels = torch.arange(size, device=start.device, dtype=torch.float64)
    start, length = start.double().view(-1, 1, 1), length.double().view(-1, 1, 1)
    step = length / size  # pixels of the crop for each of its resized self
    centre = start + (pixels.view(-1, 1) + 0.5) * step
    distance = (pixels + 0.5 - centre).abs() / step.clamp(min=1)
    weight = (1 - distance).clamp(min=0) if interpolation == "bilinear" else _cubic(distance)
    weight = weight * ((pixels >= start) & (pixels < start + length))
    return (weight / weight.sum(2, keepdim=True)).float()


def _cubic(distance: Tensor) -> Tensor:
    """Keys's kernel with a = -1/2."""
    near = (1.5 * distance - 2.5) * distance**2 + 1
    far = ((-0.5 * distance + 2.5) * distance - 4) * distance + 2
    return torch.where(distance < 1, near, torch.where(distance < 2, far, 0.0))
