"""Reports of measured tables: text for papers and pandas, and one page for people.

    write(table, folder)            table.md, table.csv, claims.csv, table.tex, runs.csv; report.html and its pictures
    write_collected(runs, folder)   runs.csv of every run under an output root
    compare.compare(a, b, root)     two runs or rows side by side, as text

Labels, reasons and captions come from anybody's files: each format escapes them. It imports papers and what lies below.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from tricktable.runner.disk import atomic
from tricktable.runner.papers.measured import MeasuredTable
from tricktable.runner.report import grids, images, latex, markdown, records
from tricktable.runner.report.runs import collect, write_collected

__all__ = ["collect", "write", "write_collected", "write_page", "write_short", "write_tables"]

Tables = MeasuredTable | Sequence[MeasuredTable]


def write(tables: Tables, folder: Path, figures: Sequence[str] = ()) -> list[Path]:
    """Write every file of a report; returns their paths, the page last. StorageProblem where it cannot be written."""
    return [*write_tables(tables, folder), *write_page(tables, folder, figures)]


def write_short(table: MeasuredTable, folder: Path) -> Path:
    """Write the table alone, as table.csv and as table.md, whose path is returned."""
    files = {
        **_later([table]),
        "table.csv": records.as_csv(records.rows(table)),
        "table.md": markdown.document([table]),
    }
    return put(folder, files)[-1]


def write_tables(tables: Tables, folder: Path) -> list[Path]:
    """Write the tables as Markdown, CSV and LaTeX, and runs.csv with one row per run. Imports no matplotlib.

    What was tried on grids is in grid.csv; of a study, later evaluations are in evaluated.csv and accuracies by class
    in by_class.csv, where there are some.
    """
    several = _several(tables)
    tried = [record for each in several for record in grids.records(each)]
    classes = [record for each in several for record in images.records(each)]
    return put(
        folder,
        {
            **_later(several),
            **({"grid.csv": records.as_csv(tried)} if tried else {}),
            **({"by_class.csv": records.as_csv(classes)} if classes else {}),
            "table.md": markdown.document(several),
            "table.csv": records.as_csv([record for each in several for record in records.rows(each)]),
            "claims.csv": records.as_csv([record for each in several for record in records.claims(each)]),
            "table.tex": latex.document(several),
            "runs.csv": records.as_csv([record for each in several for record in records.runs(each)]),
        },
    )


def write_page(tables: Tables, folder: Path, figures: Sequence[str] = ()) -> list[Path]:
    """Write report.html, whole in one file, and its figures for elsewhere: as PNG, and in these formats (svg, pdf)."""
    from tricktable.runner.report.page import page
    from tricktable.runner.report.plots import named

    several = _several(tables)
    pictures: dict[str, str | bytes] = {}
    for number, each in enumerate(several, 1):
        ending = f"-{number}" if len(several) > 1 else ""
        for kind, plot in named(each).items():
            pictures |= {f"{kind}{ending}.{form}": plot.picture(form) for form in dict.fromkeys(("png", *figures))}
    return put(folder, {**pictures, "report.html": page(several)})


def _later(tables: Sequence[MeasuredTable]) -> dict[str, str]:
    """evaluated.csv of a study's later evaluations, where there are some."""
    found = [record for each in tables for record in records.evaluated(each)]
    return {"evaluated.csv": records.as_csv(found)} if found else {}


def _several(tables: Tables) -> list[MeasuredTable]:
    several = [tables] if isinstance(tables, MeasuredTable) else list(tables)
    assert several, "a report has a table"
    return several


def put(folder: Path, files: Mapping[str, str | bytes]) -> list[Path]:
    """Write files into a folder; their paths. StorageProblem where it cannot be."""
    with atomic.storage(folder):
        folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        atomic.replace(folder / name, data.encode("utf-8") if isinstance(data, str) else data)
    return [folder / name for name in files]
