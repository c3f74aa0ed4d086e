"""What a table does otherwise than the paper, what it assumes, and what its budget changes: in sentences."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from tricktable.runner.config import schema
from tricktable.runner.config.places import PLACES
from tricktable.runner.papers.measured import Change, MeasuredRow, MeasuredTable
from tricktable.runner.papers.recipe import Assumption, Deviation, Recipe

DIFFERS, ASSUMED = "Differs from the paper", "Assumed, because the paper does not say"
EVERY_ROW = "all rows"
APART = ("data", "network")  # across these a figure is not to be compared with the paper's
# The kinds of keys that are of no place, or of one that is not as its stage.
_KINDS = {"data": "data", "model": "network", "augment": "augmentation", "inference": "evaluation"}
Thing = TypeVar("Thing")


def said(recipe: Recipe, budget: str, changes: Mapping[str, Sequence[Change]]) -> dict[str, list[str]]:
    """Sentences under their headings, without those that nothing stands under. `changes`: a budget's, by row."""
    found = {
        DIFFERS: [*map(deviation, recipe.deviations(budget)), *_kinds(changes, budget)],
        ASSUMED: [*map(assumption, recipe.assumed)],
        f"Changed by the {budget} budget": by_row(changes, str, ", "),
    }
    return {heading: lines for heading, lines in found.items() if lines}


def deviation(each: Deviation) -> str:
    """What is done otherwise, in which rows, why, with what effect, and what that takes from a claim."""
    parts = [each.what + _rows(each.rows), f"Why: {each.why}"]
    if each.effect:
        parts.append(f"Effect: {each.effect}")
    if each.material:
        parts.append(f"Material ({each.material}): claims on these rows get no more than an indication")
    return " ".join(_sentence(part) for part in parts)


def assumption(each: Assumption) -> str:
    """What was assumed, and in which rows."""
    return _sentence(each.what + _rows(each.rows))


def apart(table: MeasuredTable, row: MeasuredRow) -> tuple[str, ...]:
    """Which of data and network a row has otherwise than the paper: by its budget, its recipe, or what it ran on."""
    found = {_kind(each.key) for each in row.changes if each.key not in schema.cosmetic()}
    found |= {each.material for each in table.differs if each.material and each.of(row.label)}
    if table.recipe is not None and not on_own_data(table.recipe, row):
        found.add("data")
    return tuple(kind for kind in APART if kind in found)


def on_own_data(recipe: Recipe, row: MeasuredRow) -> bool:
    """Whether a row's runs saw its dataset, all of it, as the data source vouches for; a paper may not say which.

    Where they are tested elsewhere, that is the row's dataset, and they trained on the one that the recipe names.
    """
    assert row.theirs is not None, "a paper's row"
    dataset = row.theirs.dataset
    elsewhere = recipe.elsewhere.get(dataset or "")
    trained = elsewhere.trained if elsewhere else dataset
    seen = [run.summary.data for run in row.sources]
    tested = [run.elsewhere for run in row.runs if run.elsewhere]
    return all(each.complete and trained in (None, each.dataset) for each in seen) and all(
        each.complete and each.dataset == dataset for each in tested
    )


def of_row(several: Iterable[Deviation | Assumption], label: str) -> str:
    """What of it concerns a row, in one cell."""
    return " | ".join(each.what for each in several if each.of(label))


def shared(several: Mapping[str, Sequence[Thing]]) -> list[Thing]:
    """What all rows have, in the order of the first."""
    first, *others = several.values() or [()]
    return [each for each in first if all(each in other for other in others)]


def by_row(several: Mapping[str, Sequence[Thing]], word: Callable[[Thing], str] = str, between: str = " ") -> list[str]:
    """What all rows share, in one line; then what each has besides."""
    common = shared(several)
    lines = [f"{EVERY_ROW}: {between.join(map(word, common))}"] if common else []
    for label, things in several.items():
        own = [word(each) for each in things if each not in common]
        lines += [f"{label}: {between.join(own)}"] if own else []
    return lines


def _kinds(changes: Mapping[str, Sequence[Change]], budget: str) -> list[str]:
    """What kinds of thing a budget changes, from the keys that it sets."""
    kinds = dict.fromkeys(_kind(each.key) for several in changes.values() for each in several)
    if not kinds:
        return []
    *first, last = kinds
    named = f"{', '.join(first)} and {last}" if first else last
    return [f"The {budget} budget changes {named}, as listed below: claims get no more than an indication."]


def _kind(key: str) -> str:
    """Of a deviation's kinds that which a key is of."""
    name = key.partition(".")[0]
    if name in _KINDS:
        return _KINDS[name]
    return "network" if name in PLACES and PLACES[name].stage == "BUILD" else "optimization"


def _rows(labels: Sequence[str]) -> str:
    return f" (rows: {', '.join(labels)})" if labels else ""


def _sentence(text: str) -> str:
    text = text.strip()
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'}"
