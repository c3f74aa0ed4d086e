"""The seal of a run that has ended: SHA-256 of the files that tables read, in run.json, which has one of itself.

It is written with the state that ends the run, in one replacement of run.json. A copy of a folder is as good as the
folder: neither times nor paths are part of it, and lines may end as a version control system ends them.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from tricktable.runner import terminal
from tricktable.runner.disk import atomic
from tricktable.runner.disk.files import RunFiles
from tricktable.runner.disk.info import RunInfo
from tricktable.runner.disk.summary import Summary
from tricktable.runner.errors import StorageProblem

LIMIT = 64 << 20  # bytes of a file that is sealed
MEND = (
    "training such a run again keeps its damaged files as *.damaged and makes them anew; a folder whose run.json is "
    "damaged is first to be moved away, or restored from a backup"
)
CHANGED, GONE, NEW = "it was changed since the run ended (SHA-256)", "it is not there", "it was not there at the end"


@dataclass(frozen=True)
class Damage:
    """A run's folder that is there and cannot be used, and why, in words."""

    folder: Path
    what: str

    def __str__(self) -> str:
        return terminal.clean(f"{self.folder.parent.name}/{self.folder.name}: {self.what}")


def digest(data: bytes) -> str:
    """SHA-256 of a text file, hexadecimal."""
    return atomic.sha256(data.replace(b"\r\n", b"\n") if b"\r" in data else data)


def of(files: RunFiles) -> dict[str, str]:
    """The digests of the files as they are, by name; they are on the medium when this returns."""
    sealed = {}
    for path in files.sealed:
        if os.path.lexists(path):
            sealed[path.name] = digest(_read(path))
            with atomic.storage(path), atomic.opened(path, os.O_RDONLY) as handle:
                os.fsync(handle)
    return sealed


def found(path: Path, info: RunInfo) -> bytes | None:
    """A file's bytes as they were sealed, where the run has a seal; None where it is not there, and need not be.

    StorageProblem where they are others, or it is no plain file.
    """
    data = _read(path) if os.path.lexists(path) else None
    known = {sealed[path.name] for sealed in (info.seal, info.pending) if path.name in sealed}
    words = ""
    if data is None:
        words = GONE if path.name in info.seal else ""
    elif info.seal and digest(data) not in known:
        words = CHANGED if known else NEW
    if words:
        raise StorageProblem(terminal.clean(f"{path}: {words}"))
    return data


def needed(path: Path, info: RunInfo) -> bytes:
    """As `found`, of a file that every run has."""
    data = found(path, info)
    if data is None:
        raise StorageProblem(terminal.clean(f"{path}: {GONE}"))
    return data


def broken(path: Path, error: Exception | str) -> StorageProblem:
    """What is said of a file whose content is none."""
    return StorageProblem(terminal.clean(f"{path}: damaged ({' '.join(str(error).split())})"))


def damaged(files: RunFiles, info: RunInfo) -> dict[str, str]:
    """What is wrong with the files of a run that has ended, by name. Of one without a seal the summary is looked at."""
    wrong = {}
    for path in files.sealed if info.seal else (files.summary,):
        try:
            found(path, info) if info.seal else Summary.read(path)
        except StorageProblem as error:
            wrong[path.name] = str(error).removeprefix(f"{path}: ")
    return wrong


def told(files: RunFiles, info: RunInfo) -> str:
    """The same in one line; nothing where the run has not ended, or its files are whole."""
    return "; ".join(f"{name}: {words}" for name, words in damaged(files, info).items()) if info.ended else ""


def renew(folder: Path, name: str, data: bytes) -> None:
    """Replace a sealed file of a run whose lock is held.

    run.json first lists both digests, so that of a kill between the writes nothing is lost, and nothing seems damaged.
    """
    info = RunInfo.read(folder)
    if info is None or not info.seal:
        atomic.replace(folder / name, data)
        return
    sealed: Mapping[str, str] = {name: digest(data)}
    replace(info, pending=sealed).write(folder)
    atomic.crash("seal-pending")
    atomic.replace(folder / name, data)
    atomic.crash("seal-replaced")
    replace(info, seal={**info.seal, **sealed}, pending={}).write(folder)


def set_aside(path: Path) -> str:
    """Keep a damaged file as the first free `*.damaged`, whose name is returned."""
    target, number = path.with_name(f"{path.name}.damaged"), 1
    while os.path.lexists(target):
        number += 1
        target = path.with_name(f"{path.name}.damaged-{number}")
    with atomic.storage(path):
        os.rename(path, target)
    return target.name


def _read(path: Path) -> bytes:
    """Its bytes; StorageProblem where it is no plain file, or cannot be read."""
    with atomic.storage(path):
        try:
            return atomic.read(path, LIMIT)
        except ValueError as error:
            raise StorageProblem(terminal.clean(f"{path}: damaged ({error})")) from error
