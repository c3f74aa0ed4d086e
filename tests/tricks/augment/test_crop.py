"""Random crop against a naive loop over images and pixels."""

import numpy as np
import pytest
import torch
from scipy import stats

from tricktable.tricks.augment.crop import Crop

MEAN, STD = torch.tensor([120.0, 110.0, 100.0]), torch.tensor([60.0, 50.0, 40.0])
BELOW_ONE = 1 - 2.0**-24  # the largest float32 below 1


def naive(images, drawn, pad, mode):
    out = np.empty_like(images)
    for b, image in enumerate(images):
        padded = np.pad(image, ((0, 0), (pad, pad), (pad, pad)), mode=mode)
        top, left = (int(u * (2 * pad + 1)) for u in drawn[b])
        out[b] = padded[:, top : top + image.shape[1], left : left + image.shape[2]]
    return out


@pytest.mark.parametrize("mode", ["constant", "reflect"])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(("size", "pad"), [((8, 8), 4), ((5, 9), 2), ((32, 32), 4), ((6, 6), 0)])
def test_equals_a_naive_loop(mode, layout, size, pad):
    rng = torch.Generator().manual_seed(0)
    images = torch.randn(20, 3, *size, generator=rng).contiguous(memory_format=layout)
    targets = torch.eye(4)[torch.arange(20) % 4]
    crop = Crop(MEAN, STD, pad, mode)
    drawn = crop.sample(20, rng)
    before = images.clone()
    out, same = crop(images, targets, drawn)
    np.testing.assert_array_equal(out.numpy(), naive(images.numpy(), drawn.double().numpy(), pad, mode))
    assert out.is_contiguous(memory_format=layout)
    assert same is targets and torch.equal(images, before)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_black_is_what_cropping_before_normalising_gives(layout):
    rng = torch.Generator().manual_seed(0)
    raw = torch.randint(0, 256, (20, 3, 9, 7), generator=rng, dtype=torch.uint8)
    normalised = ((raw - MEAN.view(-1, 1, 1)) / STD.view(-1, 1, 1)).contiguous(memory_format=layout)
    crop = Crop(MEAN, STD, 3, fill="black")
    drawn = crop.sample(20, rng)
    out, _ = crop(normalised, torch.ones(20, 1), drawn)
    expected = torch.from_numpy(naive(raw.numpy(), drawn.double().numpy(), 3, "constant"))
    assert torch.equal(out, (expected - MEAN.view(-1, 1, 1)) / STD.view(-1, 1, 1))
    assert out.is_contiguous(memory_format=layout)


def test_the_ends_of_the_draw():
    image = torch.arange(1.0, 26).view(1, 1, 5, 5)
    drawn = torch.tensor([[0.0, 0.0], [0.5, 0.5], [BELOW_ONE, BELOW_ONE]])
    out, _ = Crop(MEAN, STD, 2)(image.expand(3, 1, 5, 5), torch.ones(3, 1), drawn)
    assert torch.equal(out[0, 0, 2:, 2:], image[0, 0, :3, :3]) and not out[0, 0, :2].any()
    assert torch.equal(out[1], image[0])
    assert torch.equal(out[2, 0, :3, :3], image[0, 0, 2:, 2:]) and not out[2, 0, 3:].any()


@pytest.mark.parametrize("pad", range(1, 70))
def test_a_draw_near_one_stays_inside(pad):
    out, _ = Crop(MEAN, STD, pad)(torch.ones(1, 1, 80, 80), torch.ones(1, 1), torch.full((1, 2), BELOW_ONE))
    assert out.sum() == (80 - pad) ** 2


def test_positions_are_uniform_and_independent():
    crop = Crop(MEAN, STD, 4)
    offsets = (crop.sample(20000, torch.Generator().manual_seed(3)) * 9).long()
    counts = np.bincount((offsets[:, 0] * 9 + offsets[:, 1]).numpy(), minlength=81)
    assert len(counts) == 81
    assert stats.chisquare(counts).pvalue > 0.01


@pytest.mark.parametrize("mode", ["constant", "reflect"])
def test_a_pad_as_large_as_the_image_is_refused(mode):
    with pytest.raises(ValueError, match=r"^pad must be less than the images' 8 pixels, got 8$"):
        Crop(MEAN, STD, 8, mode)(torch.ones(2, 1, 8, 8), torch.ones(2, 1), torch.rand(2, 2))


def test_a_negative_pad_is_refused():
    with pytest.raises(ValueError, match="pad must be at least 0 pixels, got -1"):
        Crop(MEAN, STD, -1)


def test_a_mirror_has_no_colour():
    with pytest.raises(ValueError, match=r"^fill is mode=constant's"):
        Crop(MEAN, STD, mode="reflect", fill="black")
