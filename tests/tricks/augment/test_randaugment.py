"""RandAugment against a loop over images in Pillow."""

import numpy as np
import pytest
import torch
from scipy import stats

from tests.tricks.augment.pillow import MEAN, STD, chain, normalised, pictures, raw
from tricktable.tricks.augment._operations import OPERATIONS, SIGNED
from tricktable.tricks.augment.randaugment import RandAugment

PAPERS = {
    "identity", "autocontrast", "equalize", "rotate", "solarize", "color", "posterize", "contrast", "brightness", "sharpness",
    "shear_x", "shear_y", "translate_x", "translate_y",
}  # fmt: skip
NOTHING = {"identity", "autocontrast", "equalize"}


def size(name, share, side):
    """The magnitude of AutoAugment's table at a share of its range, without its direction."""
    if name in NOTHING:
        return 0.0
    if name in ("color", "contrast", "brightness", "sharpness"):
        return 0.1 + 1.8 * share
    return {
        "rotate": int(30 * share),
        "solarize": 256 - int(256 * share),
        "posterize": 8 - int(4 * share),
        "shear_x": 0.3 * share,
        "shear_y": 0.3 * share,
        "translate_x": int(150 / 331 * side * share),
        "translate_y": int(150 / 331 * side * share),
    }[name]


@pytest.mark.parametrize(("n", "m", "highest"), [(1, 0.0, 10.0), (2, 9.0, 10.0), (3, 5.0, 30.0), (2, 14.0, 10.0)])
def test_equals_a_loop_in_pillow(n, m, highest):
    pixels = np.concatenate([pictures(seed=s) for s in range(8)])
    trick = RandAugment(MEAN, STD, n, m, highest)
    operations, shares = trick.sample(64, torch.Generator().manual_seed(1))
    sizes = torch.zeros(64, n, dtype=torch.float64)
    for i in range(64):
        for k in range(n):
            name = OPERATIONS[operations[i, k]]
            plain = size(name, m / highest, 32)
            sizes[i, k] = -plain if name in SIGNED and shares[i, k] < 0 else plain
    expected = np.stack([chain(p, o, s, 128) for p, o, s in zip(pixels, operations, sizes, strict=True)])
    targets = torch.eye(64)
    out, same = trick(normalised(pixels), targets, (operations, shares))
    np.testing.assert_allclose(raw(out).numpy(), expected, rtol=0, atol=1e-3)
    assert same is targets


def test_operations_and_directions_are_uniform():
    operations, shares = RandAugment(MEAN, STD, 2).sample(20000, torch.Generator().manual_seed(2))
    pairs = np.bincount((operations[:, 0] * len(OPERATIONS) + operations[:, 1]).numpy(), minlength=len(OPERATIONS) ** 2)
    drawn = pairs.reshape(len(OPERATIONS), -1)
    assert {OPERATIONS[i] for i in np.flatnonzero(drawn.sum(0))} == PAPERS
    assert stats.chisquare(drawn[drawn > 0]).pvalue > 0.01 and (drawn > 0).sum() == 14**2
    turned = operations == OPERATIONS.index("rotate")
    assert stats.binomtest(int((shares[turned] > 0).sum()), int(turned.sum())).pvalue > 0.01


@pytest.mark.parametrize(
    ("argument", "value", "allowed"),
    [
        ("operations", 0, "be at least 1"),
        ("magnitude", -1.0, "be at least 0"),
        ("magnitude", float("nan"), "be at least 0"),
        ("highest", 0.0, "be above 0"),
        ("fill", 256.0, r"lie in \[0, 255\]"),
    ],
)
def test_out_of_range(argument, value, allowed):
    with pytest.raises(ValueError, match=rf"^{argument} must {allowed}, got "):
        RandAugment(MEAN, STD, **{argument: value})
