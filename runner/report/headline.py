"""What stands above a table: what was run beside what the paper ran, and how it came out, each in a sentence."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence

from tricktable.runner.config import catalogue
from tricktable.runner.config.options import options
from tricktable.runner.papers.claims import VERDICTS
from tricktable.runner.papers.facts import PaperRow
from tricktable.runner.papers.measured import MeasuredRow, MeasuredTable, Verdict, each_once
from tricktable.runner.papers.plan import FULL
from tricktable.runner.report import cells

MOST = 3  # things that a banner names
BESIDE_A_NAME = r"\([^)=]*\)|[,;:].*| for .*"  # in the first line of a model's YAML; (L=100, k=12) belongs to the name
WAYS: dict[Verdict, str] = {
    "indication for": "the paper's way",
    "indication against": "the other way",
    "no indication": "neither way",
}
Names = Iterable[str | None]


def run_here(table: MeasuredTable) -> list[str]:
    """A sentence on what was run and one on what the paper ran, where these are not the same; else nothing.

    `Smoke run: ResNet-8 on digits, 8 epochs. The paper: ResNet-20 on CIFAR-10, 186 epochs.`
    """
    rows = [row for row in table.rows if row.reason is None]
    if table.paper is None or not (any(row.changes for row in rows) or cells.otherwise(table)):
        return []
    of = "Run here" if table.budget == FULL else f"{table.budget.capitalize()} run"
    ours = _said(map(_model, rows), map(_data, rows), (_here(row, "epochs") for row in rows))
    theirs = _said(map(_paper_model, rows), map(_paper_data, rows), (_there(row, "epochs") for row in rows))
    return [f"{of}: {ours}. The paper: {theirs}."]


def _said(models: Names, data: Names, epochs: Names) -> str:
    on = " on ".join(filter(None, (_few(models), _few(data))))
    return ", ".join(filter(None, (on, f"{found} epochs" if (found := _few(epochs)) else "")))


def _few(values: Names) -> str:
    """The different ones, the first of them by name."""
    known = list(dict.fromkeys(filter(None, values)))
    more = f" and {len(known) - MOST} more" if len(known) > MOST else ""
    return f"{each_once(known[:MOST])}{more}"


def _here(row: MeasuredRow, key: str) -> str | None:
    """What a row has for a key: as it was typed, else what its runs had."""
    if (typed := row.overrides.get(key)) is not None:
        return typed
    return str(row.runs[0].summary.epochs) if key == "epochs" and row.runs else None


def _there(row: MeasuredRow, key: str) -> str | None:
    """What it has at the paper's budget."""
    changed = next((each for each in row.changes if each.key == key), None)
    return changed.paper if changed else _here(row, key)


def _model(row: MeasuredRow) -> str | None:
    """`ResNet-8`; with what the budget sets of it: `ResNet-18 (depth=10, width=8)`."""
    inside = [
        f"{each.key.removeprefix('model.')}={each.here}"
        for each in row.changes
        if each.key.startswith("model.") and each.here
    ]
    name = _network(_here(row, "model"))
    return f"{name} ({', '.join(inside)})" if name and inside else name


def _data(row: MeasuredRow) -> str | None:
    """`CIFAR-10`; of a source whose name says nothing of its images that which it vouches for, where there are runs."""
    name = _here(row, "data")
    if name is not None and (proper := _images(name)) != name:
        return proper
    vouched = each_once(_images(found) for run in row.runs if (found := run.summary.data.dataset))
    return vouched or name or each_once(run.summary.data.title for run in row.runs) or None


def _paper_model(row: MeasuredRow) -> str | None:
    said = _fact(row).model
    return re.sub(r"\([^)=]*\)", "", said).strip() if said else _network(_there(row, "model"))


def _paper_data(row: MeasuredRow) -> str | None:
    said = _fact(row).dataset
    return _images(said) if said else None


def _fact(row: MeasuredRow) -> PaperRow:
    assert row.theirs is not None, "a paper's row"
    return row.theirs


def _network(name: str | None) -> str | None:
    """The name of a model as its YAML has it: ResNet-8 of resnet8."""
    if name is None or name not in options("model"):
        return name
    return re.sub(BESIDE_A_NAME, "", catalogue.about("model", name)).strip()


def _images(name: str) -> str:
    """The proper name of a data set, as its YAML has it: CIFAR-10 of cifar10; digits has none."""
    about = re.sub(BESIDE_A_NAME, "", catalogue.about("data", name)).strip() if name in options("data") else ""
    return about if about[:1].isupper() else name


def conclusion(tables: Sequence[MeasuredTable]) -> str:
    """How tables of one budget came out, as a person would say it; of studies: how the best row compares."""
    if all(table.paper is None for table in tables):
        return " ".join(map(_study, tables))
    counting, training = (sum((_decidable(each, by) for each in tables), Counter[Verdict]()) for by in (True, False))
    budgets = {table.budget for table in tables}
    said = [_by_training(training, budgets.pop() if len(budgets) == 1 else ""), _by_counting(counting)]
    return " ".join(filter(None, said)) or "The paper makes no claim that figures of this table could decide."


def _decidable(table: MeasuredTable, counting: bool) -> Counter[Verdict]:
    found = cells.tally(table, counting)
    del found["qualitative"]
    return found


def _by_training(found: Counter[Verdict], budget: str) -> str:
    """On the claims that training decides."""
    number, lacking = found.total(), found["not runnable here"]
    if not number:
        return ""
    if number == lacking:
        return f"{_none(number)} be decided here: the runs that it takes cannot be made."
    if number - lacking == found["not run"]:
        return f"Nothing has been run yet that decides {_claims(number)}."
    parts = [_decided(found, budget)]
    parts += [f"{found[each]} point{'s' * (found[each] == 1)} {way}" for each, way in WAYS.items() if found[each]]
    if found["not run"]:
        parts.append(f"{found['not run']} {'has' if found['not run'] == 1 else 'have'} no runs yet")
    if lacking:
        parts.append(f"{lacking} cannot be run here")
    return f"{'; '.join(parts)}."


def _decided(found: Counter[Verdict], budget: str) -> str:
    decided = [_are(found[each], each) for each in VERDICTS if found[each]]
    number = found.total()
    if decided:
        return f"Of {_claims(number)}, {' and '.join(decided)}"
    how = f"by a {budget} run" if budget and budget != FULL else "here"
    return f"{_none(number)} be decided {how}"


def _none(number: int) -> str:
    none = "Neither" if number == 2 else "None"
    return f"{none} of {_claims(number)} can" if number > 1 else "The claim cannot"


def _by_counting(found: Counter[Verdict]) -> str:
    """On the claims that counts decide."""
    decided = [_are(number, each) for each, number in found.items() if each in (*VERDICTS, *WAYS)]
    if not decided:
        return ""
    return f"By counting, and without training, {' and '.join(decided)} of {_claims(found.total())} on counts."


def _claims(number: int) -> str:
    return f"the {number} claims" if number > 1 else "the claim"


def _are(number: int, what: str) -> str:
    return f"{number} {'is' if number == 1 else 'are'} {what}"


def _study(table: MeasuredTable) -> str:
    """How the row with the least error compares with the baseline."""
    rows = [row for row in table.rows if row.mean is not None]
    if not rows:
        return "All runs diverged."
    best = min(rows, key=lambda row: row.mean or 0.0)
    error = f"{cells.with_half(best.mean, best.half)}%"
    if len(table.rows) == 1:
        return f"Test error {error}, over {len(best.figures)} seed{'s' * (len(best.figures) > 1)}."
    if best is table.base:
        return f"No row has a lower test error than the baseline, {best.label}: {error}."
    shift, half = cells.change(table, best)
    said = f"The lowest test error is {error}, of {best.label}"
    if math.isnan(shift):
        return f"{said}; the baseline ({table.base.label}) has no figure."
    said = f"{said}: {cells.with_half(-shift, half)} points below the baseline ({table.base.label})"
    if math.isnan(half):
        return f"{said}. One seed of a row tells no difference from chance."
    chance = "leaves out zero" if abs(shift) > half else "has zero in it: this may be chance"
    picked = f" It is the best of {len(rows)} rows, and was picked by these figures." if len(rows) > 2 else ""
    return f"{said}. The 95% interval of the difference {chance}.{picked}"
