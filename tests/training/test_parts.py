"""A batch in parts: what they are, and who is told."""

import pytest
import torch
from torch import nn

from tricktable.runner.training.parts import announce, parts_of, shares_of
from tricktable.tricks.norm.ghost_batch import GhostBatchNorm


@pytest.mark.parametrize(
    ("images", "size", "parts"),
    [
        (6, None, [(0, 6)]),
        (6, 3, [(0, 3), (3, 6)]),
        (6, 8, [(0, 6)]),
        (8, 3, [(0, 3), (3, 6), (6, 8)]),
        (7, 3, [(0, 3), (3, 7)]),
        (1, 3, [(0, 1)]),
        (3, 1, [(0, 1), (1, 2), (2, 3)]),
    ],
)
def test_a_single_image_left_over_joins_the_part_before_it(images, size, parts):
    assert parts_of(images, size) == parts


@pytest.mark.parametrize("images", [6, 13, 16])
def test_statistics_of_the_parts_are_those_of_the_whole_where_a_channel_has_one_pixel(images):
    """Ghost batches of 4 in parts of 4: one image that is left over has no variance of its own."""
    torch.manual_seed(0)
    x = torch.randn(images, 3, 1, 1, dtype=torch.float64)
    whole, parted = (nn.Sequential(GhostBatchNorm(3, ghost_batch_size=4)).double() for _ in range(2))
    for _ in range(2):
        expected = whole(x)
        for start, stop in parts_of(images, 4):
            announce(parted, start, stop, images)
            torch.testing.assert_close(parted(x[start:stop]), expected[start:stop])
    for buffer, other in zip(whole.buffers(), parted.buffers(), strict=True):
        torch.testing.assert_close(other, buffer)
    assert parted[0].num_batches_tracked == 2


@pytest.mark.parametrize(
    ("images", "processes", "together", "shares"),
    [
        (16, 2, 1, [(0, 8), (8, 16)]),
        (9, 4, 1, [(0, 2), (2, 4), (4, 6), (6, 9)]),
        (1, 2, 1, [(0, 1)]),
        (40, 2, 8, [(0, 16), (16, 40)]),
        (20, 2, 8, [(0, 8), (8, 20)]),
        (17, 2, 8, [(0, 8), (8, 17)]),
        (9, 2, 8, [(0, 9)]),
    ],
)
def test_shares_are_even_and_keep_together_what_is_normalised_together(images, processes, together, shares):
    assert shares_of(images, processes, together) == shares
