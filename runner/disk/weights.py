"""Files of weights from elsewhere: .safetensors, and PyTorch's .pth and .pt. Nothing in them is run.

The latter are pickles, and are read by torch's own reader of tensors and plain containers (`weights_only`), which
refuses whatever else they name.
"""

import hashlib
import os
import zipfile
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tricktable.runner.disk import atomic
from tricktable.runner.errors import BadInput
from tricktable.runner.terminal import clean

if TYPE_CHECKING:
    from torch import Tensor

SUFFIXES = (".safetensors", ".pth", ".pt")
LIMIT = 8 << 30  # bytes, of the file and of what is packed in it
WITHIN = ("state_dict", "model")  # where training programs put the weights beside their own state
WRAPPED = "module."  # before each name, where a network was saved in its DataParallel


def is_file(name: str) -> bool:
    """Whether a name is that of a file of weights; runs' names do not end so."""
    return name.endswith(SUFFIXES)


def digest(name: str) -> str:
    """The file's SHA-256; BadInput where it cannot be read."""
    path = Path(os.path.expanduser(name))
    try:
        status = path.stat()
        return _digest(path.resolve(), status.st_size, status.st_mtime_ns)
    except OSError as error:
        raise BadInput(clean(f"{name}: {atomic.reason(error)}")) from None


@lru_cache(maxsize=64)
def _digest(path: Path, size: int, changed: int) -> str:
    """Of a file as it was then: it is asked for again and again."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read(name: str) -> "Mapping[str, Tensor]":
    """The file's tensors by name, on the CPU; BadInput where it holds none, or something that is no weight."""
    path = Path(os.path.expanduser(name))
    try:
        found = _safetensors(path) if name.endswith(".safetensors") else _pickled(path)
    except Exception as error:  # a parser of foreign bytes may raise anything; all of it means the same
        raise BadInput(clean(f"{name}: not a file of weights ({_first_line(error)})"[:300])) from None
    if not found:
        raise BadInput(clean(f"{name}: no weights are in it, as tensors by their names"))
    return found


def _first_line(error: Exception) -> str:
    return atomic.reason(error).partition("\n")[0].partition(". ")[0]


def _safetensors(path: Path) -> "dict[str, Tensor]":
    import safetensors.torch

    return dict(safetensors.torch.load(atomic.read(path.resolve(), LIMIT)))


def _pickled(path: Path) -> "dict[str, Tensor]":
    import torch

    if path.stat().st_size > LIMIT:
        raise ValueError(f"it has more than the {LIMIT} bytes allowed")
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as packed:
            if sum(each.file_size for each in packed.infolist()) > LIMIT:
                raise ValueError(f"it unpacks to more than the {LIMIT} bytes allowed")
    return _tensors(torch.load(path, map_location="cpu", weights_only=True))


def _tensors(found: Any) -> "dict[str, Tensor]":
    """The tensors of what a file holds: a mapping of names, or one within it."""
    import torch

    if not isinstance(found, Mapping):
        return {}
    for name in WITHIN:
        if isinstance(found.get(name), Mapping):
            return _tensors(found[name])
    tensors = {name: each for name, each in found.items() if isinstance(name, str) and isinstance(each, torch.Tensor)}
    wrapped = all(name.startswith(WRAPPED) for name in tensors)
    return {name.removeprefix(WRAPPED) if wrapped else name: each for name, each in tensors.items()}
