"""A finished run's network, with all that is needed to classify images by it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas
import torch
from torch import Tensor, nn

from tricktable.runner.data.draw import Resident
from tricktable.runner.errors import BadInput
from tricktable.runner.python.apart import apart
from tricktable.runner.python.images import Form, batches
from tricktable.runner.training import compute, evaluate
from tricktable.runner.training.run import Run


@dataclass(frozen=True, eq=False)
class Classifier:
    """A network with its classes and its normalisation.

    `model` maps images B C H W, normalised by `mean` and `std` (of raw pixels, a number per channel), to logits B K: a
    `variant` of the run's models by an `inference`. `shape` is (C, H, W), `classes` are in the order of the logits, and
    `config` is the run's; `built` and `form` are the run and the images as its evaluation has them.
    """

    id: str
    variant: str
    inference: str
    classes: tuple[str, ...]
    shape: tuple[int, int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    config: Mapping[str, Any] = field(repr=False)
    model: nn.Module = field(repr=False)
    built: Run = field(repr=False)
    form: Form = field(repr=False)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the images that it takes, in pixels."""
        return self.shape[1:]

    def predict(self, images: Any, top: int = 1) -> pandas.DataFrame:
        """The likeliest class of each image, `label`, and its `probability`; of `top` classes also label_2 and so on.

        images: a path, a folder, a picture of PIL's, a list of these, or an array B C H W (whole numbers: pixels as the
        data has them; else shares of white, 0 to 1). The index is the path, or the image's number.
        """
        if not 1 <= top <= len(self.classes):
            raise BadInput(f"top: expected 1 to {len(self.classes)} classes, got {top}")
        names, logits = self._logits(images)
        shares, found = logits.softmax(1).topk(top)
        columns: dict[str, Any] = {}
        for rank in range(top):
            ending = f"_{rank + 1}" if rank else ""
            columns[f"label{ending}"] = [self.classes[each] for each in found[:, rank].tolist()]
            columns[f"probability{ending}"] = shares[:, rank].tolist()
        return pandas.DataFrame(columns, index=pandas.Index(names, name="image"))

    def probabilities(self, images: Any) -> pandas.DataFrame:
        """The probability of every class, a column each, for images as `predict` takes them."""
        names, logits = self._logits(images)
        index = pandas.Index(names, name="image")
        return pandas.DataFrame(logits.softmax(1).numpy(), index=index, columns=list(self.classes))

    def logits(self, images: Any) -> Tensor:
        """float32 B K, on the CPU, for images as `predict` takes them."""
        return self._logits(images)[1]

    def _logits(self, images: Any) -> tuple[list[str | int], Tensor]:
        """By the code that evaluates a run, in batches of its size."""
        names: list[str | int] = []
        found = []
        with apart():
            compute.apply(self.built.compute)
            for some, pixels in batches(images, self.form):
                names += some
                split = Resident(pixels, torch.zeros(len(pixels), dtype=torch.int64)).to(self.built.compute.device)
                found += [logits.cpu() for logits, _ in evaluate.outputs(self.built, self.model, split)]
        if not found:
            raise BadInput("images: expected one at least, got none")
        return names, torch.cat(found)
