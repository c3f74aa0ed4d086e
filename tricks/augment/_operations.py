"""The operations that AutoAugment (arXiv:1805.09501) and its successors choose from, for the tricks beside this file.

Each image of a batch has an operation of its own, and a magnitude in its unit; x are pixels, whole numbers in 0..255.

    identity, autocontrast, equalize, invert          no magnitude
    shear_x, shear_y           x'[i, j] = x[i, j + m i] or x[i + m j, j]: the upper left corner stays
    translate_x, translate_y   x'[i, j] = x[i, j + m] or x[i + m, j]; m in pixels, of which fractions are dropped
    rotate                     by m degrees against the clock around the centre
    posterize                  the first m of 8 bits are kept
    solarize                   values from m on are inverted: 255 - x
    brightness, contrast, color, sharpness
                               x' = d + m (x - d); d: black, the mean grey, the grey image, the image smoothed

Results are those of the Pillow library, in which the papers' authors computed them, to the bit (but for rotations that
read between pixels, where the last bit of a sine may cost one of 255). An operation is not applied to the images that
drew it, whose number the host would have to wait for. All images go through what the operations have in common: a table
of 256 values, a mixture with another image, a place to read from; each is the identity for operations of another kind.
"""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

OPERATIONS = (
    "identity", "autocontrast", "equalize", "invert", "shear_x", "shear_y", "translate_x", "translate_y", "rotate",
    "posterize", "solarize", "brightness", "contrast", "color", "sharpness",
)  # fmt: skip
SIGNED = ("shear_x", "shear_y", "translate_x", "translate_y", "rotate")  # a drawn direction
WHOLE = ("rotate", "posterize", "solarize")  # magnitudes in whole degrees, bits and values


def codes(names: Sequence[str]) -> Tensor:
    """Operations as numbers, int64."""
    return torch.tensor([OPERATIONS.index(name) for name in names])


def magnitudes(
    operation: Tensor, level: Tensor, highest: float, ranges: Mapping[str, tuple[float, float]], sign: Tensor
) -> Tensor:
    """The operations' magnitudes at levels of 0 to `highest`: on a line between the two values of their range.

    All have one shape; the result is float64. sign: uniforms; from 0.5 on, magnitudes with a direction are negative.
    """
    first, last = torch.tensor([ranges.get(name, (0.0, 0.0)) for name in OPERATIONS], dtype=torch.float64).unbind(1)
    moved = (last - first)[operation] * level / highest
    value = first[operation] + torch.where(_among(operation, WHOLE), moved.trunc(), moved)
    return torch.where(_among(operation, SIGNED) & (sign >= 0.5), -value, value)


def in_pixels(operation: Tensor, share: Tensor, images: Tensor) -> Tensor:
    """Translations as shares of the images' sides -> in pixels; other operations' magnitudes as they are."""
    height, width = images.shape[2:]
    share = torch.where(_among(operation, ("translate_x",)), share * width, share)
    return torch.where(_among(operation, ("translate_y",)), share * height, share)


def applied(
    images: Tensor,
    operations: Tensor,
    magnitudes: Tensor,
    mean: Tensor,
    std: Tensor,
    fill: float | None,
    bilinear: bool = False,
) -> Tensor:
    """Normalised B C H W -> the same, after each image's L operations (B L) in their order with its magnitudes (B L).

    mean, std: of the C channels, in 0..255. fill: value of pixels from outside the image; None is the mean, rounded.
    bilinear: what is moved is read between pixels, not from the nearest. Pixels are rounded to whole numbers first, but
    images that drew nothing but the identity stay as they are.
    """
    if images.shape[1] not in (1, 3):
        raise ValueError(f"images must have 1 or 3 channels, grey or red, green and blue, got {images.shape[1]}")
    mean, std = mean.view(-1, 1, 1), std.view(-1, 1, 1)
    outside = mean.round() if fill is None else torch.full_like(mean, fill)
    x = (images * std + mean).round().clamp(0, 255).to(torch.uint8, memory_format=torch.contiguous_format)
    for operation, magnitude in zip(operations.unbind(1), magnitudes.unbind(1), strict=True):
        grey = _grey(x)
        table = _tables(x, grey, operation, magnitude)
        x = _mixed(table.gather(2, x.flatten(2).long()).view_as(x), grey, operation, magnitude)
        x = _moved(x, operation, magnitude, outside, bilinear).to(torch.uint8)
    untouched = (operations == 0).all(1).view(-1, 1, 1, 1)
    return torch.where(untouched, images, (x.to(images.dtype) - mean) / std)  # in the memory format of `images`


def _among(operation: Tensor, names: Sequence[str]) -> Tensor:
    chosen = torch.zeros_like(operation, dtype=torch.bool)
    for name in names:
        chosen = chosen | (operation == OPERATIONS.index(name))
    return chosen


def _blend(other: Tensor, x: Tensor, factor: Tensor) -> Tensor:
    """other + factor (x - other) in float32, cut off at 0 and 255, without its fraction."""
    other = other.float()
    return ((x.float() - other) * factor.float()).add_(other).clamp_(0, 255).trunc_()


def _grey(x: Tensor) -> Tensor:
    """B C H W -> B 1 H W, int64: the luma of ITU-R 601, in 16 bits of fraction."""
    if x.shape[1] == 1:
        return x.long()
    red, green, blue = x.long().split(1, 1)
    return (19595 * red + 38470 * green + 7471 * blue + 32768) >> 16


def _tables(x: Tensor, grey: Tensor, operation: Tensor, magnitude: Tensor) -> Tensor:
    """What each value of a channel becomes: uint8 B C 256."""
    values = torch.arange(256, device=x.device)
    m, pixels = magnitude.view(-1, 1, 1), grey[0].numel()
    bits = m.clamp(0, 8).long()
    contrast = (2 * grey.sum((2, 3)) + pixels).div(2 * pixels, rounding_mode="floor").unsqueeze(2)  # mean, rounded
    choices = {
        "autocontrast": _autocontrast(x, values),
        "equalize": _equalize(x, values),
        "invert": 255 - values,
        "posterize": values & -(torch.ones_like(bits) << (8 - bits)),
        "solarize": torch.where(values < m, values, 255 - values),
        "brightness": _blend(torch.zeros_like(values), values, m).long(),
        "contrast": _blend(contrast, values, m).long(),
    }
    table = values.expand(*x.shape[:2], 256)
    for name, changed in choices.items():
        table = torch.where((operation == OPERATIONS.index(name)).view(-1, 1, 1), changed, table)
    return table.to(torch.uint8)


def _autocontrast(x: Tensor, values: Tensor) -> Tensor:
    """B C 256: the line that takes a channel's smallest value to 0 and its largest to 255."""
    low, high = (extreme.double().unsqueeze(2) for extreme in x.flatten(2).aminmax(dim=2))
    scale = torch.full_like(low, 255) / (high - low).clamp(min=1)  # 255 / x would be 255 times its reciprocal
    stretched = (values * scale - low * scale).trunc().clamp(0, 255).long()
    return torch.where(high > low, stretched, values)


def _equalize(x: Tensor, values: Tensor) -> Tensor:
    """B C 256: values by how many pixels lie below them. A step is 1/255 of the pixels without the brightest value."""
    flat = x.flatten(2).long()
    channel = 256 * torch.arange(flat.shape[0] * flat.shape[1], device=x.device).view(*flat.shape[:2], 1)
    index = (flat + channel).flatten()
    count = torch.zeros(channel.numel() * 256, dtype=torch.int64, device=x.device)
    count = count.scatter_add(0, index, torch.ones_like(index)).view(*flat.shape[:2], 256)
    brightest = count.gather(2, flat.amax(2, keepdim=True))
    step = (flat.shape[2] - brightest).div(255, rounding_mode="floor")
    below = count.cumsum(2) - count
    equalized = (below + (step >> 1)).div(step.clamp(min=1), rounding_mode="floor").clamp(max=255)
    return torch.where(step > 0, equalized, values)


def _mixed(x: Tensor, grey: Tensor, operation: Tensor, magnitude: Tensor) -> Tensor:
    """color and sharpness."""
    color, sharpness = (_among(operation, (name,)).view(-1, 1, 1, 1) for name in ("color", "sharpness"))
    other = torch.where(color, grey.float(), _smooth(x))
    mixed = _blend(other, x, magnitude.view(-1, 1, 1, 1)).to(torch.uint8)
    return torch.where(color | sharpness, mixed, x)


def _smooth(x: Tensor) -> Tensor:
    """The mean of the 3 x 3 pixels, in which the centre counts 5 times, rounded; the border stays."""
    smooth = x.float()
    if min(x.shape[2:]) >= 3:
        inner = smooth[..., 1:-1, 1:-1]
        total = F.avg_pool2d(smooth, 3, stride=1, divisor_override=1) + 4 * inner
        inner.copy_(((2 * total + 13) / 26).floor())
    return smooth


def _moved(x: Tensor, operation: Tensor, magnitude: Tensor, outside: Tensor, bilinear: bool) -> Tensor:
    """Shears, translations and rotations: the pixel in column j, row i is read at a j + b i + c, d j + e i + f."""
    height, width = x.shape[2:]
    m = magnitude.double()
    drew = {name: operation == OPERATIONS.index(name) for name in SIGNED}
    angle = torch.where(drew["rotate"], m.remainder(360) * (math.pi / 180), 0.0)
    cos, sin = ((1e15 * part).round() / 1e15 for part in (angle.cos(), angle.sin()))  # right angles are none by chance
    b, d = torch.where(drew["shear_x"], m, -sin), torch.where(drew["shear_y"], m, sin)
    x0, y0 = width / 2, height / 2  # rotations leave the centre; all others are as if it were the corner
    c = torch.where(drew["translate_x"], m.trunc(), torch.where(drew["rotate"], cos * -x0 + b * -y0 + x0, 0.0))
    f = torch.where(drew["translate_y"], m.trunc(), torch.where(drew["rotate"], d * -x0 + cos * -y0 + y0, 0.0))
    read = _between if bilinear else _nearest
    return read(x, (cos, b, c), (d, cos, f), outside)


def _nearest(x: Tensor, across: tuple[Tensor, ...], down: tuple[Tensor, ...], outside: Tensor) -> Tensor:
    """The pixel that holds the place; in numbers with 16 bits of fraction, as Pillow has them."""
    (u, v), (height, width) = (_fixed(along, x) for along in (across, down)), x.shape[2:]
    inside = (u >= 0) & (u < width) & (v >= 0) & (v < height)
    return torch.where(inside.unsqueeze(1), _read(x, u, v), outside)


def _fixed(line: tuple[Tensor, ...], x: Tensor) -> Tensor:
    """The whole part of a j + b i + c, at the pixels' centres: int64 B H W."""
    a, b, c = (term.view(-1, 1, 1) for term in line)
    a, b, c = ((65536 * term + 0.5).floor().long() for term in (a, b, c + (a + b) / 2))
    rows, columns = (torch.arange(size, device=x.device) for size in x.shape[2:])
    return (c + a * columns + b * rows.unsqueeze(1)) >> 16


def _between(x: Tensor, across: tuple[Tensor, ...], down: tuple[Tensor, ...], outside: Tensor) -> Tensor:
    """The four pixels around the place, weighed by their distance, without the fraction; a border's pixel repeats."""
    height, width = x.shape[2:]
    rows, columns = (torch.arange(size, device=x.device) + 0.5 for size in (height, width))
    u, v = (
        a.view(-1, 1, 1) * columns + b.view(-1, 1, 1) * rows.unsqueeze(1) + c.view(-1, 1, 1)
        for a, b, c in (across, down)
    )
    inside = (u >= 0) & (u < width) & (v >= 0) & (v < height)
    left, top = (u - 0.5).floor(), (v - 0.5).floor()
    right, bottom = (u - 0.5 - left).unsqueeze(1), (v - 0.5 - top).unsqueeze(1)
    corners = [[_read(x, (left + i).long(), (top + j).long()).double() for i in (0, 1)] for j in (0, 1)]
    upper, lower = (second.sub_(first).mul_(right).add_(first) for first, second in corners)
    return torch.where(inside.unsqueeze(1), lower.sub_(upper).mul_(bottom).add_(upper).trunc_(), outside.double())


def _read(x: Tensor, u: Tensor, v: Tensor) -> Tensor:
    """B C H W at columns u and rows v (int64 B H W), moved into the image where they are outside."""
    height, width = x.shape[2:]
    index = v.clamp(0, height - 1) * width + u.clamp(0, width - 1)
    return x.flatten(2).gather(2, index.flatten(1).unsqueeze(1).expand(-1, x.shape[1], -1)).view_as(x)
