"""One process works in a folder at a time: a lock that the kernel frees however that process ends.

It is on `.lock`, where it says whose it is, and on the folder itself, where the file system can: a `.lock` that
somebody removes lets nobody in.
"""

import contextlib
import errno
import fcntl
import os
import socket
import time
from datetime import UTC, datetime
from pathlib import Path

from tricktable.runner import terminal
from tricktable.runner.disk import atomic
from tricktable.runner.errors import RunInUse

_held: dict[int, int] = {}  # descriptors of the locks that this process holds, each with its folder's
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
        start = datetime.now(UTC).isoformat(timespec="seconds")
        os.ftruncate(handle, 0)
        os.pwrite(handle, atomic.dump({"pid": os.getpid(), "host": socket.gethostname(), "start": start}), 0)
    except BaseException:
        os.close(handle)
        os.close(itself)
        raise
    _held[handle] = itself
    return handle


def _lock_folder(handle: int, kind: int) -> None:
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in _NO_FOLDERS:
            raise


def release(handle: int) -> None:
    """Let others in; nothing in a forked child, which gave its copy up when it began."""
    if handle in _held:
        os.close(_held.pop(handle))
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
        for each in _held.popitem():
            with contextlib.suppress(OSError):
                os.close(each)


os.register_at_fork(after_in_child=_forget)
