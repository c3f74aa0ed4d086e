"""AugMix: each image is mixed with chains of operations on it. Hendrycks et al. 2020, arXiv:1912.02781, algorithm 1.

    x' = m x + (1 - m) sum_i w_i chain_i(x),    w ~ Dirichlet(alpha, ..., alpha) of k parts,    m ~ Beta(alpha, alpha)

A chain is 1 to 3 operations of 9, uniformly drawn; none of them is among the corruptions of CIFAR-10-C. Each has a
strength l ~ U(0.1, severity), which is l / 10 of the largest magnitude: shears 0.3, translations a third of the side,
rotations 30 degrees, posterize keeps 4 - 0.4 l bits, solarize inverts from 256 - 25.6 l on. Directions are drawn. What
is moved is read between pixels, and pixels from outside are black, as in the authors' code, where it stands behind flip
and crop.

Differs from the paper: without the Jensen-Shannon consistency loss, for which each image would have to be in the batch
three times; the paper's ablation has this form too. Algorithm 1's (m, 1 - m) and the authors' (1 - m, m) are one: Beta
is symmetric.
"""

import torch
from torch import Tensor

from tricktable.tricks.augment._operations import applied, codes, in_pixels, magnitudes

RANGES = {
    "autocontrast": (0.0, 0.0),
    "equalize": (0.0, 0.0),
    "posterize": (4.0, 0.0),
    "rotate": (0.0, 30.0),
    "solarize": (256.0, 0.0),
    "shear_x": (0.0, 0.3),
    "shear_y": (0.0, 0.3),
    "translate_x": (0.0, 1 / 3),
    "translate_y": (0.0, 1 / 3),
}
HIGHEST, LEAST, LONGEST = 10, 0.1, 3


class AugMix:
    """Mixes each image with `width` chains of operations on it.

    mean, std: C each, of the training set's pixels in 0..255. severity: the largest strength, of at most 10. width: k,
    chains. depth: operations in each; None draws 1 to 3. alpha: of the distributions of the weights.
    """

    def __init__(
        self,
        mean: Tensor,
        std: Tensor,
        severity: float = 3.0,
        width: int = 3,
        depth: int | None = None,
        alpha: float = 1.0,
    ) -> None:
        if not LEAST <= severity <= HIGHEST:
            raise ValueError(f"severity must lie in [{LEAST}, {HIGHEST}], got {severity:g}")
        if width < 1:
            raise ValueError(f"width must be at least 1, got {width}")
        if depth is not None and depth < 1:
            raise ValueError(f"depth must be at least 1 (null: 1 to {LONGEST}), got {depth}")
        if not alpha > 0:
            raise ValueError(f"alpha must be above 0, got {alpha:g}")
        self.mean, self.std = mean, std
        self.severity, self.width, self.depth, self.alpha = severity, width, depth, alpha

    def sample(self, n: int, rng: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Operations and their magnitudes, n x k x depth each, and weights n x (1 + k) of the image and its chains."""
        shape = n, self.width, self.depth or LONGEST
        drawn = codes(tuple(RANGES))[torch.randint(len(RANGES), shape, generator=rng)]
        if self.depth is None:
            length = 1 + torch.randint(LONGEST, (n, self.width, 1), generator=rng)
            drawn = torch.where(torch.arange(LONGEST) < length, drawn, codes(["identity"]))
        level, sign = torch.rand(2, *shape, generator=rng)
        size = magnitudes(drawn, LEAST + (self.severity - LEAST) * level.double(), HIGHEST, RANGES, sign)
        chains, image = _dirichlet(self.alpha, n, self.width, rng), _dirichlet(self.alpha, n, 2, rng)
        return drawn, size, torch.cat([image[:, :1], image[:, 1:] * chains], 1).float()

    def __call__(self, images: Tensor, targets: Tensor, drawn: tuple[Tensor, Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """B C H W -> B C H W, in the same memory format; targets as they are."""
        operations, share, weights = drawn
        magnitude, weights = in_pixels(operations, share, images), weights.unsqueeze(2).unsqueeze(3).unsqueeze(4)
        mixed = weights[:, 0] * images
        for i in range(self.width):
            chain = operations[:, i], magnitude[:, i], self.mean, self.std, 0.0, True
            mixed += weights[:, 1 + i] * applied(images, *chain)
        return mixed, targets


def _dirichlet(alpha: float, n: int, k: int, rng: torch.Generator) -> Tensor:
    """n draws of Dirichlet(alpha, ...) of k parts, as shares of Gamma(alpha), in logarithms: small alphas underflow.

    Gamma(alpha) is Gamma(alpha + 1) * U^(1 / alpha).
    """
    gamma = torch._standard_gamma(torch.full((n, k), alpha + 1, dtype=torch.float64), generator=rng)
    uniform = torch.rand(n, k, dtype=torch.float64, generator=rng)
    return torch.softmax(gamma.log() + uniform.log() / alpha, 1)
