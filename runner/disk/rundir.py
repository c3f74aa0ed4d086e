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
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from runner import terminal
from runner.disk import atomic, lock
from runner.errors import BadInput, StorageProblem

STATES = ("planned", "running", "complete", "diverged", "interrupted", "failed")
INFO_LIMIT = 4 << 20  # bytes of a run.json
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}")
_OURS = ("id", "config_hash", "fingerprint", "code", "attempt", "host", "pid", "started", "updated")


@dataclass(frozen=True)
class Identity:
    """What must be equal for two runs to be the same run.

    `config_hash` is a hexadecimal SHA-256, `fingerprint` the dataset's as summaries have it; `code` maps the model
    and trick files used, as paths relative to the project, to theirs.
    """

    config_hash: str
    fingerprint: str
    code: Mapping[str, str]


class RunDir:
    """A planned or existing run directory; `with run:` (or `open`, `close`) works in it and keeps others out.

    `note` is one line for a person where an earlier run of these keys could not be reused, else empty.
    """

    def __init__(self, path: Path, identity: Identity, slug: str, note: str = "", exists: bool = False) -> None:
        self.path, self.identity, self.slug, self.note, self.exists = path, identity, slug, note, exists
        self._lock: int | None = None
        self._info: dict[str, Any] = {}

    @property
    def config(self) -> Path:
        """The resolved config, plain data."""
        return self.path / "config.yaml"

    @property
    def metrics(self) -> Path:
        """The table with one row per epoch."""
        return self.path / "metrics.csv"

    @property
    def summary(self) -> Path:
        """The final figures."""
        return self.path / "summary.json"

    @property
    def checkpoints(self) -> Path:
        """The folder of checkpoints."""
        return self.path / "checkpoints"

    @property
    def log(self) -> Path:
        """What a person saw."""
        return self.path / "log.txt"

    def read(self) -> dict[str, Any]:
        """run.json as it is on disk now; empty where there is none."""
        return read_info(self.path) or {}

    @property
    def state(self) -> str:
        """One of STATES, as run.json has it now; `planned` where nothing is on disk."""
        return str(self.read().get("state", "planned"))

    @property
    def crashed(self) -> bool:
        """It says that it is running, and nobody holds its lock: the process was killed."""
        return self.state == "running" and not lock.in_use(self.path)

    def open(self) -> Self:
        """Create or enter the folder, lock it, and count an attempt; the state stays what it was.

        RunInUse, with not a byte changed, where another process has it; StorageProblem where it cannot be written.
        """
        assert self._lock is None, "a run directory is opened once"
        root, study = self.path.parent.parent, self.path.parent.name
        with atomic.storage(self.path):
            study_folder(root, study).mkdir(parents=True, exist_ok=True)
            atomic.sweep(self.path.parent, age=3600)
            for _ in range(100):
                if self.exists:
                    self._enter()
                    return self
                if self._create():
                    return self
                other = find_or_plan(root, study, self.slug, self.identity)  # another process was faster
                self.path, self.note, self.exists = other.path, other.note, other.exists
        raise StorageProblem(f"{self.path}: other processes keep taking this name")

    def set_state(self, state: str, reason: str | None = None, **fields: Any) -> None:
        """Replace run.json: the state, why (for failed, diverged, interrupted), and figures of the progress.

        Fields stay until they are given again. StorageProblem where it cannot be written.
        """
        assert self._lock is not None and state in STATES and not set(fields) & set(_OURS), (state, fields)
        self._info.update(fields, state=state, reason=reason)
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
            self._begin(self.read())
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
            self._begin({"state": "planned"})
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

    def _begin(self, before: Mapping[str, Any]) -> None:
        attempt = before.get("attempt")
        self._info = {
            "id": self.path.name,
            "state": before.get("state") if before.get("state") in STATES else "planned",
            "reason": before.get("reason"),
            "attempt": attempt + 1 if type(attempt) is int else 1,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "started": _now(),
            "updated": _now(),
            **{name: value for name, value in before.items() if name not in (*_OURS, "state", "reason")},
            "config_hash": self.identity.config_hash,
            "fingerprint": self.identity.fingerprint,
            "code": dict(self.identity.code),
        }

    def _write(self, folder: Path) -> None:
        self._info["updated"] = _now()
        atomic.replace(folder / "run.json", atomic.dump(self._info))


def find_or_plan(root: Path, study: str, slug: str, identity: Identity) -> RunDir:
    """The run of this identity under root/study, whatever its slug, or a plan for a new one; nothing is created.

    A slug of more than 100 characters is cut. BadInput for a hostile name and for symbolic links.
    """
    folder = study_folder(root, study)
    if not NAME.fullmatch(slug[:100]):
        raise BadInput(f"run name {slug[:100]!r}: letters, digits and . _ + - only, a letter or digit first")
    slug = slug[:100]
    name, note = f"{slug}-{identity.config_hash[:8]}", ""
    with atomic.storage(folder):
        for path in _alike(folder, identity.config_hash[:8]):
            if path.is_symlink():
                raise _linked(path)
            if not path.is_dir():
                continue
            info = read_info(path)
            if info is not None and info["config_hash"] != identity.config_hash:
                continue  # the first 8 of 64 digits are alike by chance
            change = _change(info, identity)
            if not change:
                return RunDir(path, identity, slug, exists=True)
            note = f"{path.name} {change}; a new run is made beside it"
        path, number = folder / name, 1
        while os.path.lexists(path):
            number += 1
            path = folder / f"{name}-{number}"
    return RunDir(path, identity, slug, note=terminal.clean(note))


def runs(root: Path, study: str) -> list[tuple[Path, dict[str, Any]]]:
    """Every run of a study, by name, with its run.json; what else lies there is passed over."""
    folder = study_folder(root, study)
    if not folder.is_dir():
        return []
    with atomic.storage(folder):
        paths = sorted(p for p in folder.iterdir() if NAME.match(p.name) and p.is_dir() and not p.is_symlink())
    found = [(path, read_info(path)) for path in paths]
    return [(path, info) for path, info in found if info is not None]


def read_info(path: Path) -> dict[str, Any] | None:
    """A folder's run.json; None where there is none, or it does not say which run this is."""
    try:
        info = atomic.parse(atomic.read(path / "run.json", INFO_LIMIT))
    except (OSError, ValueError, RecursionError):
        return None
    told = isinstance(info.get("config_hash"), str) and isinstance(info.get("fingerprint"), str)
    return info if told and isinstance(info.get("code"), dict) else None


def _alike(folder: Path, hex8: str) -> Iterator[Path]:
    """Entries whose name ends as those of this hash do, oldest first."""
    ending = re.compile(rf".+-{re.escape(hex8)}(?:-([0-9]{{1,9}}))?")
    with contextlib.suppress(FileNotFoundError):
        matches = [(m, p) for p in folder.iterdir() if (m := ending.fullmatch(p.name)) and p.name[0] != "."]
        yield from (path for _, path in sorted(matches, key=lambda found: (int(found[0][1] or 1), found[1].name)))


def _change(info: Mapping[str, Any] | None, identity: Identity) -> str:
    """Why a folder's run is not the one asked for, in words; empty where it is."""
    if info is None:
        return "has no readable run.json: it crashed early, and of which run it is cannot be told"
    old, new = info["code"], dict(identity.code)
    changed = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
    causes = []
    if changed:
        more = f" and {len(changed) - 5} more" if len(changed) > 5 else ""
        causes.append(f"{', '.join(changed[:5])}{more} changed since")
    if info["fingerprint"] != identity.fingerprint:
        causes.append(f"it ran on other data ({_short(info['fingerprint'])}, now {_short(identity.fingerprint)})")
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
    return datetime.now(UTC).isoformat(timespec="seconds")
