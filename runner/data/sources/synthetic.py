"""Images that are drawn from a seed and can be learnt: for trying any shape without any file."""

import torch
from torch import Tensor

from tricktable.runner import randomness
from tricktable.runner.data.source import Arrays, memory_limit
from tricktable.runner.errors import BadInput

GRID = 4  # cells a side of a class's template
NOISE = 96  # grey levels, either way
STEP = 1024  # images that are made at once


def synthetic(
    *, n_train: int = 2000, n_test: int = 500, classes: int = 10, size: int = 32, channels: int = 3, seed: int = 0
) -> Arrays:
    """Each class has a template, a grid of random colours; an image is its class's template plus triangular noise.

    All arithmetic is of integers, so that a seed gives the same bytes on any machine. Labels are balanced: classes
    differ by one image at most.
    """
    _check(n_train, n_test, classes=classes, size=size, channels=channels, seed=seed)
    grid = min(GRID, size)
    rng = randomness.generator(seed, "synthetic", "templates")
    cells = torch.randint(0, 256, (classes, channels, grid, grid), generator=rng)
    nearest = torch.arange(size) * grid // size
    templates = cells[:, :, nearest][:, :, :, nearest].to(torch.int16)
    train = _draw(templates, n_train, randomness.generator(seed, "synthetic", "train"))
    test = _draw(templates, n_test, randomness.generator(seed, "synthetic", "test"))
    names = tuple(str(label) for label in range(classes))
    return Arrays(*train, *test, names, f"synthetic (seed {seed})")


def _draw(templates: Tensor, n: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """n images uint8 n C H W and their labels, in random order."""
    labels = torch.randperm(n, generator=rng) % len(templates)
    images = torch.empty((n, *templates.shape[1:]), dtype=torch.uint8)
    half = NOISE // 2
    for start in range(0, n, STEP):
        exact = templates[labels[start : start + STEP]]
        for _ in range(2):  # the sum of two uniform draws is triangular
            exact = exact + torch.randint(-half, half + 1, exact.shape, generator=rng, dtype=torch.int16)
        images[start : start + STEP] = exact.clamp(0, 255).to(torch.uint8)
    return images, labels


def _check(n_train: int, n_test: int, *, classes: int, size: int, channels: int, seed: int) -> None:
    for key, value, low, high in (
        ("classes", classes, 2, 10_000),
        ("size", size, 1, 1024),
        ("channels", channels, 1, 64),
        ("n_train", n_train, classes, 10**9),
        ("n_test", n_test, 1, 10**9),
        ("seed", seed, 0, 2**62),
    ):
        if not low <= value <= high:
            raise BadInput(f"data.{key}: expected {low} to {high}, got {value}")
    if (n_train + n_test + 2 * classes) * channels * size * size > memory_limit():
        raise BadInput(f"data.n_train: {n_train} images of this size do not fit in memory")
