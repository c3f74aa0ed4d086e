"""A run's folder: how it is found again, who works in it, and what state it is in.

    outputs/<study>/<slug>-<hex8>/
      config.yaml  run.json  metrics.csv  summary.json  checkpoints/  log.txt  .lock

A folder is reused only for the same numeric keys, data and code. It appears under its name with its run.json written
and its lock taken, so that of several processes that start at once one has it and the others see whose it is.
"""

import contextlib
import errno
import os
import re
import shutil
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tricktable.runner import terminal
from tricktable.runner.disk import atomic, lock, mounts, seal
from tricktable.runner.disk.code import changed
from tricktable.runner.disk.files import RunFiles
from tricktable.runner.disk.info import ENDED, PROGRESS, STATES, Identity, RunInfo, State
from tricktable.runner.errors import BadInput, StorageProblem

UNREADABLE = "has no readable run.json, so of which run it is cannot be told"
_ENDINGS = (re.compile(r".+-([0-9a-f]{8})"), re.compile(r".+-([0-9a-f]{8})-[0-9]{1,9}"))
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}")


class RunDir:
    """A planned or existing run directory; `with run:` (or `open`, `close`) works in it and keeps others out.

    `note` is one line for a person where an earlier run of these keys could not be reused, else empty.
    """

    def __init__(self, path: Path, identity: Identity, slug: str, note: str = "", exists: bool = False) -> None:
        self.path, self.identity, self.slug, self.note, self.exists = path, identity, slug, note, exists
        self._lock: int | None = None
        self._info = RunInfo(identity=identity)

    @property
    def files(self) -> RunFiles:
        """Where its files lie, or will."""
        return RunFiles(self.path)

    def read(self) -> RunInfo:
        """run.json as it is on disk now; a planned run's where there is none."""
        return RunInfo.read(self.path) or RunInfo(identity=self.identity)

    @property
    def crashed(self) -> bool:
        """It says that it is running, and nobody holds its lock: the process was killed."""
        return self.read().state == "running" and not lock.in_use(self.path)

    def open(self) -> Self:
        """Create or enter the folder, lock it, and count an attempt; the state stays what it was.

        RunInUse, with not a byte changed, where another process has it; StorageProblem where it cannot be written.
        """
        assert self._lock is None, "a run directory is opened once"
        root, study = self.path.parent.parent, self.path.parent.name
        with atomic.storage(self.path):
            study_folder(root, study).mkdir(parents=True, exist_ok=True)
            mounts.warn(root)
            atomic.sweep(self.path.parent, age=3600)
            for tried in range(100):
                if self.exists:
                    self._enter()
                    return self
                if self._create():
                    return self
                other = find_or_plan(root, study, self.slug, self.identity)  # another process was faster
                self.path, self.note, self.exists = other.path, other.note, other.exists
                if not self.exists:  # a network file system shows another host's folder up to a minute later
                    time.sleep(min(0.01 * (1 + tried), 1.0))
        raise StorageProblem(f"{self.path}: other processes keep taking this name")

    def fence(self) -> None:
        """Before anything is written here: RunInUse or StorageProblem where the lock is not surely ours any more."""
        assert self._lock is not None, "what is written to is open"
        lock.fence(self._lock, self.path)

    def set_state(self, state: State, reason: str | None = None, **progress: Any) -> None:
        """Replace run.json: the state, why (for failed, diverged, interrupted), and how far the run is (PROGRESS).

        Progress stays until it is given again. A state that ends the run seals its files. StorageProblem where it
        cannot be written.
        """
        assert self._lock is not None and state in STATES and set(progress) <= set(PROGRESS), (state, progress)
        sealed = seal.of(self.files) if state in ENDED else {}
        self._info = replace(self._info, state=state, reason=reason, seal=sealed, pending={}, **progress)
        self.fence()
        self._write(self.path)

    def close(self) -> None:
        """Let others in."""
        if self._lock is not None:
            lock.release(self._lock)
        self._lock = None

    def __enter__(self) -> Self:
        return self if self._lock is not None else self.open()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _enter(self) -> None:
        if self.path.is_symlink():
            raise _linked(self.path)
        self._lock = lock.take(self.path)
        try:
            atomic.sweep(self.path)
            self._begin(RunInfo.read(self.path))
            self._write(self.path)
        except BaseException:
            self.close()
            raise

    def _create(self) -> bool:
        """Make the folder under a temporary name, locked and with its run.json; false where its name is taken."""
        temporary = self.path.parent / atomic.temporary_name()
        temporary.mkdir()
        try:
            self._lock = lock.take(temporary)
            self._begin(None)
            self._write(temporary)
            os.rename(temporary, self.path)
            atomic.flush_folder(self.path.parent)
        except BaseException as error:
            self.close()
            shutil.rmtree(temporary, ignore_errors=True)
            if isinstance(error, OSError) and error.errno in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
                return False
            raise
        self.exists = True
        return True

    def _begin(self, before: RunInfo | None) -> None:
        """Count an attempt; the state and the progress stay what they were."""
        kept = before or RunInfo(identity=self.identity)
        self._info = replace(
            kept,
            identity=self.identity,
            id=self.path.name,
            attempt=kept.attempt + 1,
            host=socket.gethostname(),
            pid=os.getpid(),
            started=_now(),
        )

    def _write(self, folder: Path) -> None:
        self._info = replace(self._info, updated=_now())
        self._info.write(folder)


Listing = Mapping[str, Sequence[str]]  # names in a study's folder by the 8 digits that they end with


def listing(root: Path, study: str) -> Listing:
    """The names in a study's folder as they are now: who asks for many runs looks into it once."""
    found: dict[str, list[str]] = {}
    folder = study_folder(root, study)
    with atomic.storage(folder), contextlib.suppress(FileNotFoundError):
        for name in os.listdir(folder):
            if name[0] != ".":  # of two numbers at the end, either may be the digits
                for match in filter(None, (ending.fullmatch(name) for ending in _ENDINGS)):
                    found.setdefault(match[1], []).append(name)
    return found


def find_or_plan(root: Path, study: str, slug: str, identity: Identity, known: Listing | None = None) -> RunDir:
    """The run of this identity under root/study, whatever its slug, or a plan for a new one; nothing is created.

    known: what was there earlier; then the folder is not listed, and of what came since only this slug's is found. A
    slug of more than 100 characters is cut. BadInput for a hostile name and for symbolic links.
    """
    folder = study_folder(root, study)
    if not NAME.fullmatch(slug[:100]):
        raise BadInput(f"run name {slug[:100]!r}: letters, digits and . _ + - only, a letter or digit first")
    slug = slug[:100]
    name, note = f"{slug}-{identity.config_hash[:8]}", ""
    with atomic.storage(folder):
        hex8 = identity.config_hash[:8]
        known = listing(root, study) if known is None else known
        names = _renewed(folder, name, known.get(hex8, ()))  # a list may be older than what a look at a name finds
        for path in (folder / each for each in sorted(names, key=lambda each: _age(each, hex8))):
            if path.is_symlink():
                raise _linked(path)
            if not path.is_dir():
                continue
            info = RunInfo.read(path)
            if info is not None and info.identity.config_hash != identity.config_hash:
                continue  # the first 8 of 64 digits are alike by chance
            change = difference(info.identity, identity) if info is not None else UNREADABLE
            if not change:
                return RunDir(path, identity, slug, exists=True)
            note = f"{path.name} {change}; a new run is made beside it"
    free, number = name, 1
    while free in names:  # what comes into being from now on, `open` finds
        number += 1
        free = f"{name}-{number}"
    return RunDir(folder / free, identity, slug, note=terminal.clean(note))


def _renewed(folder: Path, name: str, known: Sequence[str]) -> Sequence[str]:
    """Names that were there, and those of this name that are there now."""
    found, number, each = dict.fromkeys(known), 1, name
    while os.path.lexists(folder / each):
        found[each] = None
        number += 1
        each = f"{name}-{number}"
    return [*found]


def _age(name: str, hex8: str) -> tuple[int, str]:
    """What orders the folders of one hash, the oldest first."""
    return 1 if name.endswith(f"-{hex8}") else int(name.rpartition("-")[2]), name


def difference(old: Identity, identity: Identity) -> str:
    """Why a run of the same keys is not the one asked for, in words; empty where it is."""
    causes = []
    if files := changed(old.code, identity.code) + changed(old.teachers, identity.teachers):
        more = f" and {len(files) - 5} more" if len(files) > 5 else ""
        causes.append(f"{', '.join(files[:5])}{more} changed since")
    if old.fingerprint != identity.fingerprint:
        causes.append(f"it ran on other data ({_short(old.fingerprint)}, now {_short(identity.fingerprint)})")
    return f"is stale: {'; '.join(causes)}" if causes else ""


def _short(fingerprint: str) -> str:
    return fingerprint.removeprefix("sha256:")[:8]


def study_folder(root: Path, study: str) -> Path:
    """root/study, if the name is harmless and the folder a real one under root."""
    if not NAME.fullmatch(study):
        raise BadInput(f"study={study[:100]!r}: letters, digits and . _ + - only, a letter or digit first, at most 100")
    folder = root / study
    if folder.is_symlink():
        raise BadInput(f"study={study}: {folder} is a symbolic link; runs are kept in real folders")
    if not folder.resolve().is_relative_to(root.resolve()):
        raise BadInput(f"study={study}: it would lie outside {root}")
    return folder


def _linked(path: Path) -> BadInput:
    return BadInput(terminal.clean(f"{path} is a symbolic link; a run directory must be a real folder"))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")  # tables have rows in the order of their starts
