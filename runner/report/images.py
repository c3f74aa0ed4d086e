"""What a study's page says of test images: accuracy by class for each row, and those that the best row did worst on.

Both are of each run's own result, as its predicted.json has them; runs of earlier versions have none, and are left out.
Pictures may be anybody's: each is read as a PNG of a few pixels and written again, and its words are escaped.
"""

import base64
import io
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from tricktable.runner.disk.predicted import PNGS, SIDE, WORST, Predicted, Worst
from tricktable.runner.disk.runs import StoredRun
from tricktable.runner.errors import StorageProblem
from tricktable.runner.papers.measured import MeasuredRow, MeasuredTable, Measurement
from tricktable.runner.report.elements import Html, el, img
from tricktable.runner.report.records import Record

MOST = 100  # classes that the page lists
Accuracies = Mapping[str, Sequence[float]]  # in percent, of each finished seed, by class


def by_class(table: MeasuredTable) -> dict[str, Accuracies]:
    """A study's rows by label, each with its accuracies by class; a row whose runs say nothing of it is left out.

    Results of other variants and inferences of the same runs are rows too, and have none.
    """
    found = {row.label: _accuracies(row) for row in _rows(table)}
    return {label: accuracies for label, accuracies in found.items() if accuracies}


def _rows(table: MeasuredTable) -> list[MeasuredRow]:
    """The rows that are of their runs' own results: of the rows of the same runs the first. None of a paper's table."""
    own: dict[tuple[str, ...], MeasuredRow] = {}
    for row in table.rows if table.paper is None else ():
        own.setdefault(tuple(str(each.run.folder) for each in row.runs), row)
    return list(own.values())


def _accuracies(row: MeasuredRow) -> Accuracies:
    found: dict[str, list[float]] = {}
    for each in row.runs:
        predicted, names = _predicted(each.run), each.run.summary.data.class_names
        if predicted is None or len(names) != len(predicted.images):
            continue
        for name, n, right in zip(names, predicted.images, predicted.right, strict=True):
            if n:
                found.setdefault(name, []).append(100 * right / n)
    return found


def _predicted(run: StoredRun) -> Predicted | None:
    """None too where it is damaged, as with the other pieces of a page."""
    try:
        return run.predicted
    except StorageProblem:
        return None


def records(table: MeasuredTable) -> list[Record]:
    """The accuracies by class, a record for each row and class."""
    return [
        {
            "row": label,
            "class": name,
            "n": len(figures),
            "accuracy_mean": statistics.fmean(figures),
            "accuracies": " ".join(f"{figure:.4f}" for figure in figures),
        }
        for label, accuracies in by_class(table).items()
        for name, figures in accuracies.items()
    ]


def sections(table: MeasuredTable) -> list[Html]:
    """Both parts, folded; none where the runs say nothing of it."""
    return [*_classes(by_class(table)), *_worst(table)]


def _classes(rows: Mapping[str, Accuracies]) -> list[Html]:
    """A table with a line for each class, those with the lowest accuracy of all rows first."""
    if not rows:
        return []
    names = list(dict.fromkeys(name for accuracies in rows.values() for name in accuracies))
    means = {name: [statistics.fmean(each[name]) if name in each else None for each in rows.values()] for name in names}
    names.sort(key=lambda name: statistics.fmean(mean for mean in means[name] if mean is not None))
    cells = [
        el(
            "tr",
            el("th", name, scope="row", role="rowheader"),
            *(
                el("td", "–" if mean is None else f"{mean:.1f}", data_name=label, role="cell")
                for label, mean in zip(rows, means[name], strict=True)
            ),
            role="row",
        )
        for name in names[:MOST]
    ]
    heads = [el("th", each, scope="col", role="columnheader") for each in ("class", *rows)]
    grid = el(
        "table",
        el("caption", "Accuracy by class", class_="unseen"),
        el("thead", el("tr", *heads, role="row"), role="rowgroup"),
        el("tbody", *cells, role="rowgroup"),
        role="table",
    )
    part = "" if len(names) <= MOST else f"; the lowest {MOST} of {len(names)}, by_class.csv has all"
    said = f"Accuracy by class, % (mean over the seeds; the lowest first{part})"
    wide = el("div", grid, class_="wide", role="region", aria_label="Accuracy by class", tabindex="0")
    return [el("details", el("summary", said, class_="fine"), wide)]


def _worst(table: MeasuredTable) -> list[Html]:
    """The worst images of the best run of the row with the least error."""
    ended = [row for row in _rows(table) if row.mean is not None]
    if not ended:
        return []
    row = min(ended, key=lambda row: (row.mean, row.label))
    run = min((run for run in row.runs if run.figure is not None), key=_error).run
    predicted = _predicted(run)
    names = run.summary.data.class_names
    if predicted is None or len(names) != len(predicted.images):
        return []
    shown, size = [], 0
    for each in predicted.worst[:WORST]:
        png = redrawn(each)
        size += len(png or b"")
        if png and size <= PNGS:
            shown.append(_picture(each, png, names))
    said = f"The test images with the largest loss: {row.label}, {run.id}"
    return [el("details", el("summary", said, class_="fine"), el("div", *shown, class_="worst"))] if shown else []


def _error(run: Measurement) -> float:
    assert run.figure is not None, "a finished run"
    return run.figure


def redrawn(image: Worst) -> bytes | None:
    """Its picture, decoded and encoded again; None where it is no PNG of at most SIDE pixels a side."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(image.picture()), formats=["PNG"]) as found:
            if max(found.size) > SIDE or found.mode not in ("L", "RGB"):
                return None
            pixels: Any = Image.frombytes(found.mode, found.size, found.tobytes())
    except (OSError, ValueError, SyntaxError):  # Pillow has all of these for a broken file
        return None
    data = io.BytesIO()
    pixels.save(data, format="PNG", optimize=True)
    return data.getvalue()


def _picture(image: Worst, png: bytes, names: Sequence[str]) -> Html:
    """An image, with its class and what it was taken for; red where that is wrong."""
    share = "" if image.probability is None else f" {100 * image.probability:.0f}%"
    label, taken = names[image.label], f"→ {names[image.predicted]}{share}"
    file = image.name or f"test image {image.index}"
    source = f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"
    tone = None if image.label == image.predicted else "wrong"
    return el("div", img(source, f"{file}: {label}"), el("span", label), el("span", taken, class_=tone), title=file)
