"""Reports of measured tables: text for papers and pandas, and one page for people.

    write(measured, folder)         table.md, table.csv, claims.csv, table.tex, runs.csv; report.html and its pictures
    write_collected(root, folder)   runs.csv of every run under an output root
    compare.compare(a, b, root)     two runs or rows side by side, as text

Labels, reasons and captions come from anybody's files: each format escapes them. It imports papers and what lies below.
"""

from collections.abc import Sequence
from pathlib import Path

from runner.disk import atomic
from runner.papers.measured import Measured
from runner.report import text
from runner.report.runs import collect, frame, of, write_collected

__all__ = ["collect", "write", "write_collected", "write_page", "write_tables"]


def write(measured: Measured | Sequence[Measured], folder: Path) -> list[Path]:
    """Write every file of a report; returns their paths, the page last. StorageProblem where it cannot be written."""
    return [*write_tables(measured, folder), *write_page(measured, folder)]


def write_tables(measured: Measured | Sequence[Measured], folder: Path) -> list[Path]:
    """Write the tables as Markdown, CSV and LaTeX, and runs.csv with one row per run. Imports no matplotlib."""
    tables = _several(measured)
    return _put(
        folder,
        {
            "table.md": text.markdown(tables),
            "table.csv": frame([row for each in tables for row in text.row_records(each)]),
            "claims.csv": frame([row for each in tables for row in text.claim_records(each)]),
            "table.tex": text.latex(tables),
            "runs.csv": frame([row for each in tables for row in of(each)]),
        },
    )


def write_page(measured: Measured | Sequence[Measured], folder: Path) -> list[Path]:
    """Write report.html, whole in one file, and its curves and seeds as pictures for elsewhere."""
    from runner.report.page import page
    from runner.report.plots import pictures as drawn

    tables = _several(measured)
    pictures: dict[str, str | bytes] = {}
    for number, each in enumerate(tables, 1):
        ending = f"-{number}" if len(tables) > 1 else ""
        pictures |= {f"{kind}{ending}.png": data for kind, data in drawn(each).items()}
    return _put(folder, {**pictures, "report.html": page(tables)})


def _several(measured: Measured | Sequence[Measured]) -> list[Measured]:
    tables = [measured] if isinstance(measured, Measured) else list(measured)
    assert tables, "a report has a table"
    return tables


def _put(folder: Path, files: dict[str, str] | dict[str, str | bytes]) -> list[Path]:
    with atomic.storage(folder):
        folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        atomic.replace(folder / name, data.encode("utf-8") if isinstance(data, str) else data)
    return [folder / name for name in files]
