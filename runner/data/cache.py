"""What is kept between runs, in one folder: decoded images, and small values that took a pass over a whole set.

Nothing rests on it: a file that is missing, damaged or of another version is made anew, and a folder that cannot be
written only costs time. Files appear whole (a temporary name, fsync, a rename): several processes may write one.
"""

import contextlib
import hashlib
import importlib.metadata
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tricktable.runner.data.decode import Decoded
from tricktable.runner.data.source import fingerprint

VERSION = 2  # of the decoding in worker.py: what it makes of a file
ARRAYS = ("train_images", "train_labels", "test_images", "test_labels")
FACTS = ("classes", "formats", "modes", "test_names")


def cache_folder() -> Path:
    """$TRICKTABLE_CACHE, or tricktable in $XDG_CACHE_HOME, or ~/.cache/tricktable. It need not exist."""
    own, base = os.environ.get("TRICKTABLE_CACHE"), os.environ.get("XDG_CACHE_HOME", "")
    if own:
        return Path(os.path.expanduser(own))
    return (Path(base) if os.path.isabs(base) else Path(os.path.expanduser("~/.cache"))) / "tricktable"


def key(*parts: object) -> str:
    """A name for what is made of these, by this version of what decodes."""
    versions = VERSION, importlib.metadata.version("pillow")
    return hashlib.sha256(repr((versions, parts)).encode()).hexdigest()[:32]


def digest(path: Path) -> str:
    """The SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def decoded(name: str, make: Callable[[], Decoded]) -> Decoded:
    """The decoded set of this key, from the cache where it is there and whole, else made and kept."""
    path = cache_folder() / f"images-{name}.safetensors"
    found = _load(path)
    if found is None:
        found = make()
        _keep(path, lambda temporary: _save(found, temporary))
    else:
        _note_use(path)
    return found


def remembered(kind: str, name: str, make: Callable[[], Any]) -> Any:
    """A small value (JSON) of this key, from the cache where it is there and whole, else made and kept."""
    path = cache_folder() / f"{kind}-{name}.json"
    try:
        kept = json.loads(path.read_bytes())
        if kept["sha256"] == _seal(kept["value"]):
            _note_use(path)
            return kept["value"]
        _say_damaged(path)
    except FileNotFoundError:
        pass
    except (OSError, ValueError, KeyError, TypeError):
        _say_damaged(path)
    value = make()
    _keep(path, lambda temporary: temporary.write_text(json.dumps({"value": value, "sha256": _seal(value)})))
    return value


def _note_use(path: Path) -> None:
    """For `tricktable cache`: file systems seldom note when a file is read."""
    with contextlib.suppress(OSError):
        os.utime(path)


def _load(path: Path) -> Decoded | None:
    """What a cache file holds; None where there is none, or where its bytes are not those that were written."""
    if not path.is_file():
        return None
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            arrays = [file.get_tensor(name) for name in ARRAYS]
            metadata = file.metadata()
        facts = json.loads(metadata["facts"])
        if metadata["fingerprint"] != fingerprint(*arrays) or metadata["seal"] != _seal(facts):
            raise ValueError("other bytes than were written")
        if "test_names" not in facts:  # an earlier version's, which did not keep them
            return None
        known = {name: tuple(facts[name]) for name in FACTS}
        return Decoded(arrays[0], arrays[1], arrays[2], arrays[3], fingerprint=metadata["fingerprint"], **known)
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, RuntimeError):
        _say_damaged(path)
        return None


def _save(images: Decoded, path: Path) -> None:
    from safetensors.torch import save_file

    facts = {name: list(getattr(images, name)) for name in FACTS}
    metadata = {"fingerprint": images.fingerprint, "facts": json.dumps(facts), "seal": _seal(facts)}
    save_file({name: getattr(images, name).contiguous() for name in ARRAYS}, path, metadata)


def _seal(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _say_damaged(path: Path) -> None:
    print(f"{path}: this cache file is damaged; it is made anew", file=sys.stderr)


def _keep(path: Path, write: Callable[[Path], object]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _replacing(path) as temporary:
            write(temporary)
    except Exception as error:  # safetensors has its own kinds; whatever it is, the images are there already
        reason = " ".join(str(error).split())
        print(f"{path.parent}: nothing can be kept here ({reason}); set TRICKTABLE_CACHE", file=sys.stderr)


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """A temporary file beside `path` that takes its place, once it is whole and on disk."""
    handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=".tmp", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
