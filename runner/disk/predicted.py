"""predicted.json: what a run's own result made of the test images, by class, and the images that it did worst on."""

import base64
import binascii
import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tricktable.runner import terminal
from tricktable.runner.disk import atomic
from tricktable.runner.disk.summary import Number, of_values
from tricktable.runner.errors import StorageProblem

LIMIT = 8 << 20  # bytes of a predicted.json
WORST = 24  # images that are kept
SIDE = 80  # their longer side at the most, in pixels
PNGS = 480_000  # bytes of their pictures together


@dataclass(frozen=True, kw_only=True)
class Worst:
    """A test image with a large loss (nats): its place among the test images, and its file's name where that is known.

    label, predicted: classes. probability: of the predicted class. png: a small picture of it, in base64.
    """

    index: int
    name: str = ""
    label: int
    predicted: int
    probability: Number = None
    loss: Number = None
    png: str

    def picture(self) -> bytes:
        """The PNG as it stands in the file, whoever wrote that; ValueError where it is no base64."""
        try:
            return base64.b64decode(self.png, validate=True)
        except binascii.Error as error:
            raise ValueError(f"image {self.index}: {error}") from None


@dataclass(frozen=True, kw_only=True)
class Predicted:
    """How many test images there are of each class, on how many of these it is right, and the worst, worst first."""

    images: list[int]
    right: list[int]
    worst: tuple[Worst, ...] = ()

    def write(self, path: Path) -> None:
        """Put predicted.json in place, whole or not at all."""
        atomic.replace(path, atomic.dump(dataclasses.asdict(self)))

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """A predicted.json; None where there is none, as of older runs. StorageProblem where it is damaged."""
        with atomic.storage(path):
            try:
                found = of_values(cls, atomic.parse(atomic.read(path, LIMIT)))
            except FileNotFoundError:
                return None
            except (ValueError, TypeError, RecursionError) as error:
                raise StorageProblem(terminal.clean(f"{path}: damaged ({atomic.reason(error)})")) from error
        k = len(found.images)
        pairs = zip(found.images, found.right, strict=False)
        classes = [c for each in found.worst for c in (each.label, each.predicted)]
        if len(found.right) != k or any(not 0 <= r <= n for n, r in pairs) or any(not 0 <= c < k for c in classes):
            raise StorageProblem(terminal.clean(f"{path}: damaged (its counts do not fit together)"))
        return found
