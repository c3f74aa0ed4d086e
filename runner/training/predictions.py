"""What a model says of each image of a split: its likeliest classes and its loss; and what is counted of that."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

TOP = 5


@dataclass(frozen=True, eq=False)
class Predictions:
    """Of N images with K classes, on the CPU: labels int64 N, losses float32 N (nats).

    likeliest: int64 N M, the TOP classes with the largest outputs, or all where there are fewer; the largest first, and
    of equals the first class. probabilities: theirs, float32 N M.
    """

    k: int
    labels: Tensor
    losses: Tensor
    likeliest: Tensor
    probabilities: Tensor

    @property
    def predicted(self) -> Tensor:
        """The likeliest class: int64 N."""
        return self.likeliest[:, 0]

    @property
    def right(self) -> Tensor:
        """Whether that is the label: bool N."""
        return self.predicted == self.labels

    @property
    def top5_error(self) -> float | None:
        """The share in percent whose label is not among the five likeliest; None where there are no more classes."""
        if self.k <= TOP:
            return None
        hit = (self.likeliest == self.labels[:, None]).any(1)
        return 100 * int((~hit).sum()) / len(hit)

    def confusion(self) -> Tensor:
        """How many images of each class (rows) are taken for which (columns): int64 K K."""
        return torch.bincount(self.labels * self.k + self.predicted, minlength=self.k**2).view(self.k, self.k)

    def worst(self, n: int) -> Tensor:
        """The n images with the largest loss, that first, of equals the first one; a loss that is no number leads."""
        return self.losses.sort(dim=0, descending=True, stable=True).indices[:n]


class Collector:
    """Keeps what Predictions need of batches, on their device, until it is read: nothing waits for the device."""

    def __init__(self) -> None:
        self.k = 0
        self.parts: list[tuple[Tensor, ...]] = []

    def add(self, outputs: Tensor, labels: Tensor) -> None:
        """A batch: outputs float32 B K (logits, or logs of probabilities) and labels int64 B."""
        self.k = outputs.shape[1]
        likeliest = outputs.sort(dim=1, descending=True, stable=True).indices[:, :TOP]
        probabilities = outputs.softmax(1).gather(1, likeliest)
        self.parts.append((labels, F.cross_entropy(outputs, labels, reduction="none"), likeliest, probabilities))

    def read(self) -> Predictions:
        """Of all batches so far."""
        return Predictions(self.k, *(torch.cat(part).cpu() for part in zip(*self.parts, strict=True)))
