"""Measured tables that travel with the checkout, results/<paper>/<table>/<budget>/: what is whole, and writing it.

A folder there is a table's report. Runs stay under the output root of the machine that made them; what others know of
them are the rows of these CSVs.
"""

import csv
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from tricktable.runner import report
from tricktable.runner.config import schema
from tricktable.runner.config.overrides import Overrides
from tricktable.runner.disk import atomic
from tricktable.runner.errors import BadInput
from tricktable.runner.papers import provenance, reproduce
from tricktable.runner.papers.measured import MeasuredTable
from tricktable.runner.papers.plan import Point, TablePlan, composed
from tricktable.runner.report import records

Record = Mapping[str, str]
Records = Sequence[Record]
NEW, OLD = ".new", ".old"  # behind the name of a folder that is being replaced


def folder(results: Path, table: str, budget: str) -> Path:
    """Where a table of a budget lies."""
    return results / table / budget


def read(path: Path) -> Records:
    """The records of a CSV; none where there is no such file. BadInput where it is not text."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))
    except FileNotFoundError:
        return []
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadInput(f"{path}: expected a CSV that tricktable wrote: {error}") from None


def lacking(plan: TablePlan, results: Path) -> str:
    """Why a table is not whole there, in words: a row's recipe or seeds; nothing where it is."""
    where = folder(results, plan.recipe.name, plan.budget)
    with as_written(where):
        return _lacking(plan, where)


@contextmanager
def as_written(where: Path) -> Iterator[None]:
    """BadInput where a record lacks a column, or has a word for a number."""
    try:
        yield
    except (KeyError, ValueError) as error:
        raise BadInput(f"{where}: its CSVs are not as tricktable writes them ({atomic.reason(error)})") from None


def _lacking(plan: TablePlan, where: Path) -> str:
    rows = {each.get("row", ""): each for each in read(where / "table.csv")}
    if not rows:
        return "it is not there"
    ended, tried = _ended(read(where / "runs.csv")), _tried(read(where / "grid.csv"))
    for label in (*plan.points, *plan.grids):
        found, points = rows.get(records.cell(label)), plan.points.get(label, ())
        if found is None:
            return f"{label} is not there"
        if points and not _same(plan, label, points[0], found.get("overrides", "")):
            return f"{label} was made by another recipe"
        absent = {point.seed for point in points} - ended.get(records.cell(label), set())
        if absent:
            return f"{label} lacks the seed{'s' * (len(absent) > 1)} {', '.join(map(str, sorted(absent)))}"
        if not points and {(str(p.setting), p.seed) for p in plan.grids[label]} - tried.get(records.cell(label), set()):
            return f"{label} lacks settings of its grid"
    return ""


def _ended(runs: Records) -> dict[str, set[int]]:
    """By row, the seeds whose run diverged, or is complete and has the row's figure."""
    found: dict[str, set[int]] = {}
    for each in runs:
        if each.get("state") == "diverged" or (each.get("state") == "complete" and each.get("figure")):
            found.setdefault(each["row"], set()).add(int(each["seed"]))
    return found


def _tried(grid: Records) -> dict[str, set[tuple[str, int]]]:
    """By row, the settings and seeds of its grid, of those settings of which every run has ended."""
    found: dict[str, set[tuple[str, int]]] = {}
    for each in grid:
        seeds = each["seeds"].split()
        if int(each["ended"]) == len(seeds):
            found.setdefault(each["row"], set()).update((each["setting"], int(seed)) for seed in seeds)
    return found


def _same(plan: TablePlan, label: str, point: Point, typed: str) -> bool:
    """Whether a row's overrides, as table.csv has them, are what the recipe says today, whatever they ran on.

    What a grid chose is the archive's, and not compared.
    """
    grid = plan.recipe.grid(label, plan.budget)
    return _choices(_split(typed), grid) == _choices(point.overrides, grid)


def _choices(overrides: Sequence[str], grid: Mapping[str, object]) -> str | None:
    """The key of the choices; None of overrides that can no longer be composed."""
    try:
        kept = Overrides(overrides).without(*grid, *reproduce.EXTRA, "seed", "study")
        return schema.choices_key(composed(Overrides(each for each in kept if each.group != "compute")))
    except BadInput:
        return None


def _split(typed: str) -> list[str]:
    """Overrides joined by blanks; a value may hold some itself, within brackets."""
    found: list[str] = []
    for part in typed.split(" ") if typed else ():
        whole = not found or all(found[-1].count(a) == found[-1].count(b) for a, b in ("[]", "{}", "()"))
        if whole and "=" in part:
            found.append(part)
        else:
            found[-1:] = [f"{found[-1]} {part}" if found else part]
    return found


def portable(table: MeasuredTable, plan: TablePlan) -> MeasuredTable:
    """A table without this machine's folders: none in its command, and damaged runs, which are in no row, not named."""
    typed = Overrides(each for each in plan.extra if not schema.is_cosmetic(each.key))
    warnings = tuple(each for each in table.warnings if each not in provenance.left_out(table.damaged))
    return replace(table, command=replace(plan, extra=typed).command, damaged=(), warnings=warnings)


def whole(table: MeasuredTable, labels: Collection[str]) -> bool:
    """Whether every seed of these rows, and every setting of their grids, has ended."""
    rows = [row for row in table.rows if row.label in labels]
    settings = [each for row in rows for each in row.grid]
    return not any(row.missing for row in rows) and all(len(each.runs) == len(each.seeds) for each in settings)


def lost(table: MeasuredTable, labels: Collection[str], results: Path) -> list[str]:
    """Other rows than these of which there are more seeds there than in the table: writing it would lose them."""
    where = folder(results, table.name, table.budget)
    with as_written(where):
        ended = _ended(read(where / "runs.csv"))
    here = {
        row.label: {run.seed for run in row.runs} - set(row.missing) for row in table.rows if row.label not in labels
    }
    return [label for label, seeds in here.items() if len(ended.get(records.cell(label), ())) > len(seeds)]


def write(table: MeasuredTable, results: Path) -> Path:
    """Put a table's report there in the place of what was; its folder.

    It is written beside it, and then exchanged: whoever is killed meanwhile leaves a whole report or none.
    """
    there = folder(results, table.name, table.budget)
    new, old = (there.with_name(f"{there.name}{ending}") for ending in (NEW, OLD))
    with atomic.storage(there):
        for each in (new, old):
            shutil.rmtree(each, ignore_errors=True)
        report.write(table, new)
        if there.exists():
            there.rename(old)
        new.rename(there)
        shutil.rmtree(old, ignore_errors=True)
    return there
