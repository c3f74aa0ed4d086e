"""TrivialAugment: one operation of 14, of a drawn strength, for each image. Müller & Hutter 2021, arXiv:2103.10158.

    x' = o(x; m),    o ~ U{14 operations, the identity among them},    m ~ U{0, ..., 30}

m / 30 is the place between nothing and the largest magnitude of the paper's wide space: shears 0.99, translations 32
pixels, rotations 135 degrees, posterize 2 bits, solarize 0; brightness, contrast, color and sharpness from 0.01 to 2.
Directions are drawn. Magnitudes are rounded, and pixels from outside are black, as in the authors' code.
There it stands before crop and flip.
"""

import torch
from torch import Tensor

from tricktable.tricks.augment._operations import applied, codes, magnitudes

FACTORS = dict.fromkeys(("brightness", "contrast", "color", "sharpness"), (0.01, 2.0))
RANGES = {
    "identity": (0.0, 0.0),
    "autocontrast": (0.0, 0.0),
    "equalize": (0.0, 0.0),
    "rotate": (0.0, 135.0),
    "solarize": (256.0, 0.0),
    "posterize": (8.0, 2.0),
    "shear_x": (0.0, 0.99),
    "shear_y": (0.0, 0.99),
    "translate_x": (0.0, 32.0),
    "translate_y": (0.0, 32.0),
    **FACTORS,
}


class TrivialAugment:
    """Applies one operation to each image.

    mean, std: C each, of the training set's pixels in 0..255. strengths: how many there are, from nothing to the
    largest. fill: value of pixels from outside the image, in 0..255; None is the mean pixel.
    """

    def __init__(self, mean: Tensor, std: Tensor, strengths: int = 31, fill: float | None = 0.0) -> None:
        if strengths < 2:
            raise ValueError(f"strengths must be at least 2, got {strengths}")
        if fill is not None and not 0 <= fill <= 255:
            raise ValueError(f"fill must lie in [0, 255], got {fill:g}")
        self.mean, self.std, self.strengths, self.fill = mean, std, strengths, fill

    def sample(self, n: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Operations and their magnitudes, n x 1 each."""
        drawn = codes(tuple(RANGES))[torch.randint(len(RANGES), (n, 1), generator=rng)]
        level = torch.randint(self.strengths, (n, 1), generator=rng)
        return drawn, magnitudes(drawn, level, self.strengths - 1, RANGES, torch.rand(n, 1, generator=rng))

    def __call__(self, images: Tensor, targets: Tensor, drawn: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """B C H W -> B C H W, in the same memory format; targets as they are."""
        return applied(images, *drawn, self.mean, self.std, self.fill), targets
