"""`tricktable table`: a paper's table, or several: made where that is asked for, shown, written, told to programs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tricktable.runner import report
from tricktable.runner.disk.runs import under
from tricktable.runner.errors import BadInput, Interrupted, StorageProblem, SweepFailed
from tricktable.runner.launch.junit import Case
from tricktable.runner.launch.outcome import Outcome, raise_for
from tricktable.runner.papers import reproduce, several, tabulate
from tricktable.runner.papers.measured import MeasuredTable
from tricktable.runner.report import command, records, terminal


@dataclass
class Shown:
    """The tables that a command came to, by name, and what it ends with: the outcomes of its runs, what failed."""

    tables: dict[str, MeasuredTable] = field(default_factory=dict)
    outcomes: Sequence[Outcome] = ()
    failed: Mapping[str, str] = field(default_factory=dict)
    ending: SweepFailed | Interrupted | StorageProblem | None = None


def table(
    name: str, budget: str | None, overrides: Sequence[str], made: bool, figures: Sequence[str] = (), **limits: Any
) -> Shown:
    """One table, its missing runs made before it is shown where that is asked for; limits as `reproduce.make`.

    figures: the formats that its figures are written in besides PNG.
    """
    measured, outcomes, folder = measure(name, budget, overrides, made, **limits)
    terminal.show(measured)
    if any(row.sources or row.exact is not None for row in measured.rows):
        *files, page = report.write(measured, folder, figures)
        for path in [*(each for each in files if each.suffix.lstrip(".") in figures), page]:
            print(path)
    shown = Shown({name: measured}, outcomes)
    try:
        raise_for(outcomes)
        command.raise_for(measured.damaged)
    except (SweepFailed, Interrupted, StorageProblem) as error:
        shown.ending = error
    return shown


def measure(
    name: str, budget: str | None, overrides: Sequence[str], made: bool, **limits: Any
) -> tuple[MeasuredTable, list[Outcome], Path]:
    """A paper's table as `table` has it, what became of the runs that were made for it, and its files' folder."""
    plan, runs = reproduce.requested(name, budget, overrides)
    outcomes = reproduce.make(plan, runs, **limits) if made else []
    if outcomes:
        runs = under(runs.root)
    if made and reproduce.evaluate(plan, runs):
        runs = under(runs.root)
    return tabulate.tabulate(plan, runs, plan.command), outcomes, reproduce.folder(plan, runs.root)


def tables(
    names: Sequence[str],
    budget: str | None,
    overrides: Sequence[str],
    made: bool,
    figures: Sequence[str] = (),
    **limits: Any,
) -> Shown:
    """Several tables, each made and written, its page too where figures are asked for; then what failed."""
    shown = Shown()

    def write(measured: MeasuredTable, folder: Path) -> None:
        shown.tables[measured.name] = measured
        terminal.progress(measured, report.write_tables(measured, folder)[-1].parent)
        for path in report.write_page(measured, folder, figures) if figures else ():
            print(path)

    if not made or budget is None:
        raise BadInput(f"{len(names)} tables have such a name; several are made: add --run and --budget")
    done = several.make(names, budget, overrides, write, **limits)
    counted = f"{len(done.whole)} of {len(names)} tables are whole"
    print(counted)
    shown.failed = done.failed
    if done.failed:
        shown.ending = SweepFailed(f"{counted}, {len(done.failed)} failed: {', '.join(done.failed)}")
    elif done.time_is_up:
        shown.ending = Interrupted(f"{counted}, and the time is up; run the same command again to go on")
    else:
        try:
            command.raise_for(damage for each in shown.tables.values() for damage in each.damaged)
        except StorageProblem as error:
            shown.ending = error
    return shown


def plain(measured: MeasuredTable) -> dict[str, Any]:
    """A table as `--json` has it: the figures are those of table.csv and claims.csv."""
    return {
        "table": measured.name,
        "title": measured.title,
        "caption": measured.caption,
        "budget": measured.budget,
        "command": measured.command,
        "provenance": measured.provenance,
        "warnings": list(measured.warnings),
        "damaged": list(map(str, measured.damaged)),
        "rows": records.rows(measured),
        "claims": records.claims(measured),
    }


def cases(shown: Shown) -> dict[str, list[Case]]:
    """A case for each run of each row, by table: the missing ones are skipped, and those that failed are errors."""
    suites = {name: _cases(measured) for name, measured in shown.tables.items()}
    for each in shown.outcomes:
        if each.state in ("failed", "interrupted"):
            lost = Case(name=each.job.title, seconds=each.seconds, error=each.reason or each.state)
            suites[next(iter(suites))].append(lost)
    for name, reason in shown.failed.items():
        suites.setdefault(name, []).append(Case(name="the table's runs", error=reason))
    return suites


def _cases(measured: MeasuredTable) -> list[Case]:
    found = []
    for row in measured.rows:
        for run in row.runs:
            told = (
                f"{measured.metric.name} {run.figure:.6g}"
                if run.figure is not None
                else run.run.info.reason or run.state
            )
            found.append(Case(name=f"{row.label}, seed {run.seed}", told=told))
        absent = set(row.missing) - {run.seed for run in row.runs}
        found += [Case(name=f"{row.label}, seed {seed}", skipped="there is no such run yet") for seed in sorted(absent)]
        if row.reason:
            found.append(Case(name=row.label, skipped=f"it cannot be run here: {row.reason}"))
    return found
