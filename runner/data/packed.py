"""The form of a packed set: one safetensors file, whose images are mapped into memory and read as they are drawn.

    train_images, test_images    uint8 N C H W, decoded and of one size
    train_labels, test_labels    int64 N
    train_names, test_names      uint8, the images' files: UTF-8, a line for each
    metadata                     `form`; `facts`, JSON; `fingerprint` of the images and labels (source.fingerprint);
                                 `seal`, the SHA-256 of the facts, the names and the fingerprint

The fingerprint is that of the same images in memory. No file of this form can run anything when it is read.
"""

import hashlib
import json
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tricktable.runner.data.source import fingerprint
from tricktable.runner.errors import DataProblem

FORM = "tricktable packed 1"
ARRAYS = ("train_images", "train_labels", "test_images", "test_labels")  # in this order in the file, and hashed
NAMES = ("train_names", "test_names")  # behind them
TYPES = {torch.uint8: "U8", torch.int64: "I64"}
UNKNOWN = "sha256:" + "0" * 64  # in the place of a fingerprint, until the images are written
SIZES = {"U8": 1, "I64": 8}  # bytes
FACTS = {"classes": list, "title": str, "drawn": bool, "source": str}


@dataclass(frozen=True)
class Packed:
    """What a file of this form holds; the images are mapped, the rest is read."""

    arrays: tuple[Tensor, Tensor, Tensor, Tensor]
    names: tuple[tuple[str, ...], tuple[str, ...]]
    facts: Mapping[str, Any]
    fingerprint: str

    def whole(self) -> bool:
        """Whether the images and labels are those that were packed: reads all of the file."""
        return fingerprint(*self.arrays) == self.fingerprint


def header(shapes: Mapping[str, tuple[str, tuple[int, ...]]], facts: str, found: str, seal: str) -> bytes:
    """The head of such a file: safetensors' length and table. Its length does not depend on the digests."""
    table: dict[str, Any] = {"__metadata__": {"form": FORM, "facts": facts, "fingerprint": found, "seal": seal}}
    at = 0
    for name, (kind, shape) in shapes.items():
        end = at + SIZES[kind] * math.prod(shape)
        table[name] = {"dtype": kind, "shape": list(shape), "data_offsets": [at, end]}
        at = end
    text = json.dumps(table).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text


def seal(facts: str, names: tuple[bytes, bytes], found: str) -> str:
    """What the metadata and the names are held against."""
    digest = hashlib.sha256()
    for part in (facts.encode(), *names, found.encode()):
        digest.update(struct.pack("<Q", len(part)) + part)
    return digest.hexdigest()


def read(path: Path) -> Packed:
    """A file of this form. DataProblem, one line, for any other, and where its parts do not fit together.

    Of the images only the shape is looked at: see Packed.whole.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("form") != FORM:
                raise ValueError("another file" if "form" not in metadata else f"the form {metadata['form'][:40]!r}")
            if set(file.keys()) != {*ARRAYS, *NAMES}:
                raise ValueError(f"the arrays {', '.join(sorted(file.keys()))[:80]}")
            arrays = [file.get_tensor(name) for name in ARRAYS]
            names = [file.get_tensor(name) for name in NAMES]
        return _checked(arrays, names, metadata)
    except OSError as error:
        raise DataProblem(f"{path}: expected a packed set, found: {error.strerror or error}") from None
    except (SafetensorError, ValueError, KeyError, TypeError, RecursionError) as error:
        reason = ascii(" ".join(str(error).split()))[1:-1]
        raise DataProblem(
            f"{path}: expected a set that `tricktable pack` made, found {reason}; pack it again"
        ) from None


def _checked(arrays: list[Tensor], names: list[Tensor], metadata: Mapping[str, str]) -> Packed:
    """ValueError says what is wrong."""
    facts, found = json.loads(metadata["facts"]), metadata["fingerprint"]
    if not isinstance(facts, dict) or {name: type(value) for name, value in facts.items()} != FACTS:
        raise ValueError("other facts")
    lines = [_lines(each) for each in names]
    if metadata["seal"] != seal(metadata["facts"], (lines[0], lines[1]), found):
        raise ValueError("other facts or names than were written")
    classes = facts["classes"]
    if not classes or not all(isinstance(each, str) and each.isprintable() for each in [*classes, facts["title"]]):
        raise ValueError("names of classes that cannot be printed")
    read = []
    for images, labels, text in zip(arrays[::2], arrays[1::2], lines, strict=True):
        each = tuple(text.decode().split("\n")) if len(text) else ()
        if images.dtype != torch.uint8 or images.ndim != 4 or labels.dtype != torch.int64:
            raise ValueError(f"images of {images.dtype} {tuple(images.shape)} with labels of {labels.dtype}")
        if labels.shape != images.shape[:1] or len(each) != len(labels) or not len(labels):
            raise ValueError(f"{len(images)} images, {labels.numel()} labels and {len(each)} names of a split")
        if not (int(labels.min()) >= 0 and int(labels.max()) < len(classes)):
            raise ValueError(f"labels beyond the {len(classes)} classes")
        if not all(map(str.isprintable, each)):
            raise ValueError("names that cannot be printed")
        read.append(each)
    if arrays[0].shape[1:] != arrays[2].shape[1:] or not math.prod(arrays[0].shape[1:]):
        raise ValueError(f"images of {tuple(arrays[0].shape[1:])} and of {tuple(arrays[2].shape[1:])}")
    mapped = arrays[0], arrays[1].clone(), arrays[2], arrays[3].clone()
    return Packed(mapped, (read[0], read[1]), facts, found)


def _lines(names: Tensor) -> bytes:
    if names.dtype != torch.uint8 or names.ndim != 1:
        raise ValueError(f"names of {names.dtype}")
    return names.numpy().tobytes()
