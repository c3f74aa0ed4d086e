"""learning curves: a column of metrics.csv against epochs, updates or samples, with a band over the seeds

A line is the runs that differ by their seed alone, at each place t

    m(t) = 1/n sum_s v_s(t),    with the band from min_s v_s(t) to max_s v_s(t)

over those of its n finished runs that reached t.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Literal

from tricktable.runner.disk.runs import StoredRun
from tricktable.runner.errors import BadInput, suggest
from tricktable.runner.explore.reevaluate import Request
from tricktable.runner.figures.figure import Figure, used
from tricktable.runner.papers import studies
from tricktable.runner.report import plots
from tricktable.runner.report.drawing import LONGEST, Plot
from tricktable.runner.report.plots import Series


def curves(
    runs: Sequence[StoredRun],
    request: Request,
    of: str = "test_error",
    x: Literal["epoch", "updates", "samples"] = "epoch",
) -> Figure:
    """Draw `of`, a column of metrics.csv, against x; lines are labelled by what sets them apart, as a study's rows."""
    used(request, "curves")
    found = []
    for label, group in studies.labelled(runs):
        courses = [course for run in group if (course := plots.course(run, of, x))]
        if courses:
            found.append((label, courses))
    if not found:
        known = _columns(runs)
        near = suggest(of, [name for name in known if name != of])
        raise BadInput(f"of={of}: no run has such figures by {x}{near}")
    width = Plot.width * min(2.0, max(1.0, max(len(label) for label, _ in found) / LONGEST))
    drawn = [replace(plot, width=width) for plot in plots.learning_curves(found, of, x)]
    return Figure(tuple(drawn), tuple(record for label, courses in found for record in _records(label, courses, x)))


def _columns(runs: Sequence[StoredRun]) -> list[str]:
    """Those that a run's first epoch has."""
    found: dict[str, None] = {}
    for run in runs:
        for row in run.epochs[:1]:
            named = {**{name: value for name, value in vars(row).items() if name != "figures"}, **row.figures}
            found |= dict.fromkeys(name for name, value in named.items() if value is not None)
    return list(found)


def _records(label: str, courses: Sequence[Series], x: str) -> Iterator[dict[str, Any]]:
    for place, mean, least, greatest in zip(*plots.band(courses), strict=True):
        n = sum(any(each == place for each, _ in course) for course in courses)
        yield {"line": label, x: place, "mean": mean, "least": least, "greatest": greatest, "n": n}
