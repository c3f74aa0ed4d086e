"""Random erasing against the authors' procedure, image by image, and its noise against a uniform distribution."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from tricktable.tricks.augment.random_erasing import RandomErasing


def shuffled(x):
    for _ in range(2):
        x = ((x ^ (x >> 16)) * 0x45D9F3B) % 2**32
    return x ^ (x >> 16)


def naive(images, drawn, erasing):
    (place, shapes, seeds), out = [d.tolist() for d in drawn], images.clone()
    channels, height, width = images.shape[1:]
    for image, (u, top, left), tries, seed in zip(out, place, shapes, seeds, strict=True):
        if u >= erasing.p:
            continue
        for a, b in tries:
            area = (erasing.sl + (erasing.sh - erasing.sl) * a) * height * width
            ratio = erasing.r1 + (1 / erasing.r1 - erasing.r1) * b
            h, w = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
            if h < height and w < width:
                y, x = int(top * (height - h + 1)), int(left * (width - w + 1))
                for c, i, j in np.ndindex(channels, h, w):
                    pixel = (c * height + y + i) * width + x + j
                    value = (shuffled(shuffled(pixel) ^ seed) >> 8) / 2**24
                    image[c, y + i, x + j] = (2 * value - 1) * math.sqrt(3) if erasing.fill == "random" else 0
                break
    return out


@pytest.mark.parametrize("fill", ["random", "mean"])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(("size", "tries"), [((8, 8), 10), ((12, 7), 2)])
def test_equals_a_naive_loop(fill, layout, size, tries):
    rng = torch.Generator().manual_seed(0)
    images = torch.randn(60, 3, *size, generator=rng).contiguous(memory_format=layout)
    before, targets = images.clone(), torch.rand(60, 4)
    erasing = RandomErasing(0.7, fill=fill, tries=tries)
    drawn = erasing.sample(60, rng)
    out, same = erasing(images, targets, drawn)
    torch.testing.assert_close(out, naive(images, drawn, erasing))
    assert out.is_contiguous(memory_format=layout) and out.dtype == images.dtype
    assert same is targets and torch.equal(images, before)


def rectangles(erasing, n, size, seed):
    """Top, left, height and width of what is erased, n x 4, of the erased ones."""
    out, _ = erasing(torch.ones(n, 1, *size), torch.ones(n, 1), erasing.sample(n, torch.Generator().manual_seed(seed)))
    hole = out[:, 0] == 0
    hole = hole[hole.any(2).any(1)]
    rows, columns = hole.any(2).int(), hole.any(1).int()
    assert torch.equal(hole.int(), rows.unsqueeze(2) * columns.unsqueeze(1))
    return torch.stack((rows.argmax(1), columns.argmax(1), rows.sum(1), columns.sum(1)), 1).numpy()


def test_a_share_p_is_erased():
    erased = len(rectangles(RandomErasing(0.3, fill="mean"), 10000, (8, 8), 1))
    assert stats.binomtest(erased, 10000, 0.3).pvalue > 0.01
    assert len(rectangles(RandomErasing(0.0, fill="mean"), 1000, (8, 8), 1)) == 0
    assert len(rectangles(RandomErasing(1.0, fill="mean"), 1000, (8, 8), 1)) == 1000


def test_area_and_ratio_are_uniform_where_all_fit():
    """With sh / r1 below 1 nothing is drawn again. The image is large, so that whole pixels are as good as numbers."""
    erasing = RandomErasing(1.0, sl=0.1, sh=0.3, r1=0.5, fill="mean")
    _, _, h, w = rectangles(erasing, 1500, (150, 150), 2).T
    assert stats.kstest(h * w / 150**2, stats.uniform(0.1, 0.2).cdf).pvalue > 0.01
    assert stats.kstest(h / w, stats.uniform(0.5, 1.5).cdf).pvalue > 0.01
    assert stats.spearmanr(h * w, h / w).pvalue > 0.01


def test_places_are_uniform_among_those_within_the_image():
    erasing = RandomErasing(1.0, sl=0.25, sh=0.25, r1=1.0, fill="mean")
    top, left, h, w = rectangles(erasing, 10000, (8, 6), 3).T
    assert set(h) == {3} and set(w) == {3}  # sqrt(12) pixels
    counts = np.bincount(top * 4 + left, minlength=24)
    assert len(counts) == 24
    assert stats.chisquare(counts).pvalue > 0.01


def test_sizes_that_do_not_fit_are_drawn_again():
    """So areas and ratios follow the uniform distribution where it fits, as rejection sampling with a plain loop gives."""
    erasing = RandomErasing(1.0, sl=0.3, sh=0.9, r1=0.3, fill="mean", tries=40)
    ours = rectangles(erasing, 3000, (64, 64), 4)
    assert len(ours) == 3000
    rng, heights = np.random.default_rng(0), []
    while len(heights) < 3000:
        area, ratio = rng.uniform(0.3, 0.9) * 64**2, rng.uniform(0.3, 1 / 0.3)
        h, w = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if h < 64 and w < 64:
            heights.append(h)
    assert stats.ks_2samp(ours[:, 2], heights).pvalue > 0.01


def test_an_image_is_left_where_no_size_fits():
    erasing = RandomErasing(1.0, sl=0.9, sh=0.9, r1=0.1, tries=3)
    images, drawn = torch.randn(2, 1, 8, 8), list(erasing.sample(2, torch.Generator().manual_seed(0)))
    drawn[1] = torch.full((2, 3, 2), 0.9)
    assert torch.equal(erasing(images, torch.ones(2, 1), tuple(drawn))[0], images)


def noise(n=64):
    erasing = RandomErasing(1.0, sl=0.8, sh=0.8, r1=1.0)
    images = torch.full((n, 3, 20, 20), math.nan)
    out, _ = erasing(images, torch.ones(n, 1), erasing.sample(n, torch.Generator().manual_seed(5)))
    return out


def test_noise_is_uniform_with_mean_zero_and_deviation_one():
    values = noise()
    values = values[values.isfinite()].double().numpy()
    assert len(values) == 64 * 3 * 18 * 18
    assert stats.kstest(values, stats.uniform(-(3**0.5), 2 * 3**0.5).cdf).pvalue > 0.01


def test_noise_is_independent_between_pixels_channels_and_images():
    values = noise().nan_to_num()
    pairs = {
        "rows": values[:, :, 1:] * values[:, :, :-1],
        "columns": values[..., 1:] * values[..., :-1],
        "channels": values[:, 1:] * values[:, :-1],
        "images": values[1:] * values[:-1],
    }
    for name, pair in pairs.items():
        products = pair[pair != 0]
        assert products.mean().abs() < 4 * products.std() / len(products) ** 0.5, name


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"p": 1.1}, r"p must lie in \[0, 1\], got 1.1"),
        ({"p": math.nan}, r"p must lie in \[0, 1\], got nan"),
        ({"sl": 0.0}, "sl and sh must satisfy 0 < sl <= sh < 1, got 0 and 0.4"),
        ({"sl": 0.5}, "sl and sh must satisfy 0 < sl <= sh < 1, got 0.5 and 0.4"),
        ({"sh": 1.0}, "sl and sh must satisfy 0 < sl <= sh < 1, got 0.02 and 1"),
        ({"r1": 0.0}, r"r1 must lie in \(0, 1\], got 0"),
        ({"r1": 3.0}, r"r1 must lie in \(0, 1\], got 3"),
        ({"tries": 0}, "tries must be at least 1, got 0"),
    ],
)
def test_out_of_range(arguments, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        RandomErasing(**arguments)
