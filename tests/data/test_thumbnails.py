"""Images for people: pixels as they are evaluated, and pictures that are small."""

import io

import numpy as np
import torch
from PIL import Image

from tricktable.runner.data import thumbnails
from tricktable.runner.data.draw import Resident


def split(images):
    return Resident(images, torch.zeros(len(images), dtype=torch.int64))


def test_colours_stay_and_the_order_is_that_of_the_rows():
    images = torch.randint(256, (5, 3, 4, 6), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    found = thumbnails.pixels(split(images), [3, 1])
    for row, pixels in zip((3, 1), found, strict=True):
        assert np.array_equal(pixels, images[row].permute(1, 2, 0).numpy())


def test_few_levels_are_stretched_to_white_and_one_channel_is_grey():
    images = torch.arange(17, dtype=torch.uint8).repeat(2, 1, 2, 1)
    (pixels,) = thumbnails.pixels(split(images), [1])
    assert pixels.shape == (2, 17) and pixels[0].tolist() == [round(255 * v / 16) for v in range(17)]
    assert thumbnails.stretch(0) == thumbnails.stretch(128) == thumbnails.stretch(255) == 1
    assert thumbnails.pixels(split(images), []) == []


def test_a_png_is_no_larger_than_asked_and_a_small_image_stays_as_it_is():
    large = Image.open(io.BytesIO(thumbnails.png(np.zeros((300, 150, 3), np.uint8), 80)))
    assert large.size == (40, 80) and large.mode == "RGB"
    small = np.arange(20, dtype=np.uint8).reshape(4, 5)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(thumbnails.png(small, 80)))), small)
