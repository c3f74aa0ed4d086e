"""Images as a user has them -> batches as a run's data source makes them: decoded and sized by the same code."""

import itertools
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from tricktable.runner import data, terminal
from tricktable.runner.config.schema import DataConfig
from tricktable.runner.data import members, worker
from tricktable.runner.errors import BadInput, DataProblem
from tricktable.runner.training.evaluate import BATCH

Named = tuple[str | int, Tensor]  # an image's path or number, and its pixels, C H W
FULL = 255  # what a picture's file has for white


@dataclass(frozen=True)
class Form:
    """What a network takes: (C, H, W); `resize` as in worker.centre; `white` the value of a white pixel."""

    shape: tuple[int, int, int]
    resize: int | None
    white: int

    @staticmethod
    def of(config: DataConfig, shape: tuple[int, int, int]) -> "Form":
        """That of a run's data source, whose images are of this shape."""
        return Form(shape, config.arguments.get("resize"), data.white(config))

    def __str__(self) -> str:
        channels, height, width = self.shape
        return f"B x {channels} x {height} x {width}"


def batches(images: Any, form: Form) -> Iterator[tuple[list[str | int], Tensor]]:
    """Batches of what `Classifier.predict` takes, with each image's path or number; pixels in the run's own scale.

    BadInput for what are no such images; DataProblem names the files that cannot be read, those of a batch together.
    """
    if isinstance(images, Tensor | np.ndarray):
        whole = _pixels(images, form)
        for start in range(0, len(whole), BATCH):
            part = whole[start : start + BATCH]
            yield list(range(start, start + len(part))), part
        return
    numbered = enumerate(_several(images))
    while some := list(itertools.islice(numbered, BATCH)):
        named = _decoded(some, form)
        yield [name for name, _ in named], torch.stack([pixels for _, pixels in named])


def _several(images: Any) -> Iterable[Any]:
    """One image or many as many; a folder is the images in it, by name."""
    if isinstance(images, str | os.PathLike):
        path = Path(os.path.expanduser(images))
        return _folder(path) if path.is_dir() else [path]
    if isinstance(images, Image.Image):
        return [images]
    if not isinstance(images, Iterable):
        raise BadInput(f"images: expected paths, pictures or arrays, got {type(images).__name__}")
    return images


def _folder(path: Path) -> list[Path]:
    found = sorted(each for each in path.rglob("*") if each.suffix.lower() in members.IMAGES and each.is_file())
    if not found:
        raise DataProblem(terminal.clean(f"{path}: expected images ({', '.join(members.IMAGES)}) in it, found none"))
    return found


def _decoded(some: list[tuple[int, Any]], form: Form) -> list[Named]:
    found: list[Named] = []
    broken: list[str] = []
    for number, each in some:
        path = Path(os.path.expanduser(each)) if isinstance(each, str | os.PathLike) else None
        try:
            if path is not None:
                found.append((str(path), _read(path, form)))
            elif isinstance(each, Image.Image):
                found.append((number, _picture(worker.converted(each.copy(), form.shape[0]), form)))
            elif isinstance(each, Tensor | np.ndarray):
                found.append((number, _pixels(each[None], form)[0]))
            else:
                raise BadInput(f"images: expected paths, pictures or arrays, got {type(each).__name__}")
        except OSError as error:
            broken.append(f"{path}: expected a file that can be read, found: {error.strerror}")
        except ValueError as error:
            broken.append(f"{f'image {number}' if path is None else path}: {' '.join(str(error).split())}")
    if broken:
        raise DataProblem(terminal.clean(worker.broken_images(broken)))
    return found


def _read(path: Path, form: Form) -> Tensor:
    """OSError or ValueError where it cannot be read."""
    if path.stat().st_size > worker.MAX_BYTES:
        raise ValueError(f"expected at most {worker.MAX_BYTES} bytes, found more")
    picture, _, _ = worker.open_image(path.read_bytes(), form.shape[0])
    return _picture(picture, form)


def _picture(picture: Image.Image, form: Form) -> Tensor:
    """A picture as the run's source brings it to size: uint8 C H W. ValueError where it cannot."""
    channels, height, width = form.shape
    if height == width:
        picture = worker.centre(picture, height, form.resize)
    elif picture.size != (width, height):
        raise ValueError(f"expected {width}x{height} pixels as the run's images have, found {picture.size}")
    pixels = torch.from_numpy(worker.planes(picture, channels).copy())
    return pixels if form.white == FULL else (pixels.float() * (form.white / FULL)).round().to(torch.uint8)


def _pixels(images: Tensor | np.ndarray, form: Form) -> Tensor:
    """An array B C H W in the run's own scale: of whole numbers as they are, of others from shares of white."""
    pixels = torch.as_tensor(np.ascontiguousarray(images)) if isinstance(images, np.ndarray) else images.detach()
    if tuple(pixels.shape[1:]) != form.shape:
        raise BadInput(f"images: expected an array {form}, got {' x '.join(map(str, pixels.shape))}")
    if not len(pixels):
        raise BadInput("images: expected one at least, got none")
    high = 1 if pixels.is_floating_point() else form.white
    if pixels.is_complex() or not bool(((pixels >= 0) & (pixels <= high)).all()):
        what = "shares of white, 0 to 1" if pixels.is_floating_point() else f"whole numbers, 0 to {form.white}"
        raise BadInput(f"images: expected {what}, got {pixels.dtype} with values beyond".replace("torch.", ""))
    return pixels.float() * form.white if pixels.is_floating_point() else pixels.to(torch.uint8)
