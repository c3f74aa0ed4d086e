"""Random crop of the padded image, at the image's own size. He et al. 2016, arXiv:1512.03385, section 4.2.

x'[i, j] = padded[i + top, j + left],    top, left ~ U{0, ..., 2 pad}
"""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F


class Crop:
    """Shifts each image by up to `pad` pixels in both directions.

    mean, std: C each, of the training set's pixels in 0..255. pad: pixels added on each side. mode: constant fills with
    one colour; reflect mirrors the image without repeating its border. fill: that colour, the mean pixel, which is 0 in
    normalised images, or black, as code that crops before it normalises has it: (0 - mean) / std.
    """

    def __init__(
        self,
        mean: Tensor,
        std: Tensor,
        pad: int = 4,
        mode: Literal["constant", "reflect"] = "constant",
        fill: Literal["mean", "black"] = "mean",
    ) -> None:
        if pad < 0:
            raise ValueError(f"pad must be at least 0 pixels, got {pad}")
        if fill == "black" and mode == "reflect":
            raise ValueError("fill is mode=constant's, for reflect fills with the image itself; got black")
        self.pad, self.mode = pad, mode
        self.black = -mean / std if fill == "black" else None

    def sample(self, n: int, rng: torch.Generator) -> Tensor:
        """n x 2 uniforms: vertical and horizontal position of the crop."""
        return torch.rand(n, 2, generator=rng)

    def __call__(self, images: Tensor, targets: Tensor, drawn: Tensor) -> tuple[Tensor, Tensor]:
        """B C H W -> B C H W, in the same memory format; targets as they are."""
        height, width = images.shape[2:]
        if self.pad >= min(height, width):
            raise ValueError(f"pad must be less than the images' {min(height, width)} pixels, got {self.pad}")
        padded = F.pad(images, (self.pad,) * 4, mode=self.mode)
        if self.black is not None:
            within = F.pad(images.new_ones((1, 1, height, width)), (self.pad,) * 4) > 0
            padded = torch.where(within, padded, self.black.to(images.dtype).view(-1, 1, 1))
        # Every crop there is, as a view: B C (2 pad + 1) (2 pad + 1) H W. One gather then takes each image's own.
        crops = padded.unfold(2, height, 1).unfold(3, width, 1)
        top, left = (drawn * (2 * self.pad + 1)).long().unbind(1)
        return crops[torch.arange(len(images), device=images.device), :, top, left], targets
