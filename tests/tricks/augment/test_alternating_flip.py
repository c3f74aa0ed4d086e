"""Alternating flip: random at first, and from then on each image is on its other side in every epoch."""

import pytest
import torch
from scipy import stats

from tricktable.runner.training.augmented import tables
from tricktable.tricks.augment.alternating_flip import AlternatingFlip

CPU = torch.device("cpu")


def sides(epoch, seed=7, n=2000):
    """Which of the images are mirrored in an epoch, whose order is its own; as the runner asks."""
    order = torch.randperm(n, generator=torch.Generator().manual_seed(100 + epoch))
    images = torch.stack([order, order + n], 1).float().view(n, 1, 1, 2)  # an image's left column has its number
    flip = AlternatingFlip()
    drawn = tables({"alternating_flip": flip}, order, epoch, seed=seed, device=CPU)["alternating_flip"]
    targets = torch.ones(n, 1)
    out, same = flip(images, targets, drawn)
    assert same is targets
    mirrored = torch.empty(n, dtype=torch.bool)
    mirrored[order] = out[:, 0, 0, 0] >= n
    return mirrored


def test_the_first_epoch_is_a_random_flip():
    assert stats.binomtest(int(sides(0).sum()), 2000).pvalue > 0.01
    assert not torch.equal(sides(0), sides(0, seed=8))


@pytest.mark.parametrize("epoch", range(4))
def test_each_image_is_on_the_other_side_in_the_next_epoch(epoch):
    assert torch.equal(sides(epoch + 1), ~sides(epoch))


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_image_is_mirrored(layout):
    images = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0)).contiguous(memory_format=layout)
    out, _ = AlternatingFlip()(images, torch.ones(2, 1), torch.tensor([False, True]))
    assert torch.equal(out[0], images[0]) and out.is_contiguous(memory_format=layout)
    for j in range(5):
        assert torch.equal(out[1, :, :, j], images[1, :, :, 4 - j])
