"""The image and its mirror: the mean of their probabilities. Simonyan & Zisserman 2015, arXiv:1409.1556, section 3.2.

log p = log mean over models m and x' in {x, mirror(x)} of softmax(m(x'))
"""

import math

import torch
from torch import Tensor, nn


class Flip(nn.Module):
    """Averages the probabilities of an image and its mirror, over one model or several."""

    def __init__(self, models: list[nn.Module]) -> None:
        super().__init__()
        if not models:
            raise ValueError("flip takes at least one model, got none")
        self.models = nn.ModuleList(models)

    def forward(self, images: Tensor) -> Tensor:
        """B C H W -> logs of probabilities B K, float32 at least."""
        logits = torch.stack([model(view) for model in self.models for view in (images, images.flip(3))])
        # autocast gives half-precision logits, in which the logarithms would be too coarse
        wide = torch.promote_types(logits.dtype, torch.float32)
        return torch.logsumexp(torch.log_softmax(logits, 2, dtype=wide), 0) - math.log(len(logits))
