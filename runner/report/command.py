"""What commands show and write: the files of a paper's table, of a study, or of all runs; a study's table alone."""

from collections.abc import Sequence
from pathlib import Path

from tricktable.runner import report
from tricktable.runner.config.compose import compose
from tricktable.runner.disk.runs import under
from tricktable.runner.errors import BadInput
from tricktable.runner.papers import recipe, reproduce, studies, tabulate
from tricktable.runner.papers.measured import MeasuredTable
from tricktable.runner.report import terminal


def produce(
    name: str | None,
    budget: str | None,
    overrides: Sequence[str],
    baseline: str | None = None,
    figures: Sequence[str] = (),
) -> list[Path]:
    """Write a report; its files, the page last. Without a name: runs.csv of every run. `baseline`: of a study."""
    if figures and name is None:
        raise BadInput("--figures: they are of a table or a study, so name one")
    if baseline is not None and (name is None or name in recipe.names()):
        raise BadInput("--baseline: it is of a study's table, so name a study")
    if name in recipe.names():
        plan, runs = reproduce.requested(name, budget, overrides)
        typed = f"tricktable table {name} --run --budget {plan.budget}"
        return report.write(tabulate.tabulate(plan, runs, typed), reproduce.folder(plan, runs.root), figures)
    root = Path(compose(overrides).output.root)
    if name is None:
        return report.write_collected(under(root), root)
    if not (root / name).is_dir():
        raise BadInput(f"{name}: neither a table (tricktable list tables) nor a study in {root}")
    table = studies.tabulate(name, under(root, name), baseline)
    if table is None:
        raise BadInput(f"{root / name}: no run has finished")
    return report.write(table, root / name / "report", figures)


def show_study(folder: Path, baseline: str | None = None) -> None:
    """Print a study's table, and write it into the study's folder. BadInput for a baseline that no row is."""
    show(studies.tabulate(folder.name, under(folder.parent, folder.name), baseline), folder)


def show(table: MeasuredTable | None, folder: Path) -> None:
    """Print a study's table and write it into this folder; None where no run has finished."""
    if table is None:
        print(f"{folder}: no run has finished")
        return
    path = report.write_short(table, folder)
    terminal.show(table)
    print(path)
