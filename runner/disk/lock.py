"""One process works in a folder at a time: a lock that the kernel frees however that process ends.

It is on `.lock`, where it says whose it is, and on the folder itself, where the file system can: a `.lock` that
somebody removes lets nobody in.

On a network file system a host that was cut off can lose its lock and not be told: `fence` asks before each write.
"""

import contextlib
import errno
import fcntl
import os
import secrets
import socket
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from tricktable.runner import terminal
from tricktable.runner.disk import atomic
from tricktable.runner.errors import RunInUse, StorageProblem


class _Held(NamedTuple):
    """What belongs to a lock's descriptor: that of the folder itself, and what `.lock` says."""

    itself: int
    record: bytes


_held: dict[int, _Held] = {}  # of the locks that this process holds, by descriptor
_NO_FOLDERS = (errno.EBADF, errno.EINVAL, errno.ENOLCK, errno.EOPNOTSUPP)  # network file systems lock only files


def take(folder: Path) -> int:
    """Lock a folder by its `.lock`, and write there whose it is; a descriptor for `release`.

    RunInUse, with not a byte changed, where another process has it; OSError where the file system fails.
    """
    handle = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
    try:
        itself = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except BaseException:
        os.close(handle)
        raise
    try:
        for tries_left in (3, 2, 1, 0):  # `in_use` holds it for a moment too
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _lock_folder(itself, fcntl.LOCK_EX)
                break
            except BlockingIOError:
                fcntl.flock(handle, fcntl.LOCK_UN)
                if not tries_left:
                    raise RunInUse(terminal.clean(f"{folder}: {_owner(handle)}")) from None
                time.sleep(0.05)
        record = _record()
        _write(handle, record)
    except BaseException:
        os.close(handle)
        os.close(itself)
        raise
    _held[handle] = _Held(itself, record)
    return handle


def fence(handle: int, folder: Path) -> None:
    """Before a write: make sure that the lock is still ours, by writing to it through the descriptor that has it.

    A host whose lease ran out (a pause, a cut cable) may still write every other file; this alone the server refuses.
    RunInUse where `.lock` names another owner by now, StorageProblem where the write fails: nothing may be written
    then.
    """
    mine = _held[handle].record
    try:
        if _named(os.pread(handle, 4096, 0)) not in (None, _named(mine)):
            raise RunInUse(terminal.clean(f"{folder}: the lock was lost; {_owner(handle)}"))
        _write(handle, mine)
    except OSError as error:
        words = f"the run's lock cannot be kept ({atomic.reason(error)}): another may have it, so nothing is written"
        raise StorageProblem(terminal.clean(f"{folder / '.lock'}: {words}")) from error


def _record() -> bytes:
    """Whose a lock is. The key tells processes of one number apart, which containers' hosts may have."""
    start = datetime.now(UTC).isoformat(timespec="seconds")
    owner = {"pid": os.getpid(), "host": socket.gethostname(), "start": start, "key": secrets.token_hex(8)}
    return atomic.dump(owner)


def _write(handle: int, record: bytes) -> None:
    """Make it the whole of the file, on the server when this returns."""
    os.pwrite(handle, record, 0)
    if os.fstat(handle).st_size != len(record):
        os.ftruncate(handle, len(record))
    os.fsync(handle)


def _named(record: bytes) -> tuple[object, ...] | None:
    """What tells an owner apart; None where a record names none."""
    try:
        owner = atomic.parse(record)
        return owner["pid"], owner["host"], owner["start"], owner.get("key")
    except (ValueError, KeyError, RecursionError):
        return None


def _lock_folder(handle: int, kind: int) -> None:
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in _NO_FOLDERS:
            raise


def release(handle: int) -> None:
    """Let others in; nothing in a forked child, which gave its copy up when it began."""
    if handle in _held:
        os.close(_held.pop(handle).itself)
        os.close(handle)


def in_use(folder: Path) -> bool:
    """Whether a process holds the lock of this folder now."""
    return any(_taken(path) for path in (folder / ".lock", folder))


def _taken(path: Path) -> bool:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        _lock_folder(handle, fcntl.LOCK_SH)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(handle)
    return False


def _owner(handle: int) -> str:
    try:
        owner = atomic.parse(os.pread(handle, 4096, 0))
        return f"in use by process {owner['pid']} on {owner['host']} since {owner['start']}"
    except (OSError, ValueError, KeyError):
        return "in use by another process"


def _forget() -> None:
    """In a forked child: a data worker that outlives its parent must not keep the parent's locks."""
    while _held:
        handle, held = _held.popitem()
        for each in (handle, held.itself):
            with contextlib.suppress(OSError):
                os.close(each)


os.register_at_fork(after_in_child=_forget)
