"""TrivialAugment against the wide space of the authors' code, operation by operation and strength by strength."""

import numpy as np
import pytest
import torch
from scipy import stats

from tests.tricks.augment.pillow import MEAN, STD, chain, normalised, pictures, raw
from tricktable.tricks.augment._operations import OPERATIONS
from tricktable.tricks.augment.trivialaugment import TrivialAugment

NOTHING = {"identity", "autocontrast", "equalize"}
WIDE = {
    "rotate": lambda m: int(135 * m / 30),
    "solarize": lambda m: 256 - int(256 * m / 30),
    "posterize": lambda m: 8 - int(6 * m / 30),
    "shear_x": lambda m: 0.99 * m / 30,
    "shear_y": lambda m: 0.99 * m / 30,
    "translate_x": lambda m: int(32 * m / 30),
    "translate_y": lambda m: int(32 * m / 30),
    **dict.fromkeys(("color", "contrast", "brightness", "sharpness"), lambda m: 0.01 + 1.99 * m / 30),
}


def test_every_operation_has_the_authors_31_magnitudes():
    operations, sizes = TrivialAugment(MEAN, STD).sample(60000, torch.Generator().manual_seed(0))
    assert operations.shape == sizes.shape == (60000, 1)
    assert {OPERATIONS[i] for i in operations.unique()} == NOTHING | set(WIDE)
    for name, size in WIDE.items():
        drawn = sizes[operations == OPERATIONS.index(name)]
        drawn = drawn.trunc() if name.startswith("translate") else drawn  # the fraction of a pixel is dropped
        plain = {size(m) for m in range(31)}
        if name in ("rotate", "shear_x", "shear_y", "translate_x", "translate_y"):
            plain |= {-m for m in plain}
        assert sorted({round(m, 9) + 0.0 for m in drawn.tolist()}) == pytest.approx(
            sorted({round(m, 9) + 0.0 for m in plain})
        )
    assert not sizes[torch.isin(operations, torch.tensor([OPERATIONS.index(name) for name in NOTHING]))].any()


def test_equals_a_loop_in_pillow():
    pixels = np.concatenate([pictures(seed=s) for s in range(20)])
    trick, targets = TrivialAugment(MEAN, STD), torch.rand(160, 4)
    operations, sizes = trick.sample(160, torch.Generator().manual_seed(1))
    out, same = trick(normalised(pixels), targets, (operations, sizes))
    expected = np.stack([chain(p, o, s) for p, o, s in zip(pixels, operations, sizes, strict=True)])
    np.testing.assert_allclose(raw(out).numpy(), expected, rtol=0, atol=1e-3)
    assert same is targets


def test_operations_strengths_and_directions_are_uniform():
    operations, sizes = TrivialAugment(MEAN, STD).sample(40000, torch.Generator().manual_seed(2))
    counts = np.bincount(operations.flatten().numpy(), minlength=len(OPERATIONS))
    assert stats.chisquare(counts[counts > 0]).pvalue > 0.01
    shears = sizes[operations == OPERATIONS.index("shear_x")]
    levels = np.bincount((shears.abs() * 30 / 0.99).round().long().numpy(), minlength=31)
    assert len(levels) == 31 and stats.chisquare(levels).pvalue > 0.01
    moved = shears[shears != 0]
    assert stats.binomtest(int((moved > 0).sum()), len(moved)).pvalue > 0.01


@pytest.mark.parametrize(
    ("argument", "value", "allowed"), [("strengths", 1, "be at least 2"), ("fill", -1.0, r"lie in \[0, 255\]")]
)
def test_out_of_range(argument, value, allowed):
    with pytest.raises(ValueError, match=rf"^{argument} must {allowed}, got "):
        TrivialAugment(MEAN, STD, **{argument: value})
