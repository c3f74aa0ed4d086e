"""Two runs, or two rows of several seeds, side by side: which keys differ, and by how much each figure does."""

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tricktable.runner import terminal
from tricktable.runner.config import schema
from tricktable.runner.disk import meant
from tricktable.runner.disk.code import changed
from tricktable.runner.disk.runs import StoredRun
from tricktable.runner.disk.seal import MEND, Damage
from tricktable.runner.errors import BadInput, StorageProblem
from tricktable.runner.papers import intervals
from tricktable.runner.papers.studies import choices, made_by

ABSENT = "–"
COUNTS = ("params", "madds", "epochs", "updates", "samples")
_SHOWN = 60  # characters of a value


def compare(
    one: str | Sequence[str], other: str | Sequence[str], root: Path, damaged: dict[Path, Damage] | None = None
) -> str:
    """The comparison of A and B as text. Each side is a run's folder or id, a glob or a study's folder, or several.

    Ids are looked for under root. damaged: where the runs are put that are there and cannot be used. BadInput where a
    side has no complete run, or both are the same runs; StorageProblem where all that it has are damaged.
    """
    damaged = {} if damaged is None else damaged
    sides = [_side(one, root, damaged), _side(other, root, damaged)]
    if {run.folder.resolve() for run in sides[0]} & {run.folder.resolve() for run in sides[1]}:
        raise BadInput("A and B share a run: there is nothing to compare it with")
    lines = [_who(name, side) for name, side in zip("AB", sides, strict=True)]
    lines += ["", *_keys(*sides), "", *_figures(*sides), *_cautions(*sides)]
    lines += ["", *(f"Damaged, and left out: {each}" for each in damaged.values())] if damaged else []
    return "\n".join(map(terminal.clean, lines)) + "\n"


def _side(texts: str | Sequence[str], root: Path, damaged: dict[Path, Damage]) -> list[StoredRun]:
    several = [texts] if isinstance(texts, str) else texts
    found = [run for text in several for run in meant.some(text, root, damaged=damaged)]
    if not found and damaged:
        listed = "; ".join(map(str, damaged.values()))
        raise StorageProblem(f"{' '.join(several)}: damaged, and nothing is left: {listed}; {MEND}")
    if not found:
        raise BadInput("a side of a comparison needs a run: its folder, its id, or a glob of folders")
    return sorted({run.folder: run for run in found}.values(), key=lambda run: run.settings.seed)


def _who(name: str, runs: Sequence[StoredRun]) -> str:
    seeds = " ".join(str(run.settings.seed) for run in runs)
    if len(runs) == 1:
        return f"{name}  {runs[0].folder}"
    return f"{name}  {len(runs)} runs, seeds {seeds}: {runs[0].folder} ..."


def _keys(one: Sequence[StoredRun], other: Sequence[StoredRun]) -> list[str]:
    """The keys whose values differ; of a side whose runs differ among themselves every value."""
    a, b = _values(one), _values(other)
    differing = [key for key in dict.fromkeys([*a, *b]) if a.get(key) != b.get(key)]
    rows = [[key, _written(a.get(key)), _written(b.get(key))] for key in differing]
    return _aligned(["key", "A", "B"], rows, left=3) if rows else ["no key differs but the seed"]


def _values(runs: Sequence[StoredRun]) -> dict[str, list[Any]]:
    """Each key's values over the runs, each once; without the seed and what cannot change a figure."""
    flat = [choices(schema.plain(run.settings)) for run in runs]
    told: dict[str, list[Any]] = {}
    for each in flat:
        for key, value in each.items():
            if key != "seed" and not schema.is_cosmetic(key) and value not in told.setdefault(key, []):
                told[key].append(value)
    return told


def _written(values: Sequence[Any] | None) -> str:
    text = ABSENT if values is None else " or ".join(map(_value, values))
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def _value(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{','.join(map(_value, value))}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{k}: {_value(v)}' for k, v in value.items())}}}"
    return "null" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _figures(one: Sequence[StoredRun], other: Sequence[StoredRun]) -> list[str]:
    a, b = ([_told(run) for run in side] for side in (one, other))
    rows = []
    for name in dict.fromkeys(key for each in [*a, *b] for key in each):
        left, right = ([each[name] for each in side if name in each] for side in (a, b))
        exact = name in COUNTS
        rows.append([name, _mean(left, exact), _mean(right, exact), _difference(left, right, exact)])
    return _aligned(["figure", "A ± 95%", "B ± 95%", "B less A ± 95%"], rows, left=1)


def _told(run: StoredRun) -> dict[str, float]:
    """A run's figures by name: those of each variant and inference, of the last epoch's training, and its costs."""
    summary = run.summary
    told: dict[str, float | None] = {}
    for result in run.evaluations:
        kind = run.told(result)
        told[f"{kind}: test error %"] = result.test_error
        told[f"{kind}: test loss"] = result.test_loss
    told |= {"train error %": summary.train_error, "train loss": summary.train_loss}
    told |= {name: getattr(summary, name) for name in COUNTS}
    return {name: figure for name, figure in told.items() if figure is not None}


def _mean(values: Sequence[float], exact: bool) -> str:
    if not values:
        return ABSENT
    mean = statistics.fmean(values)
    if exact:
        return f"{mean:,.0f}" if len(set(values)) == 1 else f"{min(values):,} to {max(values):,}"
    return f"{mean:.4g}{_half(intervals.half_width(values))}"


def _difference(left: Sequence[float], right: Sequence[float], exact: bool) -> str:
    if not left or not right:
        return ABSENT
    shift, half = intervals.difference(right, left)
    return f"{shift:+,.0f}" if exact else f"{shift:+.3g}{_half(half)}"


def _half(half: float) -> str:
    return "" if math.isnan(half) else f" ± {half:.2g}"


def _cautions(one: Sequence[StoredRun], other: Sequence[StoredRun]) -> list[str]:
    """What makes a difference mean something else than it seems."""
    lines = []
    data = [{run.info.identity.fingerprint for run in side} for side in (one, other)]
    if data[0] != data[1]:
        lines.append("A and B did not see the same images: their figures are not to be compared.")
    files = _changed(one, other)
    if files:
        lines.append(f"Changed between A and B: {', '.join(files)}")
    devices = [{_device(run) for run in side} for side in (one, other)]
    if devices[0] != devices[1]:
        lines.append(f"A ran on {' and '.join(sorted(devices[0]))}, B on {' and '.join(sorted(devices[1]))}.")
    if min(len(one), len(other)) < 2:
        lines.append("One seed says little: an interval needs two runs of each side or more.")
    return ["", *lines] if lines else []


def _changed(one: Sequence[StoredRun], other: Sequence[StoredRun]) -> list[str]:
    """What both sides were made by, where a run of one side has it as no run of the other does."""
    a, b = ([made_by(run) for run in side] for side in (one, other))
    alone = [set.intersection(*(set(changed(each, its)) for its in b)) for each in a]
    alone += [set.intersection(*(set(changed(its, each)) for each in a)) for its in b]
    both = set().union(*a) & set().union(*b)
    return sorted(both & set().union(*alone))


def _device(run: StoredRun) -> str:
    return f"{run.summary.environment.device} ({run.summary.compute.precision})"


def _aligned(head: Sequence[str], rows: Iterable[Sequence[str]], left: int) -> list[str]:
    """Columns under their names, the first `left` of them to the left."""
    table = [list(head), *map(list, rows)]
    widths = [max(len(row[i]) for row in table) for i in range(len(head))]
    return [
        "  ".join(
            c.ljust(w) if i < left else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in table
    ]
