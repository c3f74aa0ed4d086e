"""What a run leaves in writing: its config, and the table of its epochs."""

import contextlib
import csv
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tricktable.runner import terminal
from tricktable.runner.disk import atomic, seal
from tricktable.runner.errors import StorageProblem

CONFIG_LIMIT, TABLE_LIMIT = 1 << 20, 64 << 20  # bytes

Value = int | float | str | None


def write_text(path: Path, text: str) -> None:
    """Put a text in place, whole or not at all."""
    atomic.replace(path, text.encode("utf-8"))


def write_config(path: Path, config: Mapping[str, Any]) -> None:
    """Put config.yaml in place: plain data, keys in the order given, nothing that refers to something else."""
    import yaml

    class Plain(yaml.SafeDumper):
        def ignore_aliases(self, data: Any) -> bool:
            return True

    write_text(path, yaml.dump(dict(config), Dumper=Plain, sort_keys=False, allow_unicode=True))


def read_config(path: Path) -> dict[str, Any]:
    """What `write_config` wrote; StorageProblem where it is missing or damaged."""
    return config_of(path, plain_file(path, CONFIG_LIMIT))


def config_of(path: Path, data: bytes) -> dict[str, Any]:
    """The config of a file's bytes; StorageProblem, with the path, where they are damaged.

    What loading.refuse has a word for is no config of ours.
    """
    import yaml

    from tricktable.runner.config import loading

    try:
        config = loading.own(data)
        if not isinstance(config, dict) or not all(isinstance(key, str) for key in config):
            raise ValueError("it holds no mapping of names")
        return config
    except (ValueError, TypeError, RecursionError, yaml.YAMLError) as error:
        words = " ".join(atomic.reason(error).split())
        raise StorageProblem(terminal.clean(f"{path}: damaged ({words})")) from error


def plain_file(path: Path, limit: int) -> bytes:
    """A file's bytes; StorageProblem where it is missing, too large, or no plain file."""
    with atomic.storage(path):
        try:
            return atomic.read(path, limit)
        except ValueError as error:
            raise StorageProblem(terminal.clean(f"{path}: damaged ({error})")) from error


class Metrics:
    """metrics.csv: one row is one write, so that whoever reads meanwhile sees whole rows.

    The first row's keys are the columns; a later row may leave some out, which are then empty, and brings no others.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._columns: list[str] | None = None
        self._rows = b""

    @property
    def rows(self) -> bytes:
        """The table as this process knows it to be, whatever has become of the file: for a checkpoint."""
        return self._rows

    def restore(self, rows: bytes) -> str:
        """Make the table exactly these bytes; what was found in its place, in words.

        A table that begins with them is cut behind them, and nothing is said. Another is kept beside as `*.damaged`.
        """
        try:
            there = self.path.name not in os.listdir(self.path.parent) or plain_file(self.path, TABLE_LIMIT)
        except StorageProblem:  # it is no plain file
            there = b""
        if there is True and not rows:
            said = ""
        elif there is not True and there[: len(rows)] == rows:
            self.truncate(len(rows))
            said = ""
        else:
            kept = "it was not there" if there is True else f"it had other rows (kept as {seal.set_aside(self.path)})"
            atomic.replace(self.path, rows)
            said = f"{kept}; those of the checkpoint are in place again"
        self._columns, self._rows = None, rows
        return said

    @property
    def size(self) -> int:
        """Bytes so far, on the medium when this returns: a checkpoint must not count rows that a power cut takes."""
        if not self.path.exists():
            return 0
        with atomic.storage(self.path), atomic.opened(self.path, os.O_RDWR) as handle:
            os.fsync(handle)
            return os.fstat(handle).st_size

    def append(self, row: Mapping[str, Any]) -> None:
        """Add a row: numbers as their repr, which comes back bit for bit, None as nothing.

        StorageProblem, and no part of the row left behind, where the disk fails or the file has gone.
        """
        with atomic.storage(self.path):
            if self._columns is None:
                self._columns = self._known_columns()
            new = self._columns is None
            columns = list(row) if self._columns is None else self._columns
            if set(row) - set(columns):
                raise ValueError(f"{self.path.name} has no columns {sorted(set(row) - set(columns))}")
            lines = _line(columns) if new else b""
            lines += _line([_text(row.get(name)) for name in columns])
            with atomic.opened(self.path, os.O_RDWR | os.O_APPEND | (os.O_CREAT if new else 0)) as handle:
                _write_whole(handle, lines)
            self._columns = columns
            self._rows += lines

    def truncate(self, size: int) -> None:
        """Drop the rows after a checkpoint that was made when the table had `size` bytes.

        StorageProblem where the table is shorter or gone, or no row ends there: it is not the checkpoint's.
        """
        if size == 0 and not self.path.exists():
            return
        with atomic.storage(self.path), atomic.opened(self.path, os.O_RDWR) as handle:
            there = os.fstat(handle).st_size
            if there < size:
                raise StorageProblem(f"{self.path}: it has {there} bytes, {size} when its checkpoint was made")
            if size and os.pread(handle, 1, size - 1) != b"\n":
                raise StorageProblem(f"{self.path}: no row ends at byte {size}, where one did at its checkpoint")
            os.ftruncate(handle, size)
            os.fsync(handle)
            self._rows = os.pread(handle, size, 0)
        self._columns = None

    def _known_columns(self) -> list[str] | None:
        """The columns of a table begun before; a row that a killed writer left unfinished is cut off."""
        if not self.path.exists():
            return None
        with atomic.opened(self.path, os.O_RDWR) as handle:
            data = os.pread(handle, os.fstat(handle).st_size, 0)
            whole = data.rfind(b"\n") + 1
            if whole != len(data):
                os.ftruncate(handle, whole)
        return next(csv.reader([data[:whole].split(b"\n")[0].decode("utf-8", "replace")])) if whole else None


def read(path: Path) -> list[dict[str, Value]]:
    """The rows of a table, none where there is no file yet; an unfinished last line is not one.

    Empty is None, numbers are int or float, anything else text. StorageProblem for a damaged table.
    """
    return rows_of(path, plain_file(path, TABLE_LIMIT)) if os.path.lexists(path) else []


def rows_of(path: Path, data: bytes) -> list[dict[str, Value]]:
    """The rows of a file's bytes, as `read`."""
    try:
        text = data[: data.rfind(b"\n") + 1].decode("utf-8")
        rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise StorageProblem(terminal.clean(f"{path}: damaged ({error})")) from error
    if not rows:
        return []
    for number, row in enumerate(rows, 1):
        if len(row) != len(rows[0]):
            raise StorageProblem(f"{path}: damaged: {len(row)} values in line {number}, {len(rows[0])} columns")
    return [dict(zip(rows[0], map(_value, row), strict=True)) for row in rows[1:]]


def extended(path: Path, more: Sequence[Mapping[str, Any]]) -> bytes:
    """A table with more rows behind its own, as bytes; what columns an earlier version's lacks come behind its own."""
    rows = [*read(path), *more]
    names = list(dict.fromkeys(name for row in rows for name in row))
    return b"".join([_line(names), *(_line([_text(row.get(name)) for name in names]) for row in rows)])


def _write_whole(handle: int, data: bytes) -> None:
    """One write; on a disk that fills in the middle of it, nothing of it stays."""
    before = os.fstat(handle).st_size
    written = os.write(handle, data)
    if written < len(data):
        try:
            atomic.write_all(handle, data[written:])  # for its error, or because there is room again
        except OSError:
            os.ftruncate(handle, before)
            raise


def _line(cells: list[str]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue().encode("utf-8", "backslashreplace")


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, int):
        return int.__repr__(value) if not isinstance(value, bool) else str(int(value))
    if isinstance(value, float):
        return float.__repr__(value)
    if isinstance(value, str):
        return terminal.clean(value)
    raise TypeError(f"{value!r} is a {type(value).__name__}: a table has numbers and words")


def _value(cell: str) -> Value:
    if not cell:
        return None
    for kind in (int, float) if "_" not in cell else ():  # Python reads 1_000 as a number
        with contextlib.suppress(ValueError):
            return kind(cell)
    return cell
