"""Whether a recipe fits its paper's facts: it says something of rows that its table has, and of all of them."""

from collections.abc import Collection, Iterable
from math import prod
from typing import TYPE_CHECKING

from tricktable.runner.config import reader
from tricktable.runner.config.overrides import Override, Overrides
from tricktable.runner.errors import BadInput, suggest
from tricktable.runner.papers import facts

if TYPE_CHECKING:
    from tricktable.runner.papers.recipe import By, Recipe, Tune


def fitting(recipe: "Recipe", budgets: Collection[str]) -> "Recipe":
    """The recipe; BadInput where it says something of rows that its table lacks, or nothing of a budget or a row."""
    _known("budgets", recipe.budgets, budgets)
    for name in budgets:
        if name not in recipe.budgets:
            raise BadInput(f"budgets.{name}: missing")
    rows = recipe.table.rows
    _known("results", recipe.results, (*rows, "all"))
    _known("rows", recipe.rows, rows)
    for where, several in (("differs", recipe.differs), ("assumed", recipe.assumed)):
        for each in several:
            _known(where, each.rows, rows)
    _known("against", [recipe.against] if recipe.against else [], rows)
    datasets = {row.dataset for row in rows.values() if row.dataset}
    _known("elsewhere", recipe.elsewhere, datasets)
    for dataset, elsewhere in recipe.elsewhere.items():
        _images(f"elsewhere.{dataset}.images", elsewhere.images)
    _complete("by", recipe.by, rows.values())
    for name, budget in recipe.budgets.items():
        _known(f"budgets.{name}.rows", budget.rows, rows)
        for deviation in budget.differs:
            _known(f"budgets.{name}.differs", deviation.rows, rows)
        _known(f"budgets.{name}.elsewhere", budget.elsewhere, recipe.elsewhere)
        for dataset, images in budget.elsewhere.items():
            _images(f"budgets.{name}.elsewhere.{dataset}", images)
        _complete(f"budgets.{name}.by", budget.by, rows.values())
    _chains(recipe)
    for where, tune in (
        ("tune", recipe.tune),
        *((f"budgets.{name}.tune", b.tune) for name, b in recipe.budgets.items()),
    ):
        if tune is not None:
            _grid(recipe, where, tune)
    return recipe


def _chains(recipe: "Recipe") -> None:
    """Runs that come first, or whose models are evaluated together, are rows, and are said in one way."""
    for name, prior in recipe.after.items():
        where = f"after.{name}"
        if (prior.row is None) == (not prior.typed) or (prior.table and prior.row is None):
            raise BadInput(f"{where}: expected a row (of a table), or what is typed for it")
        if prior.table:
            _known(f"{where}.table", [prior.table], recipe.paper.tables)
        table = recipe.paper.tables[prior.table] if prior.table else recipe.table
        _known(f"{where}.row", [prior.row] if prior.row else [], table.rows)
    for name, budget in recipe.budgets.items():
        _known(f"budgets.{name}.after", budget.after, [name for name, prior in recipe.after.items() if prior.typed])
    rows = recipe.table.rows
    for label in rows:
        for name in recipe.budgets:
            overrides = recipe.overrides(label, name)
            if not isinstance(overrides, str):
                _known("after", [prior for each in overrides for prior in recipe.named(each)], recipe.after)
    _known("together", recipe.together, rows)
    _known("inference", recipe.inference, rows)
    for label, number in recipe.together.items():
        if number < 2:
            raise BadInput(f"together.{label}: an ensemble is of at least 2 runs, got {number}")
    for label, typed in recipe.inference.items():
        if not typed or any(each.group != "inference" for each in typed):
            raise BadInput(f"inference.{label}: expected inference=[...] and arguments of it, got {Overrides(typed)}")


def _grid(recipe: "Recipe", where: str, tune: "Tune") -> None:
    """Every row is tried with as many settings, and one of them can be chosen, or none is."""
    _known(f"{where}.rows", tune.rows, recipe.table.rows)
    settings = {prod(map(len, grid.values())) for grid in (*tune.rows.values(), *([tune.grid] if tune.grid else []))}
    if len(settings) != 1 or min(settings) < 2:
        counted = ", ".join(map(str, sorted(settings))) or "none"
        raise BadInput(f"{where}: expected as many settings for each row, at least 2; got {counted}")
    if recipe.together:
        raise BadInput(f"{where}: rows of several runs (together) are not tuned")


def _complete(where: str, by: "By", rows: Collection[facts.PaperRow]) -> None:
    """`by` tells rows apart by something that they have, and has all of their values of it."""
    _known(where, by, {"model", "dataset"}.union(*(row.changes for row in rows)))
    for name, choices in by.items():
        for row in rows:
            value = row.told(name)
            if value is not None and value not in choices:
                raise BadInput(f"{where}.{name}: lacks {value}, of the row {row.label}{suggest(value, choices)}")


def _images(where: str, images: Iterable[Override]) -> None:
    """Overrides that choose images, and nothing else."""
    typed = Overrides(images)
    if "data" not in typed.keys or any(each.group != "data" for each in typed):
        raise BadInput(f"{where}: expected data=... and arguments of it, got {str(typed) or 'nothing'}")


def _known(where: str, names: Iterable[str], known: Iterable[str]) -> None:
    for name in names:
        if name not in known:
            raise reader.UnknownKey(where, name, sorted(known))
