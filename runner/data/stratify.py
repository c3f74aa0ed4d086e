"""Some of the images of each class, drawn at random."""

import torch
from torch import Tensor

from tricktable.runner.errors import BadInput


def stratified(labels: Tensor, total: int, k: int, rng: torch.Generator) -> Tensor:
    """Exactly `total` of the N images (labels int64 N, of k classes), as ascending int64 indices.

    A class of size c gives total*c/N of them, rounded down or up: up where the largest remainders are, ties by chance.
    """
    n = max(len(labels), 1)
    sizes = torch.bincount(labels, minlength=k).tolist()
    quota = [total * size // n for size in sizes]
    chance = torch.randperm(k, generator=rng).tolist()
    by_remainder = sorted(range(k), key=lambda c: (-(total * sizes[c] % n), chance[c]))
    for c in by_remainder[: total - sum(quota)]:
        quota[c] += 1
    return some_of_each(labels, torch.tensor(quota), rng)


def some_of_each(labels: Tensor, quota: Tensor, rng: torch.Generator) -> Tensor:
    """quota[c] images of each class c, drawn without replacement, as ascending int64 indices."""
    shuffled = torch.randperm(len(labels), generator=rng)
    by_class = shuffled[torch.argsort(labels[shuffled], stable=True)]
    sizes = torch.bincount(labels, minlength=len(quota))
    rank = torch.arange(len(labels)) - (sizes.cumsum(0) - sizes)[labels[by_class]]
    return by_class[rank < quota[labels[by_class]]].sort().values


def per_class(
    key: str, number: int, split: str, labels: Tensor, classes: tuple[str, ...], rng: torch.Generator
) -> Tensor:
    """`number` images of each class of a split, as some_of_each; BadInput, for this key, where a class has fewer."""
    sizes = torch.bincount(labels, minlength=len(classes))
    fewest = int(sizes.argmin())
    if sizes[fewest] < number:
        has = f"class {classes[fewest]} has {int(sizes[fewest])}"
        raise BadInput(f"{key}: expected at most the {split} images of each class, {has}, got {number}")
    return some_of_each(labels, torch.full((len(classes),), number), rng)
