"""Random resized crop against torchvision's functions, and against a plain loop over the paper's draws."""

import math

import numpy as np
import pytest
import torch
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

from tricktable.tricks.augment.random_resized_crop import TRIES, RandomResizedCrop


def naive(height, width, scale, ratio, uniforms):
    """One box, as the header says it."""
    for i in range(TRIES):
        area = height * width * (scale[0] + (scale[1] - scale[0]) * uniforms[2 * i])
        aspect = math.exp(math.log(ratio[0]) + (math.log(ratio[1]) - math.log(ratio[0])) * uniforms[2 * i + 1])
        w, h = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < w <= width and 0 < h <= height:
            return int(uniforms[-2] * (height - h + 1)), int(uniforms[-1] * (width - w + 1)), h, w
    if width / height < ratio[0]:
        w, h = width, round(width / ratio[0])
    elif width / height > ratio[1]:
        w, h = round(height * ratio[1]), height
    else:
        w, h = width, height
    return (height - h) // 2, (width - w) // 2, h, w


@pytest.mark.parametrize("shape", [(32, 32), (30, 40), (400, 301), (1, 1), (1, 90), (90, 1), (500, 6)])
@pytest.mark.parametrize(("scale", "ratio"), [([0.08, 1.0], [3 / 4, 4 / 3]), ([0.5, 0.5], [1.0, 1.0])])
def test_boxes_are_those_of_a_plain_loop(shape, scale, ratio):
    crop = RandomResizedCrop(scale, ratio)
    drawn = crop.sample(200, torch.Generator().manual_seed(1))
    boxes = crop.boxes(*shape, drawn)
    assert boxes.tolist() == [list(naive(*shape, scale, ratio, row)) for row in drawn.double().tolist()]
    top, left, h, w = boxes.unbind(1)
    assert (h > 0).all() and (w > 0).all() and (top >= 0).all() and (left >= 0).all()
    assert (top + h <= shape[0]).all() and (left + w <= shape[1]).all()


def test_areas_and_ratios_are_distributed_as_torchvision_s():
    crop, n = RandomResizedCrop(), 1500
    ours = crop.boxes(300, 400, crop.sample(n, torch.Generator().manual_seed(0))).double()
    torch.manual_seed(0)
    other = v2.RandomResizedCrop(8)
    blank = torch.empty(1, 300, 400)
    boxes = (other.make_params([blank]) for _ in range(n))
    theirs = torch.tensor([[b["top"], b["left"], b["height"], b["width"]] for b in boxes]).double()
    for part in (
        lambda b: b[:, 2] * b[:, 3] / 120_000,
        lambda b: (b[:, 3] / b[:, 2]).log(),
        lambda b: b[:, 0] + b[:, 2] / 2,
    ):
        x, y = part(ours), part(theirs)
        error = math.sqrt((x.var() + y.var()) / n)
        assert abs(x.mean() - y.mean()) < 4 * error and abs(x.std() / y.std() - 1) < 0.1


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("shape", [(32, 32), (24, 40)])
def test_pixels_are_torchvision_s_of_the_same_boxes(shape, interpolation, layout):
    rng = torch.Generator().manual_seed(0)
    images = torch.randn(40, 3, *shape, generator=rng).contiguous(memory_format=layout)
    targets, before = torch.eye(4)[torch.arange(40) % 4], images.clone()
    crop = RandomResizedCrop(interpolation=interpolation)
    drawn = crop.sample(40, rng)
    out, same = crop(images, targets, drawn)
    mode = v2.InterpolationMode(interpolation)
    for image, box, ours in zip(images, crop.boxes(*shape, drawn).tolist(), out, strict=True):
        theirs = functional.resized_crop(image, *box, list(shape), mode, antialias=True)
        torch.testing.assert_close(ours, theirs, rtol=0, atol=2e-5)
    assert same is targets and torch.equal(images, before) and out.is_contiguous(memory_format=layout)


def test_the_whole_image_is_left_as_it_is():
    images = torch.randn(3, 2, 9, 9)
    crop = RandomResizedCrop([1.0, 1.0], [1.0, 1.0])
    out, _ = crop(images, torch.ones(3, 1), crop.sample(3, torch.Generator().manual_seed(0)))
    assert torch.equal(out, images)


def test_a_draw_near_one_stays_inside():
    drawn = torch.full((1, 2 * TRIES + 2), 1 - 2.0**-24)
    for size in range(1, 300, 7):
        top, left, h, w = RandomResizedCrop([0.1, 0.5]).boxes(size, size + 3, drawn)[0].tolist()
        assert top + h == size and left + w == size + 3


def test_positions_cover_the_picture():
    crop = RandomResizedCrop([0.25, 0.25], [1.0, 1.0])
    boxes = crop.boxes(8, 8, crop.sample(5000, torch.Generator().manual_seed(2)))
    counts = np.bincount((boxes[:, 0] * 5 + boxes[:, 1]).numpy(), minlength=25)
    assert (boxes[:, 2:] == 4).all() and len(counts) == 25 and (abs(counts - 200) < 60).all()


@pytest.mark.parametrize("shape", [(256, 340), (500, 256), (256, 256)])
def test_crops_of_the_central_square_are_those_of_krizhevsky(shape):
    """224 x 224 of 256 x 256, anywhere; a plain crop of the centre square by the same two uniforms."""
    crop = RandomResizedCrop([49 / 64, 49 / 64], [1.0, 1.0], square=True)
    drawn = crop.sample(50, torch.Generator().manual_seed(4))
    centre = [(side - 256) // 2 for side in shape]
    for box, row in zip(crop.boxes(*shape, drawn).tolist(), drawn.double().tolist(), strict=True):
        assert box == [centre[0] + int(33 * row[-2]), centre[1] + int(33 * row[-1]), 224, 224]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"scale": [0.0, 1.0]}, "scale must be two shares"),
        ({"scale": [0.5, 0.4]}, "scale must be two shares"),
        ({"scale": [0.5, 1.1]}, "scale must be two shares"),
        ({"scale": [0.5]}, "scale must be two shares"),
        ({"ratio": [0.0, 1.0]}, "ratio must be two ratios"),
        ({"ratio": [2.0, 1.0]}, "ratio must be two ratios"),
    ],
)
def test_out_of_range(arguments, said):
    with pytest.raises(ValueError, match=f"^{said}"):
        RandomResizedCrop(**arguments)
