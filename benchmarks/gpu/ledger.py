"""The file that measurements go to: a line of JSON for each row, as it comes, and one for the end of each step.

It is only ever appended to. A line that a kill cut short is passed over.
"""

import json
import os
import statistics
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.gpu.steps import Step

Line = dict[str, Any]
SAME = ("card", "torch")  # a step that was done with another of these is measured again


class Ledger:
    """The lines of `path`, and those that are added for a machine (card.py)."""

    def __init__(self, path: Path, machine: Mapping[str, Any]) -> None:
        self.path, self.machine = path, dict(machine)
        self.lines = list(read(path))

    def add(self, step: Step, **what: Any) -> None:
        """Write a line, and do not return before it is on the disk."""
        line = {"step": step.name, "at": datetime.now(UTC).isoformat(timespec="seconds"), **self.machine, **what}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab") as file:
            file.write(b"\n" * _is_cut(self.path) + json.dumps(line).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        self.lines.append(line)

    def done(self, step: Step) -> bool:
        """Whether a step was done with this card and this torch."""
        return any(line["step"] == step.name and line.get("state") == "done" for line in self._ours())

    def failed(self, step: Step) -> bool:
        """Whether a step has failed when it was last tried."""
        ends = [line["state"] for line in self._ours() if line["step"] == step.name and "state" in line]
        return ends[-1:] == ["failed"]

    def pace(self, steps: Mapping[str, Step]) -> float:
        """How much longer than predicted steps took on this card: the median, 1 where none was done yet."""
        ends = [line for line in self._ours() if line.get("state") == "done" and line["step"] in steps]
        found = [line["seconds"] / steps[line["step"]].seconds for line in ends if not steps[line["step"]].open]
        return statistics.median(found) if found else 1.0

    def _ours(self) -> Iterator[Line]:
        return (line for line in self.lines if all(line.get(name) == self.machine.get(name) for name in SAME))


def _is_cut(path: Path) -> bool:
    """Whether the last line of a file has no end."""
    with path.open("rb") as file:
        if file.seek(0, os.SEEK_END) == 0:
            return False
        file.seek(-1, os.SEEK_END)
        return file.read() != b"\n"


def read(path: Path) -> Iterator[Line]:
    """The lines of a ledger that are whole; none where there is no file."""
    if not path.exists():
        return
    for text in path.read_bytes().split(b"\n"):
        try:
            line = json.loads(text)
        except ValueError:  # cut short, or the end
            continue
        if isinstance(line, dict) and "step" in line:
            yield line
