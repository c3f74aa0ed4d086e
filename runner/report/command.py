"""What commands show and write: the files of a paper's table, of a study, or of all runs; a study's table alone."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from tricktable.runner import report
from tricktable.runner.config.compose import compose
from tricktable.runner.disk.runs import under
from tricktable.runner.disk.seal import MEND, Damage
from tricktable.runner.errors import BadInput, StorageProblem
from tricktable.runner.papers import recipe, reproduce, studies, tabulate
from tricktable.runner.papers.measured import MeasuredTable
from tricktable.runner.report import terminal


def produce(
    name: str | None,
    budget: str | None,
    overrides: Sequence[str],
    baseline: str | None = None,
    figures: Sequence[str] = (),
    damaged: list[Damage] | None = None,
) -> list[Path]:
    """Write a report; its files, the page last. Without a name: runs.csv of every run. `baseline`: of a study.

    damaged: where the runs are put that are there and cannot be used.
    """
    damaged = [] if damaged is None else damaged
    if figures and name is None:
        raise BadInput("--figures: they are of a table or a study, so name one")
    if baseline is not None and (name is None or name in recipe.names()):
        raise BadInput("--baseline: it is of a study's table, so name a study")
    if name in recipe.names():
        plan, runs = reproduce.requested(name, budget, overrides)
        typed = f"tricktable table {name} --run --budget {plan.budget}"
        table = tabulate.tabulate(plan, runs, typed)
        damaged += table.damaged
        return report.write(table, reproduce.folder(plan, runs.root), figures)
    root = Path(compose(overrides).output.root)
    if name is None:
        return report.write_collected(under(root), root, damaged)
    study = of_study(name, root, baseline)
    damaged += study.damaged
    return report.write(study, study_folder(name, root), figures)


def of_study(name: str, root: Path, baseline: str | None = None) -> MeasuredTable:
    """A study's table. BadInput where there is none of this name, or no run of it has finished.

    StorageProblem where all of its runs are damaged.
    """
    if not (root / name).is_dir():
        raise BadInput(f"{name}: neither a table (tricktable list tables) nor a study in {root}")
    runs = under(root, name)
    study = studies.tabulate(name, runs, baseline)
    if study is None:
        raise_for(runs.unusable)
        raise BadInput(f"{root / name}: no run has finished")
    return study


def study_folder(name: str, root: Path) -> Path:
    """Where a study's report is written."""
    return root / name / "report"


def show_study(folder: Path, baseline: str | None = None) -> tuple[Damage, ...]:
    """Print a study's table, and write it into the study's folder; the runs that are there and cannot be used.

    BadInput for a baseline that no row is.
    """
    runs = under(folder.parent, folder.name)
    return show(studies.tabulate(folder.name, runs, baseline), folder) or runs.unusable


def show(table: MeasuredTable | None, folder: Path) -> tuple[Damage, ...]:
    """Print a study's table and write it into this folder; None where no run has finished. Returns as `show_study`."""
    if table is None:
        print(f"{folder}: no run has finished")
        return ()
    path = report.write_short(table, folder)
    terminal.show(table)
    print(path)
    return table.damaged


def raise_for(damaged: Iterable[Damage]) -> None:
    """StorageProblem, once all is said and written, where runs are there and cannot be used."""
    lines = list(dict.fromkeys(map(str, damaged)))
    if lines:
        what = "1 run is" if len(lines) == 1 else f"{len(lines)} runs are"
        raise StorageProblem(f"{what} damaged, and in no row: {'; '.join(lines)}; {MEND}")
