"""What a report says of a table's rows and claims, in words and rounded figures, alike in every format.

Nothing is escaped here; what is unknown is a dash.
"""

import math
from collections import Counter

from runner.papers.measured import Judged, Measured, MeasuredRow

NOTHING = "–"
MARKS = {
    "†": "from memory, not found in a source; no verdict rests on it alone",
    "‡": "read in a third party's summary, not in the paper",
}
_DECIMALS = {"percent": 2, "percentage_points": 2, "bleu_points": 2, "fraction": 4, "count": 0}
_COUNTS = ("updates", "params", "madds")
_RELATIONS = {"approx": "≈", "upper_bound": "≤"}
ROW_COLUMNS = (
    "row", "theirs", "ours ± 95%", "difference", "runs",
    "updates, theirs / ours", "params, theirs / ours", "MAdds, theirs / ours", "verdicts",
)  # fmt: skip
CLAIM_COLUMNS = ("claim", "verdict", "effect, theirs", "effect, ours ± 95%", "p", "p by Holm", "ratio", "why")


def title(measured: Measured) -> str:
    """Paper and year, as people name it."""
    paper = measured.recipe.paper.about
    if not paper.authors:  # a study of one's own
        return paper.title
    first = paper.authors[0]
    others = " et al." if len(paper.authors) > 2 else f" and {paper.authors[1]}" if len(paper.authors) == 2 else ""
    return f"{paper.title} ({first}{others} {paper.year})"


def compared(measured: Measured) -> bool:
    """Whether there is anything of theirs to stand beside ours: a study of one's own has no paper."""
    figures = ("value", *_COUNTS)
    return any(getattr(row.theirs, name) is not None for row in measured.rows for name in figures)


def columns(measured: Measured) -> tuple[str, ...]:
    """ROW_COLUMNS, as this table needs them named."""
    return ROW_COLUMNS if compared(measured) else tuple(name.removesuffix(", theirs / ours") for name in ROW_COLUMNS)


def unit(measured: Measured) -> str:
    """What the values are, for a heading: `top-1 error, percent`."""
    metric = measured.recipe.table.metric
    return f"{metric.name.replace('_', ' ').replace('top1', 'top-1').replace('top5', 'top-5')}, {metric.unit}".replace(
        "percentage_points", "percentage points"
    )


def figure(value: float | None, unit: str, sign: bool = False) -> str:
    """A figure in its unit, rounded; with its sign for differences."""
    if value is None or not math.isfinite(value):
        return NOTHING
    plus = "+" if sign else ""
    return format(value, f"{plus},.{_DECIMALS[unit]}f" if unit in _DECIMALS else f"{plus}.4g")


def interval(value: float | None, half: float | None, unit: str, sign: bool = False) -> str:
    """A figure with half the width of its interval, where it has one."""
    shown = figure(value, unit, sign)
    known = half is not None and math.isfinite(half) and shown != NOTHING
    return f"{shown} ± {figure(half, unit)}" if known else shown


def difference(row: MeasuredRow) -> float | None:
    """Ours less theirs: shown, never judged."""
    return None if row.mean is None or row.theirs.value is None else row.mean - row.theirs.value


def row_cells(measured: Measured, row: MeasuredRow) -> tuple[str, ...]:
    """A row's cells, one a ROW_COLUMNS."""
    units = measured.recipe.table.metric.unit
    return (
        row.theirs.label,
        theirs(row, units),
        interval(row.mean, row.half, units) if row.reason is None else f"not runnable here: {row.reason}",
        figure(difference(row), units, sign=True),
        runs(row),
        *(_both(row, name) if compared(measured) else figure(getattr(row, name), "count") for name in _COUNTS),
        verdicts(measured, row),
    )


def theirs(row: MeasuredRow, unit: str) -> str:
    """The paper's value with its spread, what the spread is, and the marks of what is not read in it."""
    value = figure(row.theirs.value, unit)
    if value == NOTHING:
        return NOTHING
    spread = f" ± {figure(row.theirs.spread, unit)}" if row.theirs.spread is not None else ""
    kind = row.theirs.spread_kind.replace("_", " ") if spread and row.theirs.spread_kind else ""
    said = ", ".join(part for part in (kind, f"n = {row.theirs.n}" if row.theirs.n else "") if part)
    return f"{value}{spread}{f' ({said})' if said else ''}{f' {row.theirs.mark}' if row.theirs.mark else ''}"


def runs(row: MeasuredRow) -> str:
    """How many of the declared runs there are a figure of, and what became of the others."""
    if row.reason is not None:
        return NOTHING
    failed = sum(run.state == "failed" for run in row.runs)
    others = {"diverged": row.diverged, "failed": failed, "to run": len(row.missing) - failed}
    rest = [f"{count} {what}" for what, count in others.items() if count > 0]
    return ", ".join([f"{len(row.figures)} of {len(row.seeds)}", *rest])


def _both(row: MeasuredRow, name: str) -> str:
    """A count, theirs / ours; once where they agree."""
    paper, ours = getattr(row.theirs, name), getattr(row, name)
    if paper is None and ours is None:
        return NOTHING
    relation = _RELATIONS.get(row.theirs.updates_relation or "", "") if name == "updates" and paper is not None else ""
    if paper == ours:
        return figure(ours, "count")
    return f"{relation}{figure(paper, 'count')} / {figure(ours, 'count')}"


def about(measured: Measured, row: MeasuredRow) -> list[Judged]:
    """The claims that speak of a row."""
    label, table = row.theirs.label, measured.recipe.table.id
    return [j for j in measured.claims if j.claim.table == table and label in (*j.claim.left, *j.claim.right)]


def counted(measured: Measured, row: MeasuredRow) -> Counter[str]:
    """How many of the claims that speak of a row have each verdict."""
    return Counter(judged.verdict for judged in about(measured, row))


def verdicts(measured: Measured, row: MeasuredRow) -> str:
    """`counted` in words."""
    return ", ".join(f"{count} {verdict}" for verdict, count in counted(measured, row).items()) or NOTHING


def claim_cells(measured: Measured, judged: Judged) -> tuple[str, ...]:
    """A claim's cells, one a CLAIM_COLUMNS."""
    units = claim_unit(measured, judged)
    return (
        judged.claim.statement,
        judged.verdict,
        figure(judged.theirs, units, sign=True),
        interval(judged.ours, judged.half, units, sign=True),
        chance(judged.p),
        chance(judged.adjusted),
        NOTHING if judged.ratio is None else figure(judged.ratio, "percent"),
        why(judged),
    )


def claim_unit(measured: Measured, judged: Judged) -> str:
    """The unit of a claim's effect, where it is known: the table's for its values, else counts; ratios have none."""
    if judged.claim.field in _COUNTS:
        return "count" if judged.claim.kind != "ratio" else ""
    return measured.recipe.table.metric.unit if judged.claim.field == "value" and judged.claim.kind != "ratio" else ""


def why(judged: Judged) -> str:
    """The verdict's reason, and how many seeds would have decided it."""
    needed = f"{judged.needed:,} seeds a row would have decided it" if judged.needed is not None else ""
    return "; ".join(part for part in (judged.reason, needed) if part) or NOTHING


def chance(p: float | None) -> str:
    """A p value; those that need no digits have none."""
    if p is None or not math.isfinite(p):
        return NOTHING
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def tally(measured: Measured) -> dict[str, int]:
    """How many claims have each verdict."""
    return dict(Counter(judged.verdict for judged in measured.claims))


def legend(measured: Measured) -> list[str]:
    """What the marks mean that the table has, and what is counted how."""
    used = "".join(row.theirs.mark for row in measured.rows)
    lines = [f"{mark} {meaning}" for mark, meaning in MARKS.items() if mark in used]
    lines.append(f"Values: {unit(measured)}, {measured.recipe.table.metric.better} is better.")
    lines.append("Ours: mean over the seeds that finished ± half the 95% interval; diverged runs are not averaged.")
    if compared(measured) and any(row.params is not None or row.updates is not None for row in measured.rows):
        lines.append("Counts stand once where the paper's and ours agree.")
    return lines
