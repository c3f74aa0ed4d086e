"""`tricktable.table`, `study`: measured tables, which show themselves in a notebook."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas

from tricktable.runner import report
from tricktable.runner.config.compose import compose
from tricktable.runner.errors import BadInput, suggest
from tricktable.runner.launch import limits
from tricktable.runner.launch.engines import choice
from tricktable.runner.launch.outcome import raise_for
from tricktable.runner.papers import recipe, study_file
from tricktable.runner.papers.measured import MeasuredTable
from tricktable.runner.python.apart import apart, hushed, silent
from tricktable.runner.python.typed import several
from tricktable.runner.report import command, latex, markdown, notebook, records, tables


@dataclass(frozen=True, eq=False)
class Table:
    """A paper's table or a study's, as it is measured so far; `folder` is where `write` puts its files."""

    measured: MeasuredTable = field(repr=False)
    folder: Path

    @property
    def name(self) -> str:
        """<paper>/<table>, or the study."""
        return self.measured.name

    @property
    def rows(self) -> pandas.DataFrame:
        """Its rows, with exact figures: table.csv."""
        return _frame(records.rows(self.measured))

    @property
    def claims(self) -> pandas.DataFrame:
        """What becomes of the paper's claims: claims.csv; no rows for a study."""
        return _frame(records.claims(self.measured))

    @property
    def runs(self) -> pandas.DataFrame:
        """The runs of its rows, one each: runs.csv."""
        return _frame(records.runs(self.measured))

    @property
    def evaluated(self) -> pandas.DataFrame:
        """A study's later evaluations: evaluated.csv."""
        return _frame(records.evaluated(self.measured))

    @property
    def markdown(self) -> str:
        """As table.md."""
        return markdown.document([self.measured])

    @property
    def latex(self) -> str:
        """As table.tex."""
        return latex.document([self.measured])

    def write(self, folder: str | os.PathLike[str] | None = None) -> list[Path]:
        """Write every file of its report, the page last; their paths."""
        return report.write(self.measured, self.folder if folder is None else Path(folder))

    def __repr__(self) -> str:
        counted = f"{len(self.measured.rows)} rows"
        more = f", {len(self.measured.claims)} claims" if self.measured.claims else ""
        return f"Table({self.name}, {self.measured.budget}: {counted}{more})"

    def __str__(self) -> str:
        return self.markdown

    def _repr_html_(self) -> str:
        return notebook.fragment(self.measured)

    def _repr_markdown_(self) -> str:
        return self.markdown


def table(
    name: str,
    overrides: Sequence[str] = (),
    *,
    budget: str | None = None,
    run: bool = False,
    baseline: str | None = None,
    minutes: float | None = None,
    jobs: int | None = None,
    gpus: Sequence[int] = (),
    timeout: float | None = None,
    quiet: bool | None = None,
    engine: str | None = None,
) -> Table:
    """A paper's table, <paper>/<table>, or that of a study under output.root, as the runs that are there fill it.

    budget: smoke, short or paper; by default the fullest of which there are runs. run: make the runs that are missing,
    for minutes at most; the rest as `tricktable.train`. baseline: a study's row that the others are compared with.
    """
    where, texts = choice.taken(engine, several(overrides), jobs)
    if name not in recipe.names():
        if run or budget:
            raise BadInput(f"no table of a paper is called {name}{suggest(name, recipe.names())}")
        root = Path(compose(texts).output.root)
        return Table(command.of_study(name, root, baseline), command.study_folder(name, root))
    if baseline is not None:
        raise BadInput("baseline: it is of a study's table, and this is a paper's")
    bounds = {
        "jobs": jobs,
        "gpus": gpus,
        "timeout": timeout,
        "until": limits.until("minutes", minutes),
        "engine": where,
    }
    silently = silent(quiet)
    with apart(), hushed(silently):
        measured, outcomes, folder = tables.measure(name, budget, texts, run, heard=silently, **bounds)
        raise_for(outcomes)
    return Table(measured, folder)


def study(
    file: str | os.PathLike[str],
    overrides: Sequence[str] = (),
    *,
    jobs: int | None = None,
    gpus: Sequence[int] = (),
    timeout: float | None = None,
    quiet: bool | None = None,
    engine: str | None = None,
) -> Table:
    """A study that a YAML file holds: its runs made as far as they are missing, and its table."""
    found, silently = study_file.read(Path(file)), silent(quiet)
    where, texts = choice.taken(engine, several(overrides), jobs)
    bounds: dict[str, Any] = {"jobs": jobs, "gpus": gpus, "timeout": timeout, "engine": where}
    with apart(), hushed(silently):
        made = study_file.make(found, texts, heard=silently, **bounds)
        raise_for([outcome for _, outcome in made])
        measured = study_file.tabulate(found, made)
    assert measured is not None, "its runs have ended"
    first = made[0][1].job
    return Table(measured, command.study_folder(first.study, first.root))


def _frame(found: Sequence[records.Record]) -> pandas.DataFrame:
    return pandas.DataFrame([dict(each) for each in found])
