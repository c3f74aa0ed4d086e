"""Each operation against Pillow, pixel for pixel."""

import numpy as np
import pytest
import torch
from torchvision.transforms.v2 import functional

from tests.tricks.augment.pillow import MEAN, STD, chain, normalised, pictures, raw
from tricktable.tricks.augment._operations import OPERATIONS, SIGNED, WHOLE, applied, codes, in_pixels, magnitudes

MAGNITUDES = {
    "shear_x": [-0.99, -0.3, 0.066, 0.21, 0.3],
    "shear_y": [-0.99, 0.13, 0.3],
    "translate_x": [-9, 0, 3, 40],
    "translate_y": [-4, 31, 2.9],
    "rotate": [0, -135, 90, -90, 180, 4, 13, -27, 121],
    "posterize": [1, 2, 4, 7, 8],
    "solarize": [0, 26, 110, 256],
    "brightness": [0.01, 0.1, 0.46, 1, 1.72, 2],
    "contrast": [0.01, 0.64, 1, 1.9],
    "color": [0.01, 0.5, 1, 1.9],
    "sharpness": [0.01, 0.28, 1, 1.9, 5],
}


def alone(name, m, pixels, fill=0.0, bilinear=False):
    """One operation on all images of uint8 B C H W, and the same by Pillow."""
    b, c = pixels.shape[:2]
    operations, sizes = codes([name]).expand(b, 1), torch.full((b, 1), m, dtype=torch.float64)
    out = raw(applied(normalised(pixels), operations, sizes, MEAN[:c], STD[:c], fill, bilinear))
    expected = [chain(p, o, s, int(fill), bilinear) for p, o, s in zip(pixels, operations, sizes, strict=True)]
    return out.numpy(), np.stack(expected)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", OPERATIONS)
def test_equals_pillow(name, channels):
    for size in ((32, 32), (9, 14)):
        for m in MAGNITUDES.get(name, [0]):
            out, expected = alone(name, m, pictures(channels, size), 128.0)
            np.testing.assert_allclose(out, expected, rtol=0, atol=1e-3, err_msg=f"{name} {m} {size}")


@pytest.mark.parametrize("name", SIGNED)
def test_equals_pillow_between_pixels(name):
    for size in ((32, 32), (9, 14)):
        for m in [each for each in MAGNITUDES[name] if each not in (-135, 121)]:
            out, expected = alone(name, m, pictures(3, size), 0.0, bilinear=True)
            np.testing.assert_allclose(out, expected, rtol=0, atol=1e-3, err_msg=f"{name} {m} {size}")


@pytest.mark.parametrize(
    ("name", "m", "torchvisions"),
    [
        ("invert", 0, functional.invert),
        ("equalize", 0, functional.equalize),
        ("posterize", 3, lambda x: functional.posterize(x, 3)),
        ("solarize", 100, lambda x: functional.solarize(x, 100)),
    ],
)
def test_equals_torchvision(name, m, torchvisions):
    out, _ = alone(name, m, pictures())
    torch.testing.assert_close(
        torch.from_numpy(out), torchvisions(torch.from_numpy(pictures())).float(), rtol=0, atol=1e-3
    )


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_each_image_of_a_batch_goes_its_own_way(layout):
    pixels = np.concatenate([pictures(seed=s) for s in range(8)])
    rng = torch.Generator().manual_seed(0)
    operations = torch.randint(len(OPERATIONS), (64, 3), generator=rng)
    sizes = torch.tensor([float(MAGNITUDES.get(name, [0])[-1]) for name in OPERATIONS])[operations]
    images = normalised(pixels).contiguous(memory_format=layout)
    before = images.clone()
    out = applied(images, operations, sizes, MEAN, STD, 7.0)
    expected = np.stack([chain(p, o, s, 7) for p, o, s in zip(pixels, operations, sizes, strict=True)])
    np.testing.assert_allclose(raw(out).numpy(), expected, rtol=0, atol=1e-3)
    assert torch.equal(out, normalised(expected)), "pixels have the bits that the runner gives them"
    assert out.is_contiguous(memory_format=layout) and torch.equal(images, before)


def test_images_that_drew_the_identity_keep_their_bits_and_others_are_rounded_first():
    images = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 0.3
    out = applied(images, codes(["identity", "invert"]).view(2, 1), torch.zeros(2, 1), MEAN, STD, 0.0)
    assert torch.equal(out[0], images[0])
    torch.testing.assert_close(raw(out)[1], 255 - raw(images)[1].round(), rtol=0, atol=1e-3)


def test_the_fill_is_the_mean_pixel_or_a_value():
    images, far = normalised(pictures()[:1]), torch.full((1, 1), 40.0)
    for fill, expected in [(None, MEAN.round()), (128.0, torch.full((3,), 128.0))]:
        out = raw(applied(images, codes(["translate_x"]).view(1, 1), far, MEAN, STD, fill))
        torch.testing.assert_close(out, expected.view(1, 3, 1, 1).expand_as(out), rtol=0, atol=1e-3)


@pytest.mark.parametrize("size", [(2, 8), (8, 1)])
def test_images_without_an_inside_are_not_smoothed(size):
    out, expected = alone("sharpness", 0.1, pictures(3, size))
    np.testing.assert_allclose(out, expected, rtol=0, atol=1e-3)


def test_images_of_other_channels_are_refused():
    with pytest.raises(ValueError, match=r"^images must have 1 or 3 channels, .*, got 2$"):
        applied(torch.zeros(1, 2, 8, 8), codes(["invert"]).view(1, 1), torch.zeros(1, 1), MEAN[:2], STD[:2], 0.0)


def test_magnitudes_lie_on_a_line_and_whole_ones_are_rounded_towards_its_beginning():
    ranges = {
        "rotate": (0.0, 30.0),
        "posterize": (4.0, 0.0),
        "solarize": (256.0, 0.0),
        "shear_x": (0.0, 0.3),
        "color": (0.1, 1.9),
    }
    level = torch.linspace(0, 10, 101, dtype=torch.float64)
    for name, (first, last) in ranges.items():
        for sign, direction in ((0.1, 1), (0.9, -1 if name in SIGNED else 1)):
            found = magnitudes(codes([name]).expand(101), level, 10, ranges, torch.full((101,), sign))
            for value, m in zip(level.tolist(), found.tolist(), strict=True):
                moved = (last - first) * value / 10
                assert m == pytest.approx(direction * (first + (int(moved) if name in WHOLE else moved)), abs=1e-12)
    assert not magnitudes(codes(["equalize"]), level[5:6], 10, ranges, torch.zeros(1)).any()


def test_translations_as_shares_of_the_sides():
    share = torch.tensor([[0.25, 0.25, 0.25]])
    pixels = in_pixels(codes(["translate_x", "translate_y", "shear_x"]).view(1, 3), share, torch.zeros(1, 3, 20, 32))
    assert pixels.tolist() == [[8.0, 5.0, 0.25]]
