"""Multi-crop: an image, two shifts by a pixel, and the mirrors of these: a weighted mean of logits. Jordan 2024,
arXiv:2404.00498.

    z(x) = (m(x) + m(mirror(x))) / 2,    logits = 1/2 z(x) + 1/4 z(x shifted by (s, s)) + 1/4 z(x shifted by (-s, -s))

What a shift uncovers is the reflection of what lies beside it. Several models: the mean of theirs.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class MultiCrop(nn.Module):
    """Averages the logits of six views, over one model or several.

    shift: s, in pixels down and right, and up and left; the paper has 1.
    """

    def __init__(self, models: list[nn.Module], shift: int = 1) -> None:
        super().__init__()
        if not models:
            raise ValueError("multi_crop takes at least one model, got none")
        if shift < 1:
            raise ValueError(f"shift must be at least 1 pixel, got {shift}")
        self.models, self.shift = nn.ModuleList(models), shift

    def forward(self, images: Tensor) -> Tensor:
        """B C H W -> logits B K, float32 at least."""
        height, width = images.shape[2:]
        if self.shift >= min(height, width):
            raise ValueError(f"shift must be less than the images' {min(height, width)} pixels, got {self.shift}")
        padded = F.pad(images, (self.shift,) * 4, mode="reflect")
        end = 2 * self.shift
        shifted = [padded[:, :, :height, :width], padded[:, :, end : end + height, end : end + width]]
        return self._mirrored(images) / 2 + sum(self._mirrored(view) for view in shifted) / 4

    def _mirrored(self, images: Tensor) -> Tensor:
        """The mean over models of an image's logits and its mirror's."""
        logits = torch.stack([model(view) for model in self.models for view in (images, images.flip(3))])
        # autocast gives half-precision logits, in which the mean would be too coarse
        return logits.to(torch.promote_types(logits.dtype, torch.float32)).mean(0)
