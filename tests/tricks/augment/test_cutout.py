"""Cutout against a naive loop over images and squares."""

import numpy as np
import pytest
import torch
from scipy import stats

from tricktable.tricks.augment.cutout import Cutout

BELOW_ONE = 1 - 2.0**-24  # the largest float32 below 1


def naive(images, drawn, length):
    out, (height, width) = images.copy(), images.shape[2:]
    for image, holes in zip(out, drawn, strict=True):
        for u, v in holes:
            y, x = int(u * height), int(v * width)
            top, left = y - length // 2, x - length // 2
            image[:, max(top, 0) : max(top + length, 0), max(left, 0) : max(left + length, 0)] = 0
    return out


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(
    ("size", "length", "pixels"), [((8, 8), 0.5, 4), ((32, 32), 16, 16), ((32, 32), 0.25, 8), ((6, 9), 3, 3)]
)
@pytest.mark.parametrize("n_holes", [1, 3])
def test_equals_a_naive_loop(layout, size, length, pixels, n_holes):
    rng = torch.Generator().manual_seed(0)
    images = torch.randn(40, 3, *size, generator=rng).contiguous(memory_format=layout)
    before, targets = images.clone(), torch.rand(40, 4)
    cutout = Cutout(length, n_holes)
    drawn = cutout.sample(40, rng)
    out, same = cutout(images, targets, drawn)
    np.testing.assert_array_equal(out.numpy(), naive(images.numpy(), drawn.double().numpy(), pixels))
    assert out.is_contiguous(memory_format=layout) and out.dtype == images.dtype
    assert same is targets and torch.equal(images, before)


def test_the_centre_may_be_any_pixel_and_the_square_leaves_the_image():
    drawn = torch.tensor([[[0.0, 0.0]], [[BELOW_ONE, BELOW_ONE]], [[0.5, 0.5]]])
    out, _ = Cutout(16)(torch.ones(3, 1, 32, 32), torch.ones(3, 1), drawn)
    holes = (out == 0)[:, 0]
    assert holes[0, :8, :8].all() and holes[0].sum() == 64
    assert holes[1, 23:, 23:].all() and holes[1].sum() == 81
    assert holes[2, 8:24, 8:24].all() and holes[2].sum() == 256


def test_centres_are_uniform_over_the_pixels():
    cutout = Cutout(1)
    out, _ = cutout(torch.ones(20000, 1, 6, 7), torch.ones(1), cutout.sample(20000, torch.Generator().manual_seed(1)))
    counts = (out == 0).sum((0, 1)).flatten().numpy()
    assert counts.sum() == 20000
    assert stats.chisquare(counts).pvalue > 0.01


@pytest.mark.parametrize(("length", "masked"), [(16, 0.19140625), (8, 0.054931640625), (20, 0.278091430664)])
def test_the_expected_share_of_masked_pixels_over_all_centres(length, masked):
    """The closed form for the paper's three lengths on 32 x 32 pixels, over the 32 * 32 centres."""
    centres = torch.cartesian_prod(torch.arange(32), torch.arange(32)) / 32
    out, _ = Cutout(length)(torch.ones(1024, 1, 32, 32), torch.ones(1), centres.unsqueeze(1))
    assert (out == 0).double().mean().item() == pytest.approx(masked, rel=1e-9)


@pytest.mark.parametrize("length", [0.0, -2.0, 1.5, float("nan"), float("inf")])
def test_a_length_that_is_neither_pixels_nor_a_share_is_refused(length):
    with pytest.raises(ValueError, match=r"^length must be whole pixels \(below 1: a share of the side\), got "):
        Cutout(length)


@pytest.mark.parametrize(("length", "got"), [(9, 9), (0.05, 0)])
def test_a_square_that_is_larger_than_the_image_or_empty_is_refused(length, got):
    with pytest.raises(ValueError, match=rf"^length must lie in \[1, 8\] pixels on these images, got {got}$"):
        Cutout(length)(torch.ones(2, 1, 8, 12), torch.ones(2, 1), torch.rand(2, 1, 2))


def test_no_holes_are_refused():
    with pytest.raises(ValueError, match=r"^n_holes must be at least 1, got 0$"):
        Cutout(n_holes=0)


def test_a_square_of_16_is_whole_at_17_of_32_centres_along_each_side():
    centres = torch.cartesian_prod(torch.arange(32), torch.arange(32)) / 32
    out, _ = Cutout(16)(torch.ones(1024, 1, 32, 32), torch.ones(1), centres.unsqueeze(1))
    whole = (out == 0).sum((1, 2, 3)) == 16 * 16
    assert whole.double().mean().item() == pytest.approx(0.28222656, abs=1e-8)
