"""log.jsonl in the run's folder: an object a line, for the start with the config, for each epoch, and for the end."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tricktable.runner.disk import atomic
from tricktable.runner.sinks.sink import Begun, Row

NEEDS = ()


class JsonLines:
    """A file that is written anew where a run goes on. NaN and the infinities, which JSON lacks, are null."""

    path: Path

    def start(self, run: Begun) -> None:
        """Replace the file: the start, and the rows so far."""
        self.path = run.folder / "log.jsonl"
        start = {"event": "start", "run": run.folder.name, "study": run.study, "config": run.config}
        atomic.replace(self.path, b"".join(map(_line, [start, *map(_epoch, run.rows)])))

    def row(self, row: Row) -> None:
        """Add a line."""
        self._add(_epoch(row))

    def finish(self, state: str, figures: Mapping[str, float]) -> None:
        """Add the last one."""
        self._add({"event": "finish", "state": state, "figures": figures})

    def _add(self, values: Mapping[str, Any]) -> None:
        with atomic.opened(self.path, os.O_WRONLY | os.O_APPEND) as handle:
            atomic.write_all(handle, _line(values))


def _epoch(row: Row) -> dict[str, Any]:
    return {"event": "epoch", **row}


def _line(values: Mapping[str, Any]) -> bytes:
    return json.dumps(json.loads(atomic.dump(values))).encode("ascii") + b"\n"
