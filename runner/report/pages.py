"""`tricktable report`: the files of a paper's table, of a study, or of all runs."""

from collections.abc import Sequence
from pathlib import Path

from runner import report
from runner.config.compose import compose
from runner.config.overrides import Overrides
from runner.errors import BadInput
from runner.papers import facts, matching, recipe, reproduce, studies
from runner.papers.measured import Measured, MeasuredRow
from runner.papers.recipe import Recipe


def write(name: str | None, budget: str | None, overrides: Sequence[str]) -> list[Path]:
    """Write a report; its files, the page last. Without a name: runs.csv of every run."""
    root = Path(compose(overrides).output.root)
    if name is None:
        from runner.report.runs import write_collected

        return write_collected(root, root)
    if name in recipe.names():
        wanted, root = reproduce.asked(name, budget, overrides)
        typed = f"tricktable table {name} --run --budget {wanted.budget}"
        return report.write(reproduce.measured(wanted, root, typed), reproduce.folder(wanted, root))
    if (root / name).is_dir():
        return report.write(of_study(root / name), root / name / "report")
    raise BadInput(f"{name}: neither a table (tricktable list tables) nor a study in {root}")


def of_study(study: Path) -> Measured:
    """A study as a table without a paper: its rows, and no claims."""
    rows = studies.rows(study)
    if not rows:
        raise BadInput(f"{study}: no run has finished")
    measured = tuple(_row(row) for row in rows)
    metric = facts.Metric("top1_error", "percent", "lower", "test")
    labels = {row.theirs.label: row.theirs for row in measured}
    shown = facts.Table(study.name, f"The study {study.name}", metric, "last", labels)
    paper = facts.unpublished(study.name, f"Study {study.name}")
    made = Recipe(name=study.name, paper=paper, table=shown, n=len(rows[0].seeds), budgets={})
    caption = matching.caption(shown, "study", measured)
    return Measured(made, "study", measured, (), caption, f"tricktable report {study.name}")


def _row(row: studies.Row) -> MeasuredRow:
    theirs = facts.PaperRow(row.label, None, None, {}, None, None, None, None, None, None, None, "derived", False, {})
    costs = {key: row.summary.get(key) for key in ("params", "madds", "updates")}
    mean, half = (None, None) if not row.errors else (row.mean, row.interval)
    return MeasuredRow(theirs, Overrides(), None, row.seeds, row.runs, mean, half, **costs)
