"""`tricktable figure`: a figure of finished runs by its name, as pictures and as a table of what they show."""

import ast
import importlib
import inspect
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tricktable.runner.config import grammar, reader
from tricktable.runner.config.overrides import Overrides
from tricktable.runner.disk import atomic, meant
from tricktable.runner.disk.runs import StoredRun
from tricktable.runner.errors import BadInput, StorageProblem, suggest
from tricktable.runner.explore import reevaluate
from tricktable.runner.explore.reevaluate import Request
from tricktable.runner.report import records
from tricktable.runner.report.drawing import LONGEST, Plot


@dataclass(frozen=True)
class Figure:
    """What was drawn, and the figures of it, one mapping a row of its CSV, all with the same keys."""

    plots: tuple[Plot, ...]
    records: tuple[Mapping[str, Any], ...]


class Ended(tuple[StoredRun, ...]):
    """Runs that are complete or diverged: a figure that asks for these gets both, and every other complete ones."""

    __slots__ = ()


def listing() -> list[tuple[str, str]]:
    """Every figure, with what it shows."""
    found = []
    for path in sorted(Path(__file__).parent.glob("*.py")):
        if path.stem not in ("__init__", Path(__file__).stem):
            said = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
            found.append((path.stem, said.partition("\n")[0]))
    return found


def make(name: str, texts: Sequence[str], overrides: Sequence[str], forms: Sequence[str] = ()) -> list[Path]:
    """Draw a figure of the runs that texts stand for, and write it; its files, the table last.

    Each text is a run's folder or id, a study's folder or a glob. Overrides are `evaluate`'s and, without a dot, the
    figure's own arguments. One run's figure lies in its folder, that of several in their study's or under the root.
    forms: the formats that it is written in besides PNG.
    """
    known = [each for each, _ in listing()]
    if name not in known:
        raise BadInput(f"no figure is called {name}{suggest(name, known)}")
    function = getattr(importlib.import_module(f"tricktable.runner.figures.{name}"), name)
    arguments, rest = _arguments(function, overrides)
    request = reevaluate.read(rest)
    root = Path(request.config.output.root)
    wanted = next(iter(typing.get_type_hints(function).values()))
    found = {run.folder: run for text in texts for run in meant.some(text, root, diverged=wanted is Ended)}
    figure = function(Ended(found.values()), request, **arguments)
    return _write(figure, name, _folder(list(found), root), dict.fromkeys(("png", *forms)))


def _arguments(function: Callable[..., Figure], overrides: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """The figure's own arguments, typed as its signature has them; and the other overrides."""
    names = list(inspect.signature(function).parameters)[2:]
    hints = typing.get_type_hints(function)
    own = [override for override in Overrides(overrides) if override.key in names]
    for override in Overrides(overrides):
        if override not in own and override.group not in reevaluate.KEPT:
            takes = ", ".join([*names, *reevaluate.KEPT])
            raise BadInput(f"{override.key}: expected an argument of {function.__name__} or of evaluate: {takes}")
    arguments = {each.key: reader.value_of(each.key, hints[each.key], each.value) for each in grammar.typed(own)}
    return arguments, [override for override in overrides if override not in own]


def _folder(folders: Sequence[Path], root: Path) -> Path:
    """Where the figure of these runs lies: with the one run, else in their study, else under the root."""
    studies = {folder.parent for folder in folders}
    if len(folders) == 1:
        return folders[0] / "figures"
    return (studies.pop() if len(studies) == 1 else root) / "figures"


def _write(figure: Figure, name: str, folder: Path, forms: Iterable[str]) -> list[Path]:
    """Each file whole or not at all."""
    with atomic.storage(folder):
        folder.mkdir(parents=True, exist_ok=True)
    if folder.is_symlink():
        raise StorageProblem(f"{folder}: a link; figures are written to real folders")
    files: dict[str, bytes] = {}
    for number, plot in enumerate(figure.plots, 1):
        stem = f"{name}{f'-{number}' if len(figure.plots) > 1 else ''}"
        files |= {f"{stem}.{form}": plot.picture(form) for form in forms}
    files[f"{name}.csv"] = records.as_csv([dict(record) for record in figure.records]).encode("utf-8")
    for file, data in files.items():
        atomic.replace(folder / file, data)
    return [folder / file for file in files]


def used(request: Request, name: str, *groups: str) -> None:
    """BadInput for what was typed and this figure does not use: of `evaluate`'s keys it takes those of these groups."""
    for key in sorted(request.keys):
        if key.partition(".")[0] not in (*groups, "output"):
            takes = f"only {', '.join([*groups, 'output'])}"
            raise BadInput(f"{key}: {name} does not use it; of evaluate's keys it takes {takes}")


def one(stored: Sequence[StoredRun], name: str) -> StoredRun:
    """The only run, where a figure is of one."""
    if len(stored) != 1:
        raise BadInput(f"{name}: a figure of one run, got {len(stored)}")
    return stored[0]


def shown(run_id: str, longest: int = LONGEST) -> str:
    """A run's id as a label: where it is too long its middle is left out, for its end tells runs apart."""
    return run_id if len(run_id) <= longest else f"{run_id[: longest - 19]}…{run_id[-18:]}"
