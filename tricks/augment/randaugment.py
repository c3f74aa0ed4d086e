"""RandAugment: N operations of 14 in a row, all of strength M, for each image. Cubuk et al. 2019, arXiv:1909.13719.

    x' = o_N(... o_1(x)),    o_i ~ U{14 operations, the identity among them}

A magnitude lies on a line from nothing (M = 0) to AutoAugment's largest (M = 10; arXiv:1805.09501, table 6), and on
beyond it: shears 0.3, translations 150/331 of the side, rotations 30 degrees, posterize 4 bits, solarize 0; brightness,
contrast, color and sharpness go from 0.1 over 1 (nothing, M = 5) to 1.9. Directions are drawn. Pixels from outside are
grey, as in the authors' code.

Differs from the authors' code: the operations are the paper's. The code has invert, cutout and a second solarize where
the paper has the identity, and its posterize and solarize (4 M / 10 bits, threshold 256 M / 10) get weaker as M grows.
Degrees and pixels are whole numbers.
"""

import torch
from torch import Tensor

from tricktable.tricks.augment._operations import applied, codes, in_pixels, magnitudes

FACTORS = dict.fromkeys(("brightness", "contrast", "color", "sharpness"), (0.1, 1.9))
RANGES = {
    "identity": (0.0, 0.0),
    "autocontrast": (0.0, 0.0),
    "equalize": (0.0, 0.0),
    "rotate": (0.0, 30.0),
    "solarize": (256.0, 0.0),
    "posterize": (8.0, 4.0),
    "shear_x": (0.0, 0.3),
    "shear_y": (0.0, 0.3),
    "translate_x": (0.0, 150 / 331),
    "translate_y": (0.0, 150 / 331),
    **FACTORS,
}


class RandAugment:
    """Applies `operations` operations of one magnitude to each image; drawn with replacement.

    mean, std: C each, of the training set's pixels in 0..255. operations: N. magnitude: M. highest: the M of
    AutoAugment's largest magnitudes; some other codes count to 30. fill: value of pixels from outside the image, in
    0..255; None is the mean pixel.
    """

    def __init__(
        self,
        mean: Tensor,
        std: Tensor,
        operations: int = 2,
        magnitude: float = 9.0,
        highest: float = 10.0,
        fill: float | None = 128.0,
    ) -> None:
        if operations < 1:
            raise ValueError(f"operations must be at least 1, got {operations}")
        if not magnitude >= 0:
            raise ValueError(f"magnitude must be at least 0, got {magnitude:g}")
        if not highest > 0:
            raise ValueError(f"highest must be above 0, got {highest:g}")
        if fill is not None and not 0 <= fill <= 255:
            raise ValueError(f"fill must lie in [0, 255], got {fill:g}")
        self.mean, self.std, self.fill = mean, std, fill
        self.operations, self.magnitude, self.highest = operations, magnitude, highest

    def sample(self, n: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Operations and their magnitudes, n x N each."""
        drawn = codes(tuple(RANGES))[torch.randint(len(RANGES), (n, self.operations), generator=rng)]
        sign = torch.rand(n, self.operations, generator=rng)
        level = torch.full_like(sign, self.magnitude, dtype=torch.float64)
        return drawn, magnitudes(drawn, level, self.highest, RANGES, sign)

    def __call__(self, images: Tensor, targets: Tensor, drawn: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """B C H W -> B C H W, in the same memory format; targets as they are."""
        magnitude = in_pixels(*drawn, images)
        return applied(images, drawn[0], magnitude, self.mean, self.std, self.fill), targets
