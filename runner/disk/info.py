"""run.json: which run a folder holds, its state, and how far it is."""

import dataclasses
import errno
import hashlib
import json
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

from tricktable.runner.config.typed import convert
from tricktable.runner.disk import atomic
from tricktable.runner.disk.files import RunFiles
from tricktable.runner.errors import StorageProblem
from tricktable.runner.terminal import clean

State = Literal["planned", "running", "complete", "diverged", "interrupted", "failed"]
STATES: tuple[State, ...] = get_args(State)
ENDED: tuple[State, ...] = ("complete", "diverged")  # what needs no training any more
LIMIT = 4 << 20  # bytes of a run.json
FOR_NOW = (  # why a file that is there cannot be read at this moment
    errno.ESTALE,
    errno.EIO,
    errno.ETIMEDOUT,
    errno.EMFILE,
    errno.ENFILE,
    errno.ENOMEM,
    errno.ENOTCONN,
)
PROGRESS = ("epoch", "epochs", "updates", "choices_key")
_TEACHER = "run "  # how a teacher's id began among the files of `code` before `teachers` had a place of its own


@dataclass(frozen=True)
class Identity:
    """What must be equal for two runs to be the same run.

    `config_hash` is a hexadecimal SHA-256, `fingerprint` the dataset's as summaries have it. `code` maps the model and
    trick files used, as paths relative to the project, to their SHA-256; `teachers` the ids of runs that it learns from
    to the SHA-256 of their weights.
    """

    config_hash: str
    fingerprint: str
    code: Mapping[str, str]
    teachers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class RunInfo:
    """What a run's folder says of the run; the progress is None before it has begun.

    `attempt` counts the processes that worked in the folder, the last of which had the number `pid` on `host`. Times
    are ISO 8601, in UTC. `choices_key` is schema.choices_key of its config. `seal` has the SHA-256 of each file that
    tables read, by name, of a run that has ended; none where an earlier version made it. `pending` is what the seal of
    a file becomes that is being replaced (seal.py).
    """

    identity: Identity
    id: str = ""
    state: State = "planned"
    reason: str | None = None
    attempt: int = 0
    host: str | None = None
    pid: int | None = None
    started: str | None = None
    updated: str | None = None
    epoch: float | None = None
    epochs: float | None = None
    updates: int | None = None
    choices_key: str | None = None
    seal: Mapping[str, str] = field(default_factory=dict)
    pending: Mapping[str, str] = field(default_factory=dict)

    @property
    def ended(self) -> bool:
        """Whether it needs no training any more: it is complete, or it diverged, which is a result."""
        return self.state in ENDED

    def is_of(self, pid: int | None, host: str) -> bool:
        """Whether the process that had it last is that of this number on this host; elsewhere numbers say nothing."""
        return self.pid == pid and self.host == host

    @property
    def owner(self) -> str:
        """The process that has it, or had it last, in words."""
        return f"in use by process {self.pid} on {self.host}"

    @staticmethod
    def read(folder: Path) -> "RunInfo | None":
        """A folder's run.json; None where there is none, it is damaged, or it does not say which run this is.

        StorageProblem where it is there and cannot be read for now: a run that counts as absent is made twice.
        """
        try:
            return RunInfo.load(folder)
        except (OSError, ValueError) as error:
            if isinstance(error, OSError) and error.errno in FOR_NOW:
                raise StorageProblem(clean(f"{RunFiles(folder).info}: {atomic.reason(error)}")) from error
            return None

    @staticmethod
    def load(folder: Path) -> "RunInfo":
        """A folder's run.json; OSError, or ValueError that says why, where `read` has None.

        It has a digest of itself, but for one of an earlier version: of that, what has another type than it should is
        taken as not there.
        """
        try:
            values = atomic.parse(atomic.read(RunFiles(folder).info, LIMIT))
        except RecursionError:
            raise ValueError("it is nested too deeply") from None
        if ("digest" in values or "seal" in values) and values.pop("digest", None) != _digest(values):
            raise ValueError("it is not as it was written (SHA-256)")
        identity = _identity(values)
        if identity is None:
            raise ValueError("it does not say which run this is")
        seal, pending = (_texts(values.pop(name, None)) or {} for name in ("seal", "pending"))
        return RunInfo(
            identity=identity,
            **{name: values[name] for name, hint in _hints().items() if name in values and _fits(hint, values[name])},
            seal=seal,
            pending=pending,
        )

    def write(self, folder: Path) -> None:
        """Put run.json in place, whole or not at all; StorageProblem where that fails."""
        atomic.replace(RunFiles(folder).info, self.packed())

    def packed(self) -> bytes:
        """The bytes of run.json, with their digest."""
        values = dataclasses.asdict(self)
        values = atomic.parse(atomic.dump({**values.pop("identity"), **values}))  # as they will be read
        return atomic.dump({**values, "digest": _digest(values)})


def _digest(values: Mapping[str, Any]) -> str:
    """SHA-256 of the content, whatever lies between the words."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def _identity(values: Mapping[str, Any]) -> Identity | None:
    code, teachers = _texts(values.get("code")), _texts(values.get("teachers", {}))
    names = [values.get("config_hash"), values.get("fingerprint")]
    if code is None or teachers is None or not all(isinstance(name, str) for name in names):
        return None
    before = {name.removeprefix(_TEACHER): sha for name, sha in code.items() if name.startswith(_TEACHER)}
    files = {name: sha for name, sha in code.items() if not name.startswith(_TEACHER)}
    return Identity(str(names[0]), str(names[1]), files, {**before, **teachers})


@cache
def _hints() -> dict[str, Any]:
    return {name: hint for name, hint in typing.get_type_hints(RunInfo).items() if name != "identity"}


def _fits(hint: Any, value: Any) -> bool:
    try:
        convert(hint, value)
    except ValueError:
        return False
    return True


def _texts(value: Any) -> dict[str, str] | None:
    """A mapping of texts to texts as it is; None for anything else."""
    if not isinstance(value, dict) or not all(isinstance(each, str) for each in value.values()):
        return None
    return value
