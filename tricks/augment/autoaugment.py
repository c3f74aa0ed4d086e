"""AutoAugment: one of 25 pairs of operations, found on CIFAR-10, for each image. Cubuk et al. 2018, arXiv:1805.09501.

    x' = o_2(o_1(x)),    (o_1, o_2) ~ U{25 sub-policies of table 7};    o_i is left out with the probability 1 - p_i

A magnitude l of 0..10 is, as in the authors' code, l / 10 of the largest one: shears 0.3, translations 10 of 32 pixels,
rotations 30 degrees, posterize keeps 4 - 0.4 l bits, solarize inverts from 256 - 25.6 l on, and brightness, contrast,
color and sharpness are 0.1 + 0.18 l, each rounded towards l = 0 where it is a whole number. Directions are drawn.

Differs from the authors' code: translations are shares of the side on images of another size, and pixels from outside
are the mean at once; there they are black for the second operation, and become the mean after it if it
keeps their mask. The code has 95 sub-policies, of which the paper prints these. Crop, flip and cutout follow.
"""

import torch
from torch import Tensor

from tricktable.tricks.augment._operations import applied, codes, in_pixels, magnitudes

FACTORS = dict.fromkeys(("brightness", "contrast", "color", "sharpness"), (0.1, 1.9))
RANGES = {
    "rotate": (0.0, 30.0),
    "solarize": (256.0, 0.0),
    "posterize": (4.0, 0.0),
    "shear_x": (0.0, 0.3),
    "shear_y": (0.0, 0.3),
    "translate_x": (0.0, 10 / 32),
    "translate_y": (0.0, 10 / 32),
    **FACTORS,
}
HIGHEST = 10
POLICY = (  # each: two operations, with their probabilities and magnitudes
    (("invert", 0.1, 7), ("contrast", 0.2, 6)),
    (("rotate", 0.7, 2), ("translate_x", 0.3, 9)),
    (("sharpness", 0.8, 1), ("sharpness", 0.9, 3)),
    (("shear_y", 0.5, 8), ("translate_y", 0.7, 9)),
    (("autocontrast", 0.5, 8), ("equalize", 0.9, 2)),
    (("shear_y", 0.2, 7), ("posterize", 0.3, 7)),
    (("color", 0.4, 3), ("brightness", 0.6, 7)),
    (("sharpness", 0.3, 9), ("brightness", 0.7, 9)),
    (("equalize", 0.6, 5), ("equalize", 0.5, 1)),
    (("contrast", 0.6, 7), ("sharpness", 0.6, 5)),
    (("color", 0.7, 7), ("translate_x", 0.5, 8)),
    (("equalize", 0.3, 7), ("autocontrast", 0.4, 8)),
    (("translate_y", 0.4, 3), ("sharpness", 0.2, 6)),
    (("brightness", 0.9, 6), ("color", 0.2, 8)),
    (("solarize", 0.5, 2), ("invert", 0.0, 3)),
    (("equalize", 0.2, 0), ("autocontrast", 0.6, 0)),
    (("equalize", 0.2, 8), ("equalize", 0.6, 4)),
    (("color", 0.9, 9), ("equalize", 0.6, 6)),
    (("autocontrast", 0.8, 4), ("solarize", 0.2, 8)),
    (("brightness", 0.1, 3), ("color", 0.7, 0)),
    (("solarize", 0.4, 5), ("autocontrast", 0.9, 3)),
    (("translate_y", 0.9, 9), ("translate_y", 0.7, 9)),
    (("autocontrast", 0.9, 2), ("solarize", 0.8, 3)),
    (("equalize", 0.8, 8), ("invert", 0.1, 3)),
    (("translate_y", 0.7, 9), ("autocontrast", 0.9, 1)),
)


class AutoAugment:
    """Applies the policy that was found on CIFAR-10.

    mean, std: C each, of the training set's pixels in 0..255. fill: value of pixels from outside the image, in 0..255;
    None is the mean pixel.
    """

    def __init__(self, mean: Tensor, std: Tensor, fill: float | None = None) -> None:
        if fill is not None and not 0 <= fill <= 255:
            raise ValueError(f"fill must lie in [0, 255], got {fill:g}")
        self.mean, self.std, self.fill = mean, std, fill

    def sample(self, n: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Operations and their magnitudes, n x 2 each; the identity where one is left out."""
        steps = [step for pair in POLICY for step in pair]
        row = torch.randint(len(POLICY), (n,), generator=rng)
        operation, probability, level = (
            column.view(len(POLICY), 2)[row]
            for column in (
                codes([name for name, _, _ in steps]),
                torch.tensor([p for _, p, _ in steps]),
                torch.tensor([level for _, _, level in steps]),
            )
        )
        whether, sign = torch.rand(2, n, 2, generator=rng)
        drawn = torch.where(whether < probability, operation, codes(["identity"]))
        return drawn, magnitudes(drawn, level, HIGHEST, RANGES, sign)

    def __call__(self, images: Tensor, targets: Tensor, drawn: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """B C H W -> B C H W, in the same memory format; targets as they are."""
        magnitude = in_pixels(*drawn, images)
        return applied(images, drawn[0], magnitude, self.mean, self.std, self.fill), targets
