"""What becomes of a paper's claims: a verdict by the figures of seeds (significance.py) or by counts, and its worth.

Only the paper's budget on the claim's own data gives a verdict; anything else is an indication, and so is what a recipe
does otherwise than the paper, where it says that this is material.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import chain, product
from typing import Any

import numpy as np

from tricktable.runner.papers.facts import CURVES, GRIDS, Claim, Table
from tricktable.runner.papers.measured import Judged, MeasuredRow, Verdict
from tricktable.runner.papers.significance import LEVEL, find, holm, mean

# What a recipe may do otherwise that moves a count: a network its size, its images the multiply-adds, how long and on
# how many images is trained the updates.
COUNTED = {"params": ("network",), "madds": ("network", "data"), "updates": ("optimization", "data")}
EXACT = tuple(COUNTED)  # fields that no seed changes
OF_RUNS = (*CURVES, *GRIDS)  # fields that runs alone show
LIKE_METRIC = ("value", "grid_best", "grid_median")  # fields of which more is better where it is of the table's metric
BEST_EPOCH = "best"
VERDICTS: tuple[Verdict, ...] = ("reproduced", "contradicted", "undecided")
INDICATIONS: tuple[Verdict, ...] = ("indication for", "indication against", "no indication")
WEAKER = dict(zip(VERDICTS, INDICATIONS, strict=True))
OVERRULED = {found: each[2] for each in (VERDICTS, INDICATIONS) for found in each[:2]}
ONLY = "no more than an indication"
LIES = dict(zip(VERDICTS, ("on the claimed side", "on the other side", "on neither side"), strict=True))
Better = Callable[..., Any]  # min or max
Sides = tuple[Sequence[MeasuredRow], Sequence[MeasuredRow]]


def verdict(excess: float, p: float | None) -> Verdict:
    """What p and the side of the observed effect say."""
    if p is None or not p < LEVEL:
        return "undecided"
    return "reproduced" if excess > 0 else "contradicted"


def within_paper(judged: Sequence[Judged]) -> list[Judged]:
    """All that was judged of a paper at a budget, with p adjusted by Holm, which decides. Every p counts, of any table.

    `needed` is of the raw p: None where it alone would have decided.
    """
    adjusted = iter(holm([each.p for each in judged if each.p is not None]))
    return [each if each.p is None else _adjusted(each, next(adjusted)) for each in judged]


def _adjusted(judged: Judged, p: float) -> Judged:
    if p < LEVEL or judged.verdict not in OVERRULED:
        return replace(judged, adjusted=p)
    reason = f"{judged.reason}; not so by Holm's p within the paper"
    return replace(judged, adjusted=p, verdict=OVERRULED[judged.verdict], reason=reason)


def standing(
    found: Verdict, budget: str, own_data: bool, copy: str | None = None, caveats: Sequence[str] = ()
) -> tuple[Verdict, str]:
    """What a verdict is worth, and why: itself at the paper's budget on the claim's data, else an indication.

    A copy of the claim's data (`JPEG copy`) is said, and takes nothing from it.
    """
    if found not in WEAKER:
        return found, ""
    whys = list(caveats)
    if not own_data:
        whys.insert(0, "other data")
    if budget != "paper":
        whys.insert(0, f"the {budget} budget")
    said = whys if copy is None else [copy, *whys]
    return WEAKER[found] if whys else found, "; ".join(said)


def selected(last: Verdict, best: Verdict) -> Verdict:
    """The last epoch's verdict, unless that of the best test epoch, which the paper reports, is another."""
    return last if last == best else "undecided"


def from_memory(claim: Claim, rows: Iterable[MeasuredRow]) -> bool:
    """Whether the claim or a row of it rests on memory: the weaker counts."""
    return "memory" in {claim.confidence, *(row.theirs.confidence for row in rows if row.theirs)}


def mostly_diverged(row: MeasuredRow) -> bool:
    """Whether more runs diverged than did not: the others no longer stand for the row."""
    return row.diverged > len(row.figures)


def judge(
    claim: Claim, table: Table | None, left: Sequence[MeasuredRow], right: Sequence[MeasuredRow], budget: str,
    *, own_data: bool = True, copy: str | None = None, paired: bool = False, differs: Sequence[str] = (),
) -> Judged:  # fmt: skip
    """A claim of this table, before Holm; left and right are its sides' rows, several where the best of them counts.

    own_data: the claim's dataset. copy: which copy of it, where the pixels are not the original's. paired: by seed,
    where the recipe declares it. differs: of which kinds is what the recipe does otherwise on these rows, where that is
    material; of a claim on counts only what moves the count matters.
    """
    if table is None or claim.kind == "qualitative":
        return Judged(claim, "qualitative", claim.note or "no row decides it")
    sides = (left, right)
    better = max if claim.field in LIKE_METRIC and table.metric.better == "higher" else min
    judged = _lacking(claim, sides) or _decided(claim, table.selection, better, sides, paired)
    theirs = _effect_in_paper(claim, better, sides)
    share = judged.ours / theirs if theirs and judged.ours is not None else None
    found, why = standing(judged.verdict, budget, own_data, copy, [*_material(claim, differs), *_caveats(claim, sides)])
    reason = "; ".join(filter(None, (judged.reason, f"{ONLY}: {why}" if found in INDICATIONS else why)))
    return replace(judged, verdict=found, reason=reason, theirs=theirs, ratio=share)


def _material(claim: Claim, differs: Sequence[str]) -> list[str]:
    """What is done otherwise, as a reason why the claim is no longer the paper's; nothing where it does not matter."""
    kinds = dict.fromkeys(kind for kind in differs if claim.field not in EXACT or kind in COUNTED[claim.field])
    return [f"differs: {', '.join(kinds)}"] if kinds else []


def _effect_in_paper(claim: Claim, better: Better, sides: Sides) -> float | None:
    left, right = (
        _pick(better, (row.theirs.field(claim.field or "") for row in side if row.theirs is not None)) for side in sides
    )
    return None if left is None or right is None else float(find(claim, [left], [right]).effect)


def _pick(better: Better, values: Iterable[float | None]) -> Any:
    return better((value for value in values if value is not None), default=None)


def _count(claim: Claim, row: MeasuredRow) -> float | None:
    """What is compared where no seed changes it: a count, or a table's figure that is counted."""
    count: float | None = getattr(row, claim.field) if claim.field in EXACT else row.exact
    return count


def _counted(claim: Claim, sides: Sides) -> bool:
    return claim.field in EXACT or any(row.exact is not None for row in chain(*sides))


def _has(claim: Claim, row: MeasuredRow) -> bool:
    if _count(claim, row) is not None:
        return True
    if claim.field in EXACT:
        return False
    return bool(row.figures) and not mostly_diverged(row)


def _labels(rows: Sequence[MeasuredRow]) -> str:
    return ", ".join(row.label for row in rows)


def _lacking(claim: Claim, sides: Sides) -> Judged | None:
    """What becomes of a claim with nothing on a side."""
    if claim.field not in (*EXACT, *OF_RUNS, "value"):
        return Judged(claim, "not runnable here", f"no run measures {claim.field}")
    empty = [side for side in sides if not any(_has(claim, row) for row in side)]
    barred = [row.reason for side in empty for row in side if all(each.reason for each in side)]
    if barred:
        return Judged(claim, "not runnable here", str(barred[0]))
    unseen = [side for side in empty if not any(row.diverged for row in side)]
    if unseen:
        return Judged(claim, "not run", f"nothing of {_labels(unseen[0])}")
    return Judged(claim, "undecided", f"most runs diverged of {_labels(empty[0])}") if empty else None


def _caveats(claim: Claim, sides: Sides) -> list[str]:
    """Why no more than an indication is found, besides the budget and the data."""
    rows = list(chain(*sides))
    some = [side for side in sides if any(_has(claim, row) for row in side)]
    without = [row for row in chain(*some) if not _has(claim, row)]
    found = []
    if from_memory(claim, rows):
        found.append("from memory")
    if without:
        found.append(f"without {_labels(without)}")
    if _counted(claim, sides):
        return found
    unended = [row for row in rows if row.missing and row not in without]
    if unended:
        what = "some seeds have no figure" if claim.field in OF_RUNS else "seeds have not ended"
        found.append(f"{what} of {_labels(unended)}")
    choices = sum(len(side) > 1 for side in sides)
    if choices > 1 or (choices == 1 and claim.kind != "less_than"):  # what choosing costs is not known there
        found.append("the best row was chosen by the figures that are compared")
    return found


def _decided(claim: Claim, selection: str, better: Better, sides: Sides, paired: bool) -> Judged:
    """By counts; or by the last epoch and, where the paper reports its best test epoch, by that."""
    if _counted(claim, sides):
        return _exact(claim, sides)
    left, right = ([row for row in side if _has(claim, row)] for side in sides)
    judged = _compared(claim, better, (left, right), paired, best=False)
    if selection == BEST_EPOCH:
        last, best = judged.verdict, _compared(claim, better, (left, right), paired, best=True).verdict
        why = judged.reason if last == best else f"selection: {last} by the last epoch, {best} by the best"
        judged = replace(judged, verdict=selected(last, best), reason=why)
    lost = [f"{row.label}: {row.diverged} diverged" for row in (*left, *right) if row.diverged]
    return replace(judged, reason="; ".join([judged.reason, *lost]))


def _exact(claim: Claim, sides: Sides) -> Judged:
    left, right = (_pick(min, (_count(claim, row) for row in side)) for side in sides)
    found = find(claim, [left], [right])
    says = VERDICTS[0] if found.excess >= 0 else VERDICTS[1]
    return Judged(claim, says, f"exact: {left:,.10g} and {right:,.10g}", ours=float(found.effect))


def _compared(claim: Claim, better: Better, sides: Sides, paired: bool, best: bool) -> Judged:
    """The rows with the best means; p is of what choosing them from k pairs of rows costs.

    That one row beats the best of several is shown by beating each (the largest p), refuted by the chosen one (k p);
    that the best of several beats one row, the other way round.
    """
    left, right = ([_figures(row, best) for row in side] for side in sides)
    means = [[mean(np.array([*row.values()])) for row in side] for side in (left, right)]
    i, j = (side.index(better(side)) for side in means)
    found = [find(claim, *_matched(a, b, paired), paired=paired) for a, b in product(left, right)]
    chosen = found[i * len(right) + j]
    each = (chosen.excess > 0) == ((len(right) > 1) == (better is min))
    tests, cost = (found, 1) if each else ([chosen], len(found))
    p = min(1.0, cost * max(float(test.p) for test in tests)) if all(test.tested for test in tests) else None
    says = verdict(chosen.excess, p)
    reason = "no interval: too few runs, or no spread" if p is None else f"the interval lies {LIES[says]}"
    half = chosen.half if chosen.tested and claim.kind != "ratio" else None
    seeds = [test.needed(LEVEL / cost) for test in tests] if says == VERDICTS[2] else [None]
    needed = None if None in seeds else max(n for n in seeds if n)
    return Judged(claim, says, reason, ours=float(chosen.effect), half=half, p=p, needed=needed)


def _figures(row: MeasuredRow, best: bool) -> dict[int, float]:
    """By seed; at the last epoch, or at the best."""
    found = {run.seed: run.best if best else run.figure for run in row.runs if run.figure is not None}
    return {seed: figure for seed, figure in found.items() if figure is not None}


def _matched(a: dict[int, float], b: dict[int, float], paired: bool) -> tuple[list[float], list[float]]:
    x, y = [sorted(a.keys() & b.keys())] * 2 if paired else (sorted(a), sorted(b))
    return [a[seed] for seed in x], [b[seed] for seed in y]
