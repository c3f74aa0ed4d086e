"""What a report says of a table's rows and claims, in words and rounded figures, alike in every format.

Nothing is escaped here; what is unknown is a dash.
"""

import math
from collections import Counter

from tricktable.runner.papers import departures, intervals, metrics
from tricktable.runner.papers.facts import GRIDS
from tricktable.runner.papers.measured import Judged, MeasuredRow, MeasuredTable, Verdict
from tricktable.runner.report import grids

VERDICTS: dict[Verdict, str] = {  # each a sentence behind the verdict
    "reproduced": "run as in the paper, the effect's interval lies wholly where the claim says; or a count agrees.",
    "contradicted": "run as in the paper, the interval lies wholly where the claim says not; or a count disagrees.",
    "undecided": "run as in the paper, the interval lies partly where the claim says and partly not.",
    "indication for": "as reproduced, but something was not as in the paper, which the reason names.",
    "indication against": "as contradicted, but something was not as in the paper, which the reason names.",
    "no indication": "as undecided, and something was not as in the paper, which the reason names.",
    "not run": "nothing has been measured yet for a side of the claim.",
    "not runnable here": "a side of the claim cannot be run or measured here; the reason says what is lacking.",
    "qualitative": "no figure of a row could decide the claim.",
}
NOTHING = "–"
TYPED = "Overrides: what was typed for each row"
NO_FIGURE = "-"  # in a study's table
MARKS = {
    "†": "from memory, not found in a source; no verdict rests on it alone",
    "‡": "read in a third party's summary, not in the paper",
}
OTHERWISE = {"data": "other data", "network": "another network"}  # departures.APART, in words
COUNTS = ("updates", "params", "madds")
_DECIMALS = {"percent": 2, "percentage_points": 2, "bleu_points": 2, "fraction": 4, "count": 0}
_RELATIONS = {"approx": "≈", "upper_bound": "≤"}


def title(table: MeasuredTable) -> str:
    """Paper and year, as people name it."""
    authors = table.paper.about.authors if table.paper else ()
    if table.paper is None or not authors:
        return table.title
    others = " et al." if len(authors) > 2 else f" and {authors[1]}" if len(authors) == 2 else ""
    return f"{table.title} ({authors[0]}{others} {table.paper.about.year})"


def compared(table: MeasuredTable) -> bool:
    """Whether there is anything of theirs to stand beside ours: some tables of papers are claims alone.

    Nothing stands beside what ran on other data or another network than the paper's.
    """
    figures = ("value", *COUNTS)
    theirs = [row.theirs for row in table.rows if beside(table, row) and row.theirs is not None]
    return any(getattr(each, name) is not None for each in theirs for name in figures)


def beside(table: MeasuredTable, row: MeasuredRow) -> bool:
    """Whether a row's figures may be compared with the paper's: its data and its network are the paper's.

    A row that cannot be run goes with the others.
    """
    if row.reason is None:
        return not departures.apart(table, row)
    others = [each for each in table.rows if each.reason is None]
    return not others or any(beside(table, each) for each in others)


def otherwise(table: MeasuredTable) -> str:
    """What keeps rows from being compared with the paper's, in words: `other data, another network`; none is empty."""
    kinds = dict.fromkeys(kind for row in table.rows if row.reason is None for kind in departures.apart(table, row))
    return ", ".join(words for kind, words in OTHERWISE.items() if kind in kinds)


def unit(table: MeasuredTable) -> str:
    """What the values are, for a heading: `top-1 error, percent`."""
    name = table.metric.name.replace("_", " ").replace("top1", "top-1").replace("top5", "top-5")
    return f"{name}, {table.metric.unit}".replace("percentage_points", "percentage points")


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


def theirs(table: MeasuredTable, row: MeasuredRow) -> str:
    """The paper's value, where ours may be compared with it."""
    return printed(table, row) if beside(table, row) else NOTHING


def theirs_apart(table: MeasuredTable, row: MeasuredRow) -> str:
    """The paper's value, where ours may not be compared with it."""
    return NOTHING if beside(table, row) else printed(table, row)


def printed(table: MeasuredTable, row: MeasuredRow) -> str:
    """The paper's value with its spread, what the spread is, and the marks of what is not read in it."""
    paper, units = row.theirs, table.metric.unit
    value = figure(paper.value, units) if paper else NOTHING
    if paper is None or value == NOTHING:
        return NOTHING
    said = []
    if paper.spread is not None:
        value += f" ± {figure(paper.spread, units)}"
        if paper.spread_kind:
            said.append(paper.spread_kind.replace("_", " "))
    if paper.n:
        said.append(f"n = {paper.n}")
    if said:
        value += f" ({', '.join(said)})"
    return f"{value} {paper.mark}" if paper.mark else value


def ours(table: MeasuredTable, row: MeasuredRow) -> str:
    """The mean with its interval; or why the row cannot be run."""
    if row.reason is not None:
        return f"not runnable here: {row.reason}"
    return interval(row.mean, row.half, table.metric.unit)


def best(table: MeasuredTable, row: MeasuredRow) -> str:
    """The mean of the best test epochs with its interval, where the paper reports such."""
    return interval(row.best_mean, intervals.half_width(row.best), table.metric.unit)


def less_theirs(table: MeasuredTable, row: MeasuredRow) -> float | None:
    """Ours less theirs: shown, never judged; None where they may not be compared."""
    paper = row.theirs.value if row.theirs and beside(table, row) else None
    return None if row.mean is None or paper is None else row.mean - paper


def difference(table: MeasuredTable, row: MeasuredRow) -> str:
    """`less_theirs`, with its sign."""
    return figure(less_theirs(table, row), table.metric.unit, sign=True)


def runs(table: MeasuredTable, row: MeasuredRow) -> str:
    """How many of the declared runs there are a figure of, and what became of the others."""
    if row.reason is not None:
        return NOTHING
    others = {"diverged": row.diverged, "to run": len(row.missing)}
    rest = [f"{count} {what}" for what, count in others.items() if count > 0]
    return ", ".join([f"{len(row.figures)} of {len(row.seeds)}", *rest])


def count(table: MeasuredTable, row: MeasuredRow, name: str) -> str:
    """A count, theirs / ours; once where they agree, and ours alone where nothing of theirs is known."""
    found = getattr(row, name)
    if row.theirs is None or not beside(table, row) or not compared(table):
        return figure(found, "count")
    paper = getattr(row.theirs, name)
    if paper == found:
        return figure(found, "count")
    relation = _RELATIONS.get(row.theirs.updates_relation or "", "") if name == "updates" and paper is not None else ""
    return f"{relation}{figure(paper, 'count')} / {figure(found, 'count')}"


def by_counting(table: MeasuredTable, judged: Judged) -> bool:
    """Whether a claim is decided by counts, which no training changes: parameters, multiply-adds, updates, a size."""
    return judged.claim.field in COUNTS or (judged.claim.kind != "qualitative" and table.metric.name in metrics.COUNTED)


def counted(table: MeasuredTable, row: MeasuredRow, counting: bool) -> Counter[Verdict]:
    """How many of the claims that speak of a row have each verdict: those by counting, or those by training."""
    return Counter(
        each.verdict
        for each in table.claims
        if row.label in (*each.claim.left, *each.claim.right) and by_counting(table, each) == counting
    )


def verdicts(table: MeasuredTable, row: MeasuredRow, counting: bool) -> str:
    """`counted` in words."""
    return ", ".join(f"{number} {verdict}" for verdict, number in counted(table, row, counting).items()) or NOTHING


def change(table: MeasuredTable, row: MeasuredRow) -> tuple[float, float]:
    """A study's row less the baseline, and half the width of its interval; NaN where there is none."""
    return intervals.difference(row.figures, table.base.figures)


def with_half(value: float | None, half: float | None, sign: bool = False) -> str:
    """A figure of a study's table with half the width of its interval, where it has one."""
    figure, width = shown(value, sign), shown(half)
    return figure if width == NO_FIGURE else f"{figure} ± {width}"


def shown(value: float | None, sign: bool = False) -> str:
    """A figure of a study's table."""
    if value is None or math.isnan(value):
        return NO_FIGURE
    return format(value, "+.2f" if sign else ".2f")


def claim_unit(table: MeasuredTable, judged: Judged) -> str:
    """The unit of a claim's effect, where it is known: the table's for its values, else counts; ratios have none."""
    if judged.claim.kind == "ratio":
        return ""
    if judged.claim.field in COUNTS:
        return "count"
    return table.metric.unit if judged.claim.field in ("value", *GRIDS) else ""


def why(judged: Judged) -> str:
    """The verdict's reason, and how many seeds would have decided it."""
    needed = f"{judged.needed:,} seeds a row would have decided it" if judged.needed is not None else ""
    said = "; ".join(part for part in (judged.reason, needed) if part)
    return f"{said[0].upper()}{said[1:].removesuffix('.')}." if said else NOTHING


def chance(p: float | None) -> str:
    """A p value; those that need no digits have none."""
    if p is None or not math.isfinite(p):
        return NOTHING
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def tally(table: MeasuredTable, counting: bool | None = None) -> Counter[Verdict]:
    """How many claims have each verdict; of those by counting or by training alone, where that is asked."""
    return Counter(
        judged.verdict for judged in table.claims if counting is None or by_counting(table, judged) == counting
    )


def effect_theirs(table: MeasuredTable, judged: Judged) -> str:
    """The effect in the paper."""
    return figure(judged.theirs, claim_unit(table, judged), sign=True)


def ratio(table: MeasuredTable, judged: Judged) -> str:
    """Our effect over the paper's; nothing where the rows may not be compared with the paper's."""
    sides = (*judged.claim.left, *judged.claim.right)
    rows = [row for row in table.rows if row.label in sides]
    fair = by_counting(table, judged) or all(beside(table, row) for row in rows)
    return figure(judged.ratio, "percent") if fair else NOTHING


def legend(table: MeasuredTable) -> list[str]:
    """What the marks mean that a paper's table has, and what is counted how; a study's headings say it all."""
    if table.paper is None:
        several = len(table.rows) > 1
        return [f"Changes are from the baseline, {table.base.label}; a negative one is better."] if several else []
    used = "".join(row.theirs.mark for row in table.rows if row.theirs)
    lines = [f"{mark} {meaning}" for mark, meaning in MARKS.items() if mark in used]
    lines.append(f"Values: {unit(table)}, {table.metric.better} is better.")
    lines.append("Ours: mean over the seeds that finished ± half the 95% interval; diverged runs are not averaged.")
    if table.selects_best:
        lines.append(
            "The paper reports its best test epoch: here the last epoch and the best are both shown, and a claim is "
            "undecided where their verdicts differ."
        )
    other = otherwise(table)
    if other and any(theirs_apart(table, row) != NOTHING for row in table.rows):
        lines.append(f"Not to be compared with the paper's values, which stand in a column of their own: {other}.")
    if compared(table) and any(row.params is not None or row.updates is not None for row in table.rows):
        lines.append("Counts stand once where the paper's and ours agree.")
    return lines


def verdict_legend(table: MeasuredTable) -> list[str]:
    """What the verdicts mean that the table's claims have."""
    return [f"{verdict.capitalize()}: {meaning}" for verdict, meaning in VERDICTS.items() if verdict in tally(table)]


def statements(table: MeasuredTable) -> dict[str, list[str]]:
    """What was tried, differs from the paper, is assumed, and is changed by the budget, under their headings."""
    if table.recipe is None:
        return {}
    changes = {row.label: row.changes for row in table.rows if row.reason is None}
    tried = grids.sentences(table)
    return {
        **({grids.TRIED: tried} if tried else {}),
        **departures.said(table.recipe, table.budget, changes),
    }


def overrides(table: MeasuredTable) -> list[str]:
    """What was typed for each row, in which what all have stands once; nothing for a study, whose labels are that."""
    if table.paper is None:
        return []
    return departures.by_row({row.label: row.overrides for row in table.rows if row.reason is None})
