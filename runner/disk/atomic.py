"""What all writing to disk shares: a file is there whole or not at all, and a full disk is one line.

A file is written beside its place under a temporary name, flushed to the medium, and renamed over the old
one: whoever reads sees the old bytes or the new ones, whenever the process is killed.
"""

import contextlib
import errno
import hashlib
import json
import math
import os
import re
import secrets
import shutil
import signal
import socket
import stat
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tricktable.runner.errors import StorageProblem
from tricktable.runner.terminal import clean

_REASONS = {
    errno.ENOSPC: "no space left on the device",
    errno.EDQUOT: "the disk quota is used up",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "no permission",
    errno.EPERM: "no permission",
    errno.EIO: "the device reports an input/output error",
    errno.ENOENT: "it, or the folder that holds it, is not there",
    errno.ENOTDIR: "a part of the path is not a folder",
    errno.EFBIG: "the file would be larger than is allowed here",
    errno.ENAMETOOLONG: "the name is too long",
    errno.ELOOP: "it is a symbolic link",
    errno.ENOLCK: "the file system has no locks",
    errno.EOPNOTSUPP: "the file system cannot do this",
    errno.ESTALE: "it was replaced by another host again and again (stale file handle)",
}
PAUSES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0)  # seconds between tries to read what another host replaces
_TEMPORARY = re.compile(r"\.tmp-([1-9][0-9]{0,8})-([0-9a-f]+)")
_HOST = hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]
_passed: Counter[str] = Counter()


def reason(error: BaseException) -> str:
    """An error in words, on one line."""
    if isinstance(error, OSError):
        return _REASONS.get(error.errno or 0) or error.strerror or str(error) or type(error).__name__
    return clean(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__)


@contextlib.contextmanager
def storage(path: Path, needed: int | None = None) -> Iterator[None]:
    """Turn an OSError into a StorageProblem that names the path, and on a full disk the `needed` bytes."""
    try:
        yield
    except OSError as error:
        line = f"{path}: {reason(error)}"
        if needed is not None and error.errno in (errno.ENOSPC, errno.EDQUOT):
            line += f"; at least {max(needed, 100_000) / 1e6:.1f} MB must be free"
        raise StorageProblem(clean(line)) from error


def sha256(data: bytes) -> str:
    """The digest of bytes, hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def dump(value: Any, *, exact: bool = False) -> bytes:
    """Strict JSON, keys in the order given. Floats come back bit for bit, tuples as lists.

    NaN and the infinities, which JSON lacks, become null; with `exact` they become {"$float": "nan"}, and `parse`
    with `exact` brings them back. TypeError for what is not plain data, or has keys that are no texts.
    """
    return (json.dumps(_plain(value, exact, "the data"), indent=2, allow_nan=False) + "\n").encode("ascii")


def _plain(value: Any, exact: bool, where: str) -> Any:
    if isinstance(value, Mapping):
        if any(not isinstance(name, str) or (exact and name == "$float") for name in value):
            raise TypeError(f"{where}: a key is no text, or the reserved `$float`: {list(value)[:9]}")
        return {name: _plain(item, exact, f"{where}.{name}") for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, exact, f"{where}[{i}]") for i, item in enumerate(value)]
    if isinstance(value, float) and not math.isfinite(value):
        return {"$float": repr(float(value))} if exact else None
    if value is None or isinstance(value, str | int | float):
        return value
    raise TypeError(f"{where} is a {type(value).__name__}: not plain data")


def parse(data: bytes, *, exact: bool = False) -> dict[str, Any]:
    """What `dump` wrote; ValueError where it is not strict JSON or not a mapping."""

    def refuse(name: str) -> None:
        raise ValueError(f"{name} is not JSON")

    def restore(found: dict[str, Any]) -> Any:
        return float(found["$float"]) if list(found) == ["$float"] else found

    value = json.loads(data.decode("utf-8"), parse_constant=refuse, object_hook=restore if exact else None)
    if not isinstance(value, dict):
        raise ValueError("it holds no mapping")
    return value


def read(path: Path | str, limit: int, folder: int | None = None) -> bytes:
    """The bytes of a plain file of at most `limit` bytes; never through a link, never from a pipe.

    `folder` is the descriptor of the folder that a bare name is looked up in. OSError as `open`; ValueError,
    before a byte is read, where it is not a plain file or too large. ESTALE, which NFS answers where another host has
    replaced the file, is waited out: immediate tries would fail as well.
    """
    for pause in PAUSES:
        try:
            return _read(path, limit, folder)
        except OSError as error:
            if error.errno != errno.ESTALE:
                raise
        time.sleep(pause)
        with contextlib.suppress(OSError):  # without it the host goes on with the name that it remembers, for 30 s
            os.stat(path, dir_fd=folder, follow_symlinks=False)
    return _read(path, limit, folder)


def _read(path: Path | str, limit: int, folder: int | None) -> bytes:
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    with os.fdopen(handle, "rb") as file:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise ValueError("it is not a plain file")
        if status.st_size > limit:
            raise ValueError(f"it has {status.st_size} bytes, more than the {limit} allowed")
        return file.read(status.st_size)


@contextlib.contextmanager
def opened(path: Path, flags: int) -> Iterator[int]:
    """A file's descriptor for a `with`; never through a link."""
    handle = os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
    try:
        yield handle
    finally:
        os.close(handle)


def write_all(handle: int, data: bytes) -> None:
    """Write until every byte is taken: one call takes at most 2 GiB, and less where a disk fills."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(handle, rest) :]


def write_new(path: Path, data: bytes) -> None:
    """A file that is not there yet, flushed to the medium. OSError as `open` and `write`."""
    with opened(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL) as handle:
        write_all(handle, data)
        crash("before-fsync")
        os.fsync(handle)


def flush_folder(path: Path) -> None:
    """Flush a folder's list of names to the medium, where its file system can."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (
            errno.EINVAL,
            errno.EOPNOTSUPP,
        ):  # some network file systems refuse it for folders
            raise
    finally:
        os.close(handle)


def replace(path: Path, data: bytes) -> None:
    """Put a file in its place, whole or not at all; StorageProblem, and the old one kept, if it fails."""
    temporary = path.parent / temporary_name()
    with storage(path, needed=len(data)):
        try:
            write_new(temporary, data)
            os.replace(temporary, path)
            flush_folder(path.parent)
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)


def temporary_name() -> str:
    """A name that `sweep` knows, and from which it knows whose it is: a process's number counts on its host alone."""
    return f".tmp-{os.getpid()}-{_HOST}{secrets.token_hex(6)}"


def sweep(folder: Path, age: float = 0.0) -> None:
    """Remove what killed processes left half written in a folder of which we hold the lock.

    Those of our own number count too: a process that is started again in a container often has the same one.
    Where no lock is held, `age` (seconds, by the file system's clock) protects other machines' processes.
    """
    now = None
    for path in list(folder.iterdir()):
        match = _TEMPORARY.fullmatch(path.name)
        if match is None or (not _elsewhere(match[2]) and _lives(int(match[1]))):
            continue
        with contextlib.suppress(OSError):
            if age:
                now = _clock(folder) if now is None else now
                if now - path.lstat().st_mtime < age:
                    continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()


def _clock(folder: Path) -> float:
    """The time by the clock that a folder's files are dated by, which may be another machine's."""
    path = folder / temporary_name()
    try:
        write_new(path, b"")
        return path.lstat().st_mtime
    finally:
        path.unlink(missing_ok=True)


def _elsewhere(ending: str) -> bool:
    """Whether a temporary name's ending is another host's; earlier versions named none."""
    return len(ending) > len(_HOST) + 6 and not ending.startswith(_HOST)


def _lives(pid: int) -> bool:
    """Whether another process of this host has this number."""
    if pid == os.getpid():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it is somebody else's
        return True
    return True


def crash(point: str) -> None:
    """For tests: be killed here, at the n-th passing, where TRICKTABLE_CRASH_AT says `<point>:<n>`."""
    wanted = os.environ.get("TRICKTABLE_CRASH_AT")
    if wanted:
        _passed[point] += 1
        if wanted == f"{point}:{_passed[point]}":
            os.kill(os.getpid(), signal.SIGKILL)
