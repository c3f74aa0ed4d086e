"""How a paper's table is run here, configs/table/<paper>/<table>.yaml: what its rows are as overrides of train.yaml.

A row's overrides are, later ones replacing earlier ones of the same key: `shared`; what `by` says for its model, its
dataset and each of its changes, as the paper's facts have them; its own under `rows`; and the budget's. A text in place
of a list of overrides says why such rows cannot be run here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import yaml

from runner.config.compose import CONFIGS, default
from runner.config.overrides import Overrides
from runner.errors import BadInput, suggest
from runner.papers import facts

TABLES = CONFIGS / "table"
BUDGETS = ("smoke", "short", "paper")
KEYS = {"n", "shared", "by", "rows", "budgets", "results", "note"}


@dataclass(frozen=True)
class Budget:
    """How much of the paper's training is done.

    epochs: of a row, below 1 as a share of its own. overrides: what replaces the row's. by: as a recipe's, for the
    budget alone (a smaller network for a model). n: seeds, where not the recipe's.
    """

    epochs: float | None
    overrides: tuple[str, ...]
    by: Mapping[str, Mapping[str, Any]]
    n: int | None


@dataclass(frozen=True)
class Recipe:
    """A table as it is run here. `results`: the (variant, inference) of a run that is a row's figure, by label."""

    name: str
    paper: facts.Paper
    table: facts.Table
    n: int
    shared: tuple[str, ...]
    by: Mapping[str, Mapping[str, Any]]
    rows: Mapping[str, Any]
    budgets: Mapping[str, Budget]
    results: Mapping[str, tuple[str, str]]
    note: str | None

    def overrides(self, label: str, budget: str) -> Overrides | str:
        """What is typed after `tricktable train` for a row, but for its seed; or why it cannot be run."""
        row, chosen = self.table.rows[label], self.budgets[budget]
        layers: list[Any] = [self.shared, *_chosen(self.by, row), self.rows.get(label, ())]
        layers += [chosen.overrides, *_chosen(chosen.by, row)]
        typed = Overrides()
        for layer in layers:
            if isinstance(layer, str):
                return layer
            for override in layer:
                typed = typed.updated([override])
        return typed if chosen.epochs is None else _shortened(typed, chosen.epochs)

    def seeds(self, budget: str) -> range:
        """The seeds of each row, declared before anything is run."""
        return range(self.budgets[budget].n or self.n)

    def result(self, label: str) -> tuple[str, str]:
        """The (variant, inference) of a run that is this row's figure."""
        return self.results.get(label, self.results.get("all", ("final", "plain")))


@cache
def names() -> tuple[str, ...]:
    """Every recipe, as <paper>/<table>."""
    return tuple(sorted(str(path.relative_to(TABLES).with_suffix("")) for path in TABLES.glob("*/[!_]*.yaml")))


def listing() -> list[tuple[str, str]]:
    """Every table that has a recipe, with what it shows."""
    lines = []
    for name in names():
        first = (TABLES / f"{name}.yaml").read_text(encoding="utf-8").partition("\n")[0]
        lines.append((name, first.lstrip("# ")))
    return lines


@cache
def load(name: str) -> Recipe:
    """A recipe by its name; BadInput where there is none, or it does not fit its paper's facts."""
    if name not in names():
        raise BadInput(f"no table is called {name}{suggest(name, names())}")
    paper_name, _, table_name = name.partition("/")
    paper = facts.load(paper_name)
    if table_name not in paper.tables:
        raise BadInput(
            f"configs/table/{name}.yaml: {paper_name} has no table {table_name}{suggest(table_name, paper.tables)}"
        )
    values = yaml.safe_load((TABLES / f"{name}.yaml").read_text(encoding="utf-8"))
    try:
        return _recipe(name, paper, paper.tables[table_name], values)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadInput(f"configs/table/{name}.yaml: {error}") from None


def _recipe(name: str, paper: facts.Paper, table: facts.Table, values: Mapping[str, Any]) -> Recipe:
    if set(values) - KEYS or not set(BUDGETS) <= set(values["budgets"]):
        raise ValueError(f"keys are {', '.join(sorted(KEYS))}; budgets are {', '.join(BUDGETS)}")
    rows, results = values.get("rows") or {}, values.get("results") or {}
    for where, labels in (("rows", rows), ("results", results)):
        unknown = [label for label in labels if label not in table.rows and label != "all"]
        if unknown:
            raise ValueError(f"{where}: the table has no row {unknown[0]!r}{suggest(str(unknown[0]), table.rows)}")
    return Recipe(
        name=name,
        paper=paper,
        table=table,
        n=int(values["n"]),
        shared=tuple(values.get("shared") or ()),
        by=values.get("by") or {},
        rows=rows,
        budgets={key: _budget(budget or {}) for key, budget in values["budgets"].items()},
        results={label: (pair[0], pair[1]) for label, pair in results.items()},
        note=values.get("note"),
    )


def _budget(values: Mapping[str, Any]) -> Budget:
    if set(values) - {"epochs", "overrides", "by", "n"}:
        raise ValueError("a budget's keys are epochs, overrides, by, n")
    return Budget(values.get("epochs"), tuple(values.get("overrides") or ()), values.get("by") or {}, values.get("n"))


def _shortened(overrides: Overrides, epochs: float) -> Overrides:
    """With so many epochs, or below 1 with this share of their own."""
    own = float(overrides.get("epochs") or default("epochs"))
    typed = f"epochs={max(1, round(own * epochs if epochs < 1 else epochs))}"
    if "epochs" not in overrides.keys:
        return Overrides([*overrides, typed])
    return Overrides(typed if each.key == "epochs" else each for each in overrides)


def _chosen(by: Mapping[str, Mapping[str, Any]], row: facts.PaperRow) -> list[Any]:
    """What `by` says for a row's model, dataset and changes; ValueError where it names a kind but not this row's."""
    layers = []
    for key, choices in by.items():
        value = {"model": row.model, "dataset": row.dataset, **row.changes}.get(key)
        if value is None:
            continue
        if str(value) not in choices:
            raise BadInput(f"{row.label}: `by` has no {key} {value}; there are: {', '.join(map(str, choices))}")
        layers.append(choices[str(value)])
    return layers
