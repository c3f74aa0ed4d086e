"""Tables as records with exact figures, and records as CSV, for pandas."""

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from sys import intern
from typing import Any

from tricktable.runner import terminal
from tricktable.runner.disk.summary import Summary
from tricktable.runner.papers import departures
from tricktable.runner.papers.intervals import half_width
from tricktable.runner.papers.measured import MeasuredRow, MeasuredTable, Measurement, each_once
from tricktable.runner.report import cells

Record = dict[str, Any]
_FORMULA = ("=", "+", "-", "@")  # what a spreadsheet's formula begins with
_TOLD = ("epochs", "updates", "samples", "params", "madds", "diverged_at", "weights_sha256")


def rows(table: MeasuredTable) -> list[Record]:
    """A table's rows."""
    return [_study_row(table, row) if row.theirs is None else _paper_row(table, row) for row in table.rows]


def _paper_row(table: MeasuredTable, row: MeasuredRow) -> Record:
    theirs = row.theirs
    assert theirs is not None, "a paper's row"
    return {
        **_of(table),
        "row": row.label,
        "budget": table.budget,
        "metric": table.metric.name,
        "unit": table.metric.unit,
        "theirs": theirs.value,
        "theirs_spread": theirs.spread,
        "theirs_spread_kind": theirs.spread_kind,
        "theirs_n": theirs.n,
        "confidence": theirs.confidence,
        "secondary": int(theirs.secondary),
        "ours": row.mean,
        "ours_ci95": row.half,
        "ours_best": row.best_mean,
        "difference": cells.less_theirs(table, row),
        "n": len(row.figures),
        "declared": len(row.seeds),
        "diverged": row.diverged,
        "seeds": " ".join(map(str, row.seeds)),
        **{f"{name}_{who}": getattr(of, name) for name in cells.COUNTS
           for who, of in (("theirs", theirs), ("ours", row))},
        "not_comparable": " ".join(departures.apart(table, row)),
        "verdicts": cells.verdicts(table, row, counting=False).replace(cells.NOTHING, ""),
        "verdicts_by_counting": cells.verdicts(table, row, counting=True).replace(cells.NOTHING, ""),
        "not_runnable": row.reason,
        "overrides": " ".join(row.overrides),
        "budget_changes": ", ".join(map(str, row.changes)),
        "differs": departures.of_row(table.differs, row.label),
        "assumed": departures.of_row(table.assumed, row.label),
        **_shared(row.runs),
    }  # fmt: skip


def _study_row(table: MeasuredTable, row: MeasuredRow) -> Record:
    shift, half = (None, None) if row is table.base else cells.change(table, row)
    first = row.runs[0].summary
    return {
        "row": row.label,
        "n": len(row.figures),
        "test_error_mean": row.mean,
        "test_error_ci95": row.half,
        "baseline": table.base.label,
        "change": shift,
        "change_ci95": half,
        "test_errors": " ".join(f"{figure:.4f}" for figure in row.figures),
        "diverged": row.diverged,
        "seeds": " ".join(map(str, row.seeds)),
        "params": row.params,
        "madds": row.madds,
        "updates": row.updates,
        "epochs": first.epochs,
        "data": first.data.title,
        "fingerprint": first.data.fingerprint,
        "device": first.environment.device,
        "precision": first.compute.precision,
    }


def evaluated(table: MeasuredTable) -> list[Record]:
    """What a study's runs came to in later evaluations."""
    return [
        {
            "row": each.label,
            "evaluated_as": each.what,
            "n": len(each.figures),
            "test_error_mean": each.mean,
            "test_error_ci95": half_width(each.figures),
            "test_errors": " ".join(f"{figure:.4f}" for figure in each.figures),
        }
        for each in table.evaluated
    ]


def _of(table: MeasuredTable) -> Record:
    """Which table of which paper it is; nothing for a study."""
    if table.paper is None:
        return {}
    paper, _, name = table.name.rpartition("/")
    return {"paper": paper, "table": name}


def _shared(runs: Iterable[Measurement]) -> Record:
    """Of a row's runs: their data, its fingerprint, their devices and precisions; several are all named."""
    told = [figures(run.summary) for run in runs]
    return {
        key: each_once(each[key] for each in told if each[key] is not None)
        for key in ("data", "fingerprint", "device", "precision")
    }


def claims(table: MeasuredTable) -> list[Record]:
    """A table's claims."""
    return [
        {
            **_of(table),
            "claim": judged.claim.id,
            "statement": judged.claim.statement,
            "kind": judged.claim.kind,
            "decided_by": "counting" if cells.by_counting(table, judged) else "training",
            "field": judged.claim.field,
            "left": " | ".join(judged.claim.left),
            "right": " | ".join(judged.claim.right),
            "budget": table.budget,
            "verdict": judged.verdict,
            "reason": judged.reason,
            "theirs": judged.theirs,
            "ours": judged.ours,
            "ours_ci95": judged.half,
            "p": judged.p,
            "p_holm": judged.adjusted,
            "ratio": judged.ratio,
            "seeds_needed": judged.needed,
            "confidence": judged.claim.confidence,
        }
        for judged in table.claims
    ]


def runs(table: MeasuredTable) -> list[Record]:
    """A table's runs, in the order of its rows and seeds. `figure` and `best` are in the table's metric."""
    return [
        {
            **_of(table),
            "row": row.label,
            "seed": each.seed,
            **({"budget": table.budget} if table.paper else {}),
            "state": each.state,
            "metric": table.metric.name,
            "figure": each.figure,
            "best": each.best,
            **figures(each.summary),
            "study": each.run.study,
            "run": each.run.id,
        }
        for row in table.rows
        for each in row.runs
    ]


def figures(summary: Summary) -> Record:
    """A summary's figures, flat: those of each result are named `<variant>.<inference>.<figure>`."""
    own = summary.final.plain() if summary.final else {}
    flat = {key: value for key, value in own.items() if key.startswith(("val_", "test_"))}
    flat |= {key: value for key in ("train_loss", "train_error") if (value := getattr(summary, key)) is not None}
    for result in summary.results:
        name = f"{result.variant}.{result.inference}"
        flat |= {intern(f"{name}.{key}"): value for key, value in result.plain().items() if not isinstance(value, str)}
    return {
        **flat,
        **{key: getattr(summary, key) for key in _TOLD},
        "data": summary.data.title,
        "fingerprint": summary.data.fingerprint,
        "archive": summary.data.archive,
        "train_images": summary.data.train,
        "device": summary.environment.device,
        "precision": summary.compute.precision,
        "threads": summary.compute.threads,
        "torch": summary.environment.torch,
        "commit": summary.environment.commit,
    }


def as_csv(records: Sequence[Mapping[str, Any]]) -> str:
    """Records as CSV: every key a column, what one lacks is empty, numbers come back bit for bit."""
    columns = list(dict.fromkeys(key for record in records for key in record))
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(map(_text, columns))
    writer.writerows([cell(record.get(name)) for name in columns] for record in records)
    return text.getvalue()


def cell(value: Any) -> Any:
    """A value as CSV has it; before a text that is a formula stands an apostrophe, by which spreadsheets show it."""
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, list | tuple):
        return f"[{','.join(str(cell(v)) for v in value)}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{k}: {cell(v)}' for k, v in value.items())}}}"
    return int(value) if isinstance(value, bool) else "" if missing(value) else value


@lru_cache(maxsize=1 << 14)
def _text(text: str) -> str:
    """A text that no spreadsheet takes for a formula: what could be one has an apostrophe before it, but no number."""
    shown = terminal.clean(text)
    try:
        float(shown)
    except ValueError:
        return f"'{shown}" if shown.lstrip().startswith(_FORMULA) else shown
    return shown


def missing(value: Any) -> bool:
    """Whether it is None or NaN."""
    return value is None or (isinstance(value, float) and math.isnan(value))
