"""What an epoch adds up over its batches: on the device, and as numbers when it is read."""

import math
from dataclasses import dataclass, fields

import torch
from torch import Tensor


@dataclass(frozen=True)
class Totals:
    """What an epoch has come to so far: its loss summed over images, and counts.

    finite: steps after which the summed loss was finite; once it is not, it stays so.
    """

    loss: float
    wrong: float
    images: float
    finite: float
    steps: float

    @property
    def mean_loss(self) -> float:
        """Return the mean loss of an image."""
        return self.loss / self.images

    @property
    def error(self) -> float:
        """Return the wrong answers in percent."""
        return 100 * self.wrong / self.images


class EpochSums:
    """Totals that stay on the device, one float64 tensor in the order of their names: adding never waits for it."""

    def __init__(self, device: torch.device) -> None:
        self.tensor = torch.zeros(len(fields(Totals)), dtype=torch.float64, device=device)
        self.loss, self.wrong, _, self.finite, _ = self.tensor  # views of it
        self.known: dict[int, Tensor] = {}  # what a batch of so many images adds, whatever its loss

    def add(self, loss: Tensor, wrong: Tensor, images: int) -> None:
        """Add a batch of so many images: its mean loss, and how many answers were wrong."""
        if images not in self.known:
            self.known[images] = torch.zeros_like(self.tensor)
            self.known[images][2], self.known[images][4] = images, 1
        self.finite += (self.loss + loss).abs() < math.inf  # each kernel counts here: torch.isfinite has four
        self.loss += loss * images
        self.wrong += wrong
        self.tensor += self.known[images]

    def zero(self) -> None:
        """Begin a new epoch."""
        self.tensor.zero_()

    def read(self) -> Totals:
        """Return the numbers so far. It waits for the device, once."""
        return Totals(*self.tensor.tolist())
