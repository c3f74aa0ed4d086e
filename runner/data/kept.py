"""`tricktable cache`: what the cache folder keeps, by name, size and last use; and its removal.

Only what this program puts there is listed and removed: the folder may be anybody's ($TRICKTABLE_CACHE).
"""

import os
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tricktable.runner import terminal
from tricktable.runner.data.cache import cache_folder
from tricktable.runner.errors import BadInput, StorageProblem, suggest

KINDS = {  # of names, in words
    r"images-[0-9a-f]{32}\.safetensors": "a folder's or archive's images, decoded",
    r"[a-z]+-[0-9a-f]{32}\.json": "what a pass over all images found",
    r"cifar-100?-(batches-py|python(\.tar\.gz)?)": "CIFAR, as it was fetched",
    r"cifar10\.1_v\d_(data|labels)\.npy": "CIFAR-10.1, as it was fetched",
    r"(Fashion)?MNIST": "MNIST or Fashion-MNIST, as it was fetched",
    r"(train|test)_32x32\.mat": "SVHN, as it was fetched",
    r"\.download-\w+|\.\w[\w-]*\.tmp": "the rest of a process that was killed, or the work of one that runs",
}


@dataclass(frozen=True)
class Kept:
    """An entry of the cache folder: what it is, its bytes, and when it was last read or written."""

    path: Path
    about: str
    size: int
    used: datetime


def kept() -> list[Kept]:
    """Every entry, the largest first; none where the folder is not there."""
    folder = cache_folder()
    if not folder.is_dir():
        return []
    about = {path: next((said for name, said in KINDS.items() if re.fullmatch(name, path.name)), None)
             for path in folder.iterdir()}  # fmt: skip
    found = [_kept(path, said) for path, said in about.items() if said]
    return sorted(found, key=lambda each: (-each.size, each.path.name))


def _kept(path: Path, about: str) -> Kept:
    states = list(_states(path))
    used = max((max(state.st_atime, state.st_mtime) for state in states), default=0.0)
    return Kept(path, about, sum(state.st_size for state in states), datetime.fromtimestamp(used, UTC))


def _states(path: Path) -> Iterator[os.stat_result]:
    """Of a file, or of those in a folder; links are not followed, and a file that is gone meanwhile is passed over."""
    files = path.rglob("*") if path.is_dir() and not path.is_symlink() else [path]
    for file in files:
        try:
            if not file.is_dir() or file.is_symlink():
                yield file.lstat()
        except FileNotFoundError:
            continue


def show() -> None:
    """Print what is kept, a line for each entry."""
    entries = kept()
    width = max((len(each.path.name) for each in entries), default=0)
    for each in entries:
        print(
            f"{terminal.clean(each.path.name):<{width}}  {_size(each.size):>8}  used {each.used:%Y-%m-%d}  {each.about}"
        )
    total = f"{len(entries)} entries, {_size(sum(each.size for each in entries))}" if entries else "nothing is kept"
    print(f"{cache_folder()}: {total}")


def clear(name: str) -> None:
    """Remove one entry, or all where no name is given; on a terminal they are shown and it is asked before.

    BadInput where nothing has this name; StorageProblem where something cannot be removed.
    """
    entries = [each for each in kept() if not name or each.path.name == name]
    if name and not entries:
        raise BadInput(f"{cache_folder()} keeps nothing called {name}{suggest(name, [e.path.name for e in kept()])}")
    if entries and sys.stdin.isatty() and sys.stdout.isatty() and not _agreed(entries):
        return
    for each in entries:
        try:
            shutil.rmtree(each.path) if each.path.is_dir() and not each.path.is_symlink() else each.path.unlink()
        except OSError as error:
            raise StorageProblem(f"{each.path}: it cannot be removed ({error.strerror})") from None
    print(f"{cache_folder()}: {len(entries)} removed, {_size(sum(each.size for each in entries))}")


def _agreed(entries: Sequence[Kept]) -> bool:
    for each in entries:
        print(f"{terminal.clean(each.path.name)}  {_size(each.size)}")
    return input("Remove these? They are made or fetched again when they are needed. [y/N] ").strip().lower() == "y"


def _size(size: float) -> str:
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
