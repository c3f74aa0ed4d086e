"""The runs that are meant by what is typed: a folder, an id or the 8 digits at its end, a study's folder, a glob."""

import glob
import os
import sys
from pathlib import Path

from tricktable.runner import terminal
from tricktable.runner.disk.runs import HASH, StoredRun, at, look
from tricktable.runner.disk.seal import MEND, Damage
from tricktable.runner.errors import BadInput, StorageProblem


def one(text: str, root: Path) -> StoredRun:
    """The complete run that a folder or an id (looked for under root) stands for; BadInput where it is not one."""
    return _complete(any_one(text, root))


def any_one(text: str, root: Path) -> StoredRun:
    """The run that a text stands for, as `one`, whatever its state."""
    found = _named(text, root)
    if len(found) != 1:
        raise BadInput(f"{text}: stands for {len(found)} runs, and one is wanted")
    return found[0]


def some(text: str, root: Path, diverged: bool = False, damaged: dict[Path, Damage] | None = None) -> list[StoredRun]:
    """The complete runs that a folder, an id, a study's folder or a glob stands for; it is said which are left out.

    diverged: with those that diverged, which is a result too. Where one is damaged StorageProblem; with `damaged` it
    is left out too, and put there.
    """
    found = _named(text, root, damaged)
    complete = []
    for run in found:
        try:
            complete.append(_complete(run, diverged))
        except BadInput as error:
            if len(found) == 1:
                raise
            print(f"left out: {error}", file=sys.stderr)
        except StorageProblem:
            if damaged is None:
                raise
            damaged[run.folder] = Damage(run.folder, run.damage)
    if not complete and not damaged:
        raise BadInput(f"{text}: none of the {len(found)} runs is complete")
    return complete


def _named(text: str, root: Path, damaged: dict[Path, Damage] | None = None) -> list[StoredRun]:
    """The given folder's run, those of the folders in it, or those of that id or of its last digits, by name."""
    text = os.path.expanduser(text)
    if (run := at(Path(text))) is not None:
        return [run]  # whatever signs of a glob its path has
    paths = [Path(p) for p in sorted(glob.glob(text))] or sorted(root.glob(f"*/{glob.escape(text)}"))
    if not paths and HASH.fullmatch(text):
        paths = sorted(root.glob(f"*/*-{text}"))
    folders = dict.fromkeys(p for path in paths for p in (path, *sorted(path.glob("*/"))))
    seen = [look(folder) for folder in folders]
    found = [each for each in seen if isinstance(each, StoredRun)]
    broken = {each.folder: each for each in seen if isinstance(each, Damage)}
    if broken and damaged is None:
        raise StorageProblem(f"{root}: {'; '.join(map(str, broken.values()))}")
    if damaged is not None:
        damaged |= broken
    if not found and not broken:
        raise BadInput(
            f"{text}: no run; a run is its folder ({root}/<study>/<run>), its id or the 8 digits at the id's end, or a "
            "glob of folders"
        )
    return found


def _complete(run: StoredRun, diverged: bool = False) -> StoredRun:
    if run.state != "complete" and not (diverged and run.info.ended):
        raise BadInput(f"{run.folder} is {run.state}, not complete")
    if run.damage:  # it shows here, and not in the middle of something
        raise StorageProblem(terminal.clean(f"{run.folder}/{run.damage}; {MEND}"))
    for part in ("settings", "summary"):
        getattr(run, part)
    return run
