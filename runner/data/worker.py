"""Decoding of image files. Imports PIL and numpy only, so that a process that does nothing else starts at once."""

import io
import os
import signal
import threading
import warnings
from collections.abc import Sequence
from multiprocessing import parent_process
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from tricktable.runner import machine

MAX_BYTES = 64 * 2**20  # of one encoded image
MAX_PIXELS = 64 * 2**20  # of one decoded image
DENSE = 16 * 2**20  # pixels: a scanned page, which may be blank, has fewer
MAX_DENSITY = 400  # pixels to an encoded byte of an image that has more than those; one flat colour in PNG has 344
MAX_RATIO = 100  # of an image's sides: a sliver grows without bound when its short side is resized

FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "PPM")
DEEP = ("I", "I;16", "I;16L", "I;16B", "I;16N")  # 16 bits of grey, which PIL may hold in 32
STEPS = 257  # of 16 bits that are one of 8: 65535 / 255
LISTED = 20  # broken images that are named, of any number
BEHIND = "white"  # what transparent pixels are laid on


class Batch(NamedTuple):
    """Decoded images, uint8 n C H W, and which formats and modes (PIL's words) the files were in."""

    images: NDArray[np.uint8]
    formats: frozenset[str]
    modes: frozenset[str]


def start() -> None:
    """Prepare a decoding process: Ctrl-C is its parent's affair, and it ends when its parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    machine.keep_memory()
    parent = parent_process()
    assert parent is not None, "this is a child"

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def open_image(data: bytes, channels: int) -> tuple[Image.Image, str, str]:
    """An encoded image as RGB (channels 3) or grey (1), with its format and mode. ValueError says what is wrong.

    It is turned upright as its EXIF data says, and laid on white where it is transparent; 16 bits become 8, 65535 being
    255.
    """
    try:
        image = _opened(data)
        found, mode = str(image.format), image.mode
        return converted(image, channels), found, mode
    except ValueError:
        raise
    except Exception as error:  # PIL's readers raise whatever their formats' parsers do (SyntaxError, struct.error ...)
        reason = "no image of a known format" if isinstance(error, UnidentifiedImageError) else error
        raise ValueError(f"expected a whole image, found {reason}") from None


def _opened(data: bytes) -> Image.Image:
    """An image whose pixels are not decoded yet: its size is within the limits."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    width, height = image.size
    if width * height > MAX_PIXELS or max(width, height) > MAX_RATIO * min(width, height):
        raise ValueError(
            f"expected at most {MAX_PIXELS} pixels and sides of at most {MAX_RATIO}:1, found {width}x{height}"
        )
    if width * height > max(DENSE, MAX_DENSITY * len(data)):
        raise ValueError(f"expected at most {MAX_DENSITY} pixels to a byte, found {width}x{height} in {len(data)}")
    return image


def dimensions(data: bytes) -> tuple[int, int]:
    """(width, height) of an encoded image, from its header. ValueError where it has none that can be used."""
    try:
        return _opened(data).size
    except Exception as error:
        raise ValueError(str(error)) from None


def converted(image: Image.Image, channels: int) -> Image.Image:
    """An opened image, which may be turned in its place, as `open_image` gives it, its pixels read.

    ValueError where they are no whole numbers.
    """
    if image.mode == "F":
        raise ValueError("expected 8 or 16 bits per channel, found mode F")
    plain, mode = _plain(image), "RGB" if channels == 3 else "L"
    if plain.mode != mode:
        return plain.convert(mode)
    plain.load()  # no copy of what is so already: each takes as long as the decoding of a photograph
    return plain


def _plain(image: Image.Image) -> Image.Image:
    """The image upright (it is turned in its place), opaque and in 8 bits."""
    ImageOps.exif_transpose(image, in_place=True)
    if image.mode in DEEP:
        values = np.asarray(image).astype(np.int64)
        if values.min() < 0 or values.max() >= 2**16:
            raise ValueError("expected at most 16 bits per channel, found more")
        return Image.fromarray(((values + STEPS // 2) // STEPS).astype(np.uint8))
    if not image.has_transparency_data:
        return image
    below = Image.new("RGBA", image.size, BEHIND)
    below.alpha_composite(image.convert("RGBA"))
    return below


def square(image: Image.Image, size: int) -> Image.Image:
    """The centre square, resized to size x size: short side resized and centre cropped in one step."""
    width, height = image.size
    side = min(width, height)
    left, top = (width - side) / 2, (height - side) / 2
    return image.resize((size, size), Image.Resampling.BILINEAR, box=(left, top, left + side, top + side))


def centre(image: Image.Image, size: int, resize: int | None) -> Image.Image:
    """An image as it is evaluated: its short side resized to `resize`, then the size x size pixels in its centre.

    Without `resize`, the centre square in one step. What a pixel is rounded to is as in torchvision, for both steps.
    """
    if resize is None:
        return square(image, size)
    short = min(image.size)
    width, height = (resize * side // short for side in image.size)
    left, top = round((width - size) / 2), round((height - size) / 2)
    whole = image.resize((width, height), Image.Resampling.BILINEAR)
    return whole.crop((left, top, left + size, top + size))


def resized_crop(image: Image.Image, box: tuple[int, ...], size: int, interpolation: str) -> Image.Image:
    """The pixels of a box (top, left, height, width), resized to size x size. `interpolation`: bilinear or bicubic."""
    top, left, height, width = box
    inside = image.crop((left, top, left + width, top + height))
    return inside.resize((size, size), Image.Resampling[interpolation.upper()])


def planes(image: Image.Image, channels: int) -> NDArray[np.uint8]:
    """The pixels of an image, C H W."""
    return np.asarray(image).reshape(image.height, image.width, channels).transpose(2, 0, 1)


def decode(
    names: list[str], encoded: list[bytes], size: int | None, channels: int, resize: int | None = None
) -> Batch | list[str] | str:
    """The images of some files (at least one) in this order; or a sentence on each that is broken.

    Where none is, but two differ in size, one sentence (a text, and no list) on these.
    """
    images: NDArray[np.uint8] | None = None
    formats: set[str] = set()
    modes: set[str] = set()
    broken: list[str] = []
    first = odd = ""
    for i, (name, data) in enumerate(zip(names, encoded, strict=True)):
        try:
            image, found, mode = open_image(data, channels)
        except ValueError as error:
            broken.append(f"{name}: {' '.join(str(error).split())}")
            continue
        formats.add(found)
        modes.add(mode)
        if size is not None:
            image = centre(image, size, resize)
        pixels = planes(image, channels)
        if images is None:
            images = np.empty((len(names), channels, image.height, image.width), np.uint8)
            first = name
        if pixels.shape == images.shape[1:]:
            images[i] = pixels
        else:
            odd = odd or different(first, images.shape[2:], name, pixels.shape[1:])
    if broken or odd:
        return broken or odd
    assert images is not None, "at least one file"
    return Batch(images, frozenset(formats), frozenset(modes))


def different(name: str, shape: tuple[int, ...], other: str, found: tuple[int, ...]) -> str:
    """The sentence on two images of different sizes (H, W)."""
    return (
        f"{other}: expected {shape[1]}x{shape[0]} pixels as {name} has, found {found[1]}x{found[0]}; "
        "set data.size to bring all images to one size"
    )


def broken_images(sentences: Sequence[str]) -> str:
    """One line on the images that cannot be used: the first of them, and how many more there are."""
    if len(sentences) == 1:
        return f"{sentences[0]}; replace or remove it"
    more = f"; and {len(sentences) - LISTED} more" if len(sentences) > LISTED else ""
    listed = "; ".join(sentences[:LISTED])
    return f"{len(sentences)} images cannot be used: {listed}{more}; replace or remove them"
