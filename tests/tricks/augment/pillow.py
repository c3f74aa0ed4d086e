"""The operations as the papers' authors had them, in Pillow; images one after another."""

import numpy as np
import torch
from PIL import Image, ImageEnhance, ImageOps

from tricktable.tricks.augment._operations import OPERATIONS

MEAN, STD = torch.tensor([125.3, 122.9, 113.9]), torch.tensor([63.0, 62.1, 66.7])
ENHANCE = {
    "brightness": ImageEnhance.Brightness,
    "contrast": ImageEnhance.Contrast,
    "color": ImageEnhance.Color,
    "sharpness": ImageEnhance.Sharpness,
}


def operate(image, name, m, fill=0, bilinear=False):
    """One operation on an Image."""
    if name in ENHANCE:
        return ENHANCE[name](image).enhance(m)
    if name in ("identity", "autocontrast", "equalize", "invert"):
        return image if name == "identity" else getattr(ImageOps, name)(image)
    if name in ("posterize", "solarize"):
        return getattr(ImageOps, name)(image, int(m))
    how = {
        "resample": Image.BILINEAR if bilinear else Image.NEAREST,
        "fillcolor": fill if image.mode == "L" else (fill,) * 3,
    }
    if name == "rotate":
        return image.rotate(m, **how)
    matrix = {
        "shear_x": (1, m, 0, 0, 1, 0),
        "shear_y": (1, 0, 0, m, 1, 0),
        "translate_x": (1, 0, int(m), 0, 1, 0),
        "translate_y": (1, 0, 0, 0, 1, int(m)),
    }[name]
    return image.transform(image.size, Image.AFFINE, matrix, **how)


def chain(pixels, operations, magnitudes, fill=0, bilinear=False):
    """uint8 C H W through several operations (their numbers and magnitudes, in order) -> uint8 C H W."""
    image = Image.fromarray(pixels[0] if len(pixels) == 1 else np.moveaxis(pixels, 0, 2))
    for number, m in zip(operations.tolist(), magnitudes.tolist(), strict=True):
        image = operate(image, OPERATIONS[number], m, fill, bilinear)
    out = np.asarray(image)
    return out[None] if out.ndim == 2 else np.moveaxis(out, 2, 0)


def pictures(channels=3, size=(32, 32), seed=0):
    """uint8 8 C H W: noise, pale noise, one colour, few values, and smooth ones."""
    rng = np.random.default_rng(seed)
    shape = channels, *size
    ramp = np.add.outer(np.linspace(0, 200, size[0]), np.linspace(0, 55, size[1]))
    some = [
        rng.integers(0, 256, shape),
        rng.integers(60, 90, shape),
        np.full(shape, 77),
        rng.choice([0, 0, 200], shape),
    ]
    some += [np.clip(ramp + rng.normal(0, s, shape), 0, 255) for s in (0, 3, 20, 60)]
    return np.stack(some).astype(np.uint8)


def normalised(pixels):
    """uint8 B C H W -> float32, as the runner does it."""
    c = pixels.shape[1]
    return (torch.tensor(pixels).float() - MEAN[:c].view(-1, 1, 1)) / STD[:c].view(-1, 1, 1)


def raw(images):
    """The other way round, float32 B C H W in 0..255, not rounded."""
    c = images.shape[1]
    return images * STD[:c].view(-1, 1, 1) + MEAN[:c].view(-1, 1, 1)
