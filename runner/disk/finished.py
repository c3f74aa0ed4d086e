"""Finished runs, as others use them: found by folder, id or glob, with their config, figures and weights."""

import glob
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner import terminal
from runner.config import schema
from runner.config.schema import Config
from runner.disk import checkpoint, record, rundir
from runner.disk.checkpoint import Checkpoint
from runner.errors import BadInput, CheckpointProblem


@dataclass(frozen=True)
class Finished:
    """A complete run on disk."""

    folder: Path
    info: Mapping[str, Any]
    config: Config
    summary: Mapping[str, Any]

    def saved(self) -> Checkpoint:
        """Its last checkpoint. CheckpointProblem where there is none, or it is not the end of the run."""
        found = checkpoint.newest(self.folder / "checkpoints", set_aside=False)
        if found is None or found.step != self.summary["updates"]:
            raise CheckpointProblem(terminal.clean(f"{self.folder}: the checkpoint of its last update is not there"))
        return found


def one(text: str, root: Path) -> Finished:
    """The run that a folder or an id stands for; ids are looked for under root. BadInput where it is not one."""
    folders = _folders(text, root)
    if len(folders) != 1:
        raise BadInput(f"{text}: stands for {len(folders)} runs, and one is wanted")
    return _read(folders[0])


def some(text: str, root: Path) -> list[Finished]:
    """The runs that a folder, an id, a study's folder or a glob stands for; those that are not complete are said."""
    folders = _folders(text, root)
    complete = []
    for folder in folders:
        try:
            complete.append(_read(folder))
        except BadInput as error:
            if len(folders) == 1:
                raise
            print(f"left out: {error}", file=sys.stderr)
    if not complete:
        raise BadInput(f"{text}: none of the {len(folders)} runs is complete")
    return complete


def _folders(text: str, root: Path) -> list[Path]:
    """Folders with a run.json, by name: the given one, those in it, or those of that id."""
    paths = [Path(p) for p in sorted(glob.glob(text))] or sorted(root.glob(f"*/{glob.escape(text)}"))
    found = [p for path in paths for p in (path, *sorted(path.glob("*/"))) if rundir.read_info(p) is not None]
    if not found:
        raise BadInput(f"{text}: no run; a run is its folder ({root}/<study>/<run>), its id, or a glob of folders")
    return list(dict.fromkeys(found))


def _read(folder: Path) -> Finished:
    info = rundir.read_info(folder)
    assert info is not None, "looked at before"
    if info.get("state") != "complete":
        raise BadInput(f"{folder} is {info.get('state')}, not complete")
    config = schema.read(record.read_config(folder / "config.yaml"))
    return Finished(folder, info, config, record.read_summary(folder / "summary.json"))
