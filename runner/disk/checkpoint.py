"""Checkpoints: whole or absent, verified byte by byte before anything is parsed, and never a pickle.

    checkpoints/step_00001234/
      tensors.safetensors    every tensor by its name
      state.json             everything else, plain data
      MANIFEST.json          size and SHA-256 of both

Neither safetensors nor torch.load notices a flipped bit, hence the hashes. A checkpoint is written under a
temporary name, flushed, and renamed: what is called step_* has once been whole. One damaged later is set aside
as `*.corrupt`, never deleted, and the one before it is used.
"""

import contextlib
import errno
import os
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tricktable.runner import terminal
from tricktable.runner.disk import atomic
from tricktable.runner.errors import CheckpointProblem, StorageProblem

if TYPE_CHECKING:
    from torch import Tensor

FORMAT = 1
TENSORS, STATE, MANIFEST = "tensors.safetensors", "state.json", "MANIFEST.json"
LIMITS = {TENSORS: 8 << 30, STATE: 16 << 20, MANIFEST: 64 << 10}  # bytes; what is larger is not ours
HEADER_LIMIT = 16 << 20  # bytes of safetensors' table of names, about 100,000 tensors
# Between the two renames that replace a checkpoint of the same step, the older is `step_*.old-*`: it counts.
_STEP = re.compile(r"step_([0-9]{8,18})(\.old-[0-9a-f-]+)?")
_BROKEN = (errno.ENOENT, errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.EMLINK)
CORRUPT, FOREIGN = "corrupt", "foreign"  # how the name of what is set aside ends: damaged, or another run's


@dataclass(frozen=True)
class Checkpoint:
    """A run as it stood after `step` updates; the tensors are on the CPU and the reader's own."""

    step: int
    tensors: dict[str, "Tensor"]
    state: dict[str, Any]
    path: Path


class _BadError(Exception):
    """Why a checkpoint cannot be used; `ending` of the name that it is given, nothing where it stays as it is."""

    def __init__(self, words: str, ending: str = CORRUPT) -> None:
        super().__init__(words)
        self.ending = ending


def save(folder: Path, step: int, tensors: Mapping[str, "Tensor"], state: Mapping[str, Any], keep: int) -> Path:
    """Write `folder`/step_<step> and keep the `keep` newest; the caller holds the run's lock.

    `state` is plain data (texts, numbers, None, lists, mappings with texts as keys): floats come back bit for
    bit, NaN and the infinities too; tuples come back as lists. TypeError and ValueError for what cannot come
    back as it was; StorageProblem where the disk fails, and then the checkpoints before it are untouched.
    """
    if keep < 2:
        raise ValueError(f"keep={keep}: one checkpoint alone has nothing to fall back to; 2 at least")
    _refuse_link(folder)
    atomic.crash("before-tmp")
    files = {TENSORS: _pack(tensors), STATE: atomic.dump(state, exact=True)}
    for name, data in files.items():
        if len(data) > LIMITS[name]:
            raise ValueError(f"{name} would have {len(data)} bytes; at most {LIMITS[name]} are read back")
    files[MANIFEST] = _manifest(step, files)
    final = folder / _name(step)
    temporary = folder / atomic.temporary_name()
    with atomic.storage(final, needed=sum(map(len, files.values()))):
        with contextlib.suppress(FileExistsError):
            folder.mkdir()  # not its parents: a run whose folder is gone is not made again by halves
        atomic.sweep(folder)
        try:
            temporary.mkdir()
            for name, data in files.items():
                atomic.write_new(temporary / name, data)
                atomic.crash("after-tensors" if name == TENSORS else f"after-{name}")
            atomic.flush_folder(temporary)
            _commit(temporary, final)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        _prune(folder, final, keep)
    return final


def newest(
    folder: Path,
    *,
    limit: int = LIMITS[TENSORS],
    set_aside: bool = True,
    refuse: Callable[[Checkpoint], str] = lambda found: "",
) -> Checkpoint | None:
    """The newest checkpoint whose every byte is as it was written; None where none was ever made.

    A damaged one is one line on stderr, and renamed `*.corrupt` unless `set_aside` is false (for a reader of
    another run's checkpoints, who holds no lock). `limit`: the most bytes of tensors that are read. `refuse` says why a
    whole one is not the run's, nothing where it is: another's is passed over likewise, as `*.foreign`.
    CheckpointProblem where there are some and none is good: nothing is deleted, and the next call says the same.
    StorageProblem where the machine cannot read now (no permission, no memory, its device failed for all that are
    left); nothing is renamed for that.
    """
    if not os.path.lexists(folder):
        return None
    _refuse_link(folder)
    with atomic.storage(folder):
        names = os.listdir(folder)
    damaged = [n for n in names if n.startswith("step_") and (f".{CORRUPT}" in n or f".{FOREIGN}" in n)]
    last, unread = "", None
    for step, name in _newest_first(names):
        path = folder / name
        try:
            found = _load(path, step, limit)
            if words := refuse(found):
                raise _BadError(words, FOREIGN)
            return found
        except _BadError as bad:
            if not os.path.lexists(path):  # pruned by its writer while we read
                continue
            last = last or f"{name}: {bad}"
            damaged.append(name)
            unread = unread or (None if bad.ending else f"{path}: {bad}")
            kept = _set_aside(path, bad.ending) if set_aside and bad.ending else ""
            terminal.say(f"warning: checkpoint {path} cannot be used: {bad}{kept}")
    if unread:
        raise StorageProblem(terminal.clean(f"{unread}; nothing was changed: run the same command again"))
    if damaged:
        what = f"none of its {len(damaged)} checkpoints can be used ({last or 'all are set aside'})"
        raise CheckpointProblem(terminal.clean(f"{folder}: {what}; to train from the start: mv {folder} {folder}.old"))
    return None


def _name(step: int) -> str:
    return f"step_{step:08d}"


def _newest_first(names: list[str]) -> list[tuple[int, str]]:
    """(step, name) of what looks like a checkpoint; of one step, what replaces before the replaced."""
    found = []
    for name in names:
        match = _STEP.fullmatch(name)
        if match and name == _name(int(match[1])) + (match[2] or ""):
            found.append((int(match[1]), match[2] is None, name))
    return [(step, name) for step, _, name in sorted(found, reverse=True)]


def _refuse_link(folder: Path) -> None:
    if folder.is_symlink():
        raise CheckpointProblem(
            terminal.clean(f"{folder}: it is a symbolic link; checkpoints are kept in a real folder")
        )


def _pack(tensors: Mapping[str, "Tensor"]) -> bytes:
    """safetensors' bytes; every tensor is first copied: contiguous, unshared, on the CPU."""
    import safetensors.torch
    import torch

    if any(not isinstance(name, str) or name == "__metadata__" for name in tensors):
        raise ValueError("tensors are named by texts, and none `__metadata__`, a word of the file format")
    on_gpu = any(t.is_cuda for t in tensors.values())
    own = {
        name: torch.empty(t.shape, dtype=t.dtype, pin_memory=t.is_cuda).copy_(t.detach(), non_blocking=True)
        for name, t in tensors.items()
    }
    if on_gpu:  # waited for once, and not once a tensor
        torch.cuda.synchronize()
    data = safetensors.torch.save(own)
    if int.from_bytes(data[:8], "little") > HEADER_LIMIT:
        raise ValueError(f"{len(own)} tensors have more than {HEADER_LIMIT} bytes of names and shapes")
    return data


def _manifest(step: int, files: Mapping[str, bytes]) -> bytes:
    listed = {name: {"size": len(files[name]), "sha256": atomic.sha256(files[name])} for name in (TENSORS, STATE)}
    return atomic.dump({"format": FORMAT, "step": step, "files": listed})


def _commit(temporary: Path, final: Path) -> None:
    """Rename into place; a checkpoint of the same step stays readable beside until the new one stands."""
    atomic.crash("before-rename")
    if os.path.lexists(final):
        os.rename(final, f"{final}{temporary.name.replace('.tmp', '.old')}")
        atomic.crash("between-renames")
    os.rename(temporary, final)
    atomic.crash("after-rename")
    atomic.flush_folder(final.parent)


def _prune(folder: Path, final: Path, keep: int) -> None:
    """Remove all but the `keep` newest steps, never the one just written; what resists waits."""
    atomic.crash("before-prune")
    kept: set[int] = set()
    for step, name in _newest_first(os.listdir(folder)):
        path = folder / name
        if path.is_symlink():
            continue
        if path == final or (step not in kept and len(kept) < keep):
            kept.add(step)
            continue
        with contextlib.suppress(OSError):
            doomed = folder / atomic.temporary_name()  # so that a kill leaves an orphan, not half a checkpoint
            os.rename(path, doomed)
            atomic.crash("mid-prune")
            shutil.rmtree(doomed)


def _load(path: Path, step: int, limit: int) -> Checkpoint:
    """Read and verify one; _BadError: what is wrong with it; StorageProblem: with the machine."""
    current = "its folder"  # what the handlers below name
    if path.is_symlink():
        raise _BadError("it is a symbolic link")
    try:
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            current = MANIFEST
            manifest = atomic.read(MANIFEST, LIMITS[MANIFEST], handle)
            listed = _listed(manifest, step)
            files: dict[str, bytes] = {}
            for current in (TENSORS, STATE):
                files[current] = _verified(current, listed[current], handle, limit)
        finally:
            os.close(handle)
        current = MANIFEST
        if manifest != _manifest(step, files):
            raise _BadError("it is not as it was written")
        current = STATE
        state = atomic.parse(files[STATE], exact=True)
        current = TENSORS
        return Checkpoint(step, _unpack(files[TENSORS]), state, path)
    except OSError as error:
        if error.errno not in _BROKEN:  # no permission, too many open files: nothing is wrong with the checkpoint
            if error.errno == errno.EIO:  # it may pass, and another may be readable
                raise _BadError(f"{current}: {atomic.reason(error)}", ending="") from error
            raise StorageProblem(terminal.clean(f"{path}: {atomic.reason(error)}")) from error
        raise _BadError(f"{current}: {atomic.reason(error)}") from error
    except _BadError as bad:
        raise _BadError(f"{current}: {bad}") from bad
    except MemoryError as error:
        raise StorageProblem(terminal.clean(f"{path}: not enough memory to read it")) from error
    except Exception as error:  # a parser of foreign bytes may raise anything; all of it means the same
        raise _BadError(f"{current}: {atomic.reason(error)}"[:300]) from error


def _listed(manifest: bytes, step: int) -> dict[str, dict[str, Any]]:
    """The manifest's entries, checked for their form."""
    value = atomic.parse(manifest)
    if value.get("format") != FORMAT:
        raise _BadError(f"format {str(value.get('format'))[:20]!r} is not {FORMAT}, the one known here")
    if value.get("step") != step:
        raise _BadError("it is of another step than its folder's name says")
    files = value.get("files")
    if not isinstance(files, dict) or set(files) != {TENSORS, STATE}:
        raise _BadError(f"it does not list {TENSORS} and {STATE}, and nothing else")
    if any(not isinstance(entry, dict) or type(entry.get("size")) is not int for entry in files.values()):
        raise _BadError("an entry has no size")
    return files


def _verified(name: str, entry: Mapping[str, Any], handle: int, limit: int) -> bytes:
    """The bytes of a file if their number (looked at before they are read) and their hash are as listed."""
    size, most = entry["size"], min(limit, LIMITS[name]) if name == TENSORS else LIMITS[name]
    if not 0 <= size <= most:
        raise _BadError(f"a size of {str(size)[:20]} bytes is declared; at most {most} are read")
    data = atomic.read(name, size, handle)
    if len(data) != size:
        raise _BadError(f"it has {len(data)} bytes instead of {size}")
    if atomic.sha256(data) != entry.get("sha256"):
        raise _BadError("its bytes have changed since they were written (SHA-256)")
    return data


def _unpack(data: bytes) -> dict[str, "Tensor"]:
    import safetensors.torch

    if int.from_bytes(data[:8], "little") > HEADER_LIMIT:
        raise _BadError(f"its table of names has more than {HEADER_LIMIT} bytes")
    return dict(safetensors.torch.load(data))


def _set_aside(path: Path, ending: str) -> str:
    """Rename a checkpoint to the first free name with this ending; what became of it, to be added to a line."""
    target, number = Path(f"{path}.{ending}"), 1
    while os.path.lexists(target):
        number += 1
        target = Path(f"{path}.{ending}-{number}")
    try:
        os.rename(path, target)
    except OSError as error:
        return f" (left where it is: {atomic.reason(error)})"
    return f" (kept as {target.name})"
