"""How a paper's table is run here, configs/table/<paper>/<table>.yaml: what its rows are as overrides of train.yaml.

A row's overrides are, later ones replacing earlier ones of the same key: `shared`; what `by` says for its model, its
dataset and each of its changes, as the paper's facts have them; its own under `rows`; and the same three of the budget.
A text in place of a list of overrides says why such rows cannot be run here.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

from tricktable.runner.config import CONFIGS, loading, reader, roots
from tricktable.runner.config.compose import default
from tricktable.runner.config.overrides import Override, Overrides
from tricktable.runner.config.reader import key
from tricktable.runner.errors import BadInput, suggest
from tricktable.runner.papers import facts, fits

TABLES = CONFIGS / "table"
BUDGETS = ("smoke", "short", "paper")
MODEL_ITSELF = ("final", "plain")  # the variant and inference whose test error metrics.csv has
AFTER = "after."  # how an override's value begins that stands for a run which comes first
Layer = tuple[Override, ...] | str  # overrides, or why rows cannot be run here
Value = int | float | str  # of a key of a grid, as it is typed
By = Mapping[str, Mapping[str, Layer]]  # of a row's model, its dataset or a key of its changes: of each value


@dataclass(frozen=True)
class Deviation:
    """Something that is done here otherwise than in the paper, and shown with the table.

    effect: on the figures, as far as it is known. material: what kind of thing it is, where it is large enough that a
    claim on these rows is no longer the paper's: no more than an indication is found then. rows: of these alone, by
    label; none stands for all.
    """

    what: str
    why: str
    effect: str | None = None
    material: Literal["augmentation", "data", "network", "optimization", "evaluation"] | None = None
    rows: tuple[str, ...] = ()

    def of(self, label: str) -> bool:
        """Whether it concerns a row."""
        return not self.rows or label in self.rows


@dataclass(frozen=True)
class Assumption:
    """Something that the paper leaves open, and how it is done here; `rows` as a deviation's."""

    what: str
    rows: tuple[str, ...] = ()

    def of(self, label: str) -> bool:
        """Whether it concerns a row."""
        return not self.rows or label in self.rows


@dataclass(frozen=True)
class Elsewhere:
    """Rows whose runs are tested on other images than their own: `images` as typed with `tricktable evaluate`.

    trained: the dataset that such runs train on in the paper, as its facts have it. A run serves the row of its own
    test images and the rows of others: it is trained once, and evaluated on each.
    """

    images: tuple[Override, ...]
    trained: str


@dataclass(frozen=True)
class Prior:
    """A run that others begin from, which they name as after.<its name>: a teacher, or weights to go on from.

    A row of a table of the paper (of this one where none is named), or what is `typed` after the recipe's `shared`.
    seed: its own, for all that name it; null: that of the run which does.
    """

    row: str | None = None
    table: str | None = None
    typed: tuple[Override, ...] = ()
    seed: int | None = key(low=0, default=0)


@dataclass(frozen=True)
class Tune:
    """A grid that is tried for each row before its seeds: every setting with `seeds` seeds, on the same images.

    grid: keys, each with its values; rows: a row's own, by label, with as many settings as those of the others.
    validation: how many training images the best setting is chosen on, by the mean error; null: none is chosen, and
    the grid itself is what claims are of (grid_best, grid_median, grid_range).
    """

    grid: Mapping[str, tuple[Value, ...]]
    rows: Mapping[str, Mapping[str, tuple[Value, ...]]] = field(default_factory=dict)
    validation: int | float | None = key(above=0, default=None)
    seeds: int = key(low=1, default=1)


@dataclass(frozen=True)
class Budget:
    """How much of the paper's training is done.

    epochs: of a row, below 1 as a share of its own. overrides: what replaces the row's. by, rows: as a recipe's, for
    the budget alone (a smaller network for a model). n: seeds, where not the recipe's. differs: what else it changes.
    elsewhere: other images for rows of a dataset that are tested elsewhere, in place of the recipe's. after: what is
    typed behind the budget's overrides for a prior that is typed. tune: in place of the recipe's.
    """

    epochs: float | None = key(above=0, default=None)
    overrides: tuple[Override, ...] = ()
    by: By = field(default_factory=dict)
    n: int | None = key(low=1, default=None)
    rows: Mapping[str, Layer] = field(default_factory=dict)
    differs: tuple[Deviation, ...] = ()
    elsewhere: Mapping[str, tuple[Override, ...]] = field(default_factory=dict)
    after: Mapping[str, tuple[Override, ...]] = field(default_factory=dict)
    tune: Tune | None = None


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A table as it is run here. `results`: the (variant, inference) of a run that is a row's figure, by label.

    like: another table of the paper, whose recipe this one is but for what it says itself. elsewhere: by a row's
    dataset. against: the row that gains are over, of a table of gains. after: runs that rows begin from, by name.
    together: by label, how many runs are one ensemble that is the row's figure. inference: by label, inferences that a
    finished run is evaluated with for the row's figure. name, paper and table are given; the other fields stand in the
    file.
    """

    name: str
    paper: facts.Paper
    table: facts.Table
    n: int = key(low=1)
    shared: tuple[Override, ...] = ()
    by: By = field(default_factory=dict)
    rows: Mapping[str, Layer] = field(default_factory=dict)
    budgets: Mapping[str, Budget]
    results: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    differs: tuple[Deviation, ...] = ()
    assumed: tuple[Assumption, ...] = ()
    like: str | None = None
    elsewhere: Mapping[str, Elsewhere] = field(default_factory=dict)
    against: str | None = None
    after: Mapping[str, Prior] = field(default_factory=dict)
    tune: Tune | None = None
    together: Mapping[str, int] = field(default_factory=dict)
    inference: Mapping[str, tuple[Override, ...]] = field(default_factory=dict)
    note: str | None = None

    @property
    def runs_of(self) -> str:
        """The table whose runs these are: recipes that are like one another share them."""
        return self.like or self.table.id

    def deviations(self, budget: str) -> tuple[Deviation, ...]:
        """What is done otherwise than in the paper, at this budget."""
        return (*self.differs, *self.budgets[budget].differs)

    def overrides(self, label: str, budget: str) -> Overrides | str:
        """What is typed after `tricktable train` for a row, but for its seed; or why it cannot be run."""
        row, chosen = self.table.rows[label], self.budgets[budget]
        layers: list[Layer] = [self.shared, *_chosen(self.by, row), self.rows.get(label, ())]
        layers += [chosen.overrides, *_chosen(chosen.by, row), chosen.rows.get(label, ())]
        typed: list[tuple[Override, ...]] = []
        for layer in layers:
            if isinstance(layer, str):
                return layer
            typed.append(layer)
        return _layered(typed, chosen.epochs)

    def seeds(self, budget: str) -> range:
        """The seeds of each row, declared before anything is run."""
        return range(self.budgets[budget].n or self.n)

    def result(self, label: str) -> tuple[str, str]:
        """The (variant, inference) of a run that is this row's figure."""
        return self.results.get(label, self.results.get("all", MODEL_ITSELF))

    def evaluation(self, label: str, budget: str) -> Overrides:
        """What `tricktable evaluate` is given for a row's figure; nothing where a run has it from its own end."""
        dataset = self.table.rows[label].dataset or ""
        images: tuple[Override, ...] = ()
        if dataset in self.elsewhere:
            images = self.budgets[budget].elsewhere.get(dataset, self.elsewhere[dataset].images)
        own = self.inference.get(label, ())
        if label in self.together and not own:
            own = (Override(f"inference=[{self.result(label)[1]}]"),)
        return Overrides([*images, *own])

    def prior(self, name: str, budget: str) -> Overrides:
        """What is typed for a run that others begin from, but for its seed, where it is no row."""
        chosen = self.budgets[budget]
        layers = (self.shared, self.after[name].typed, chosen.overrides, chosen.after.get(name, ()))
        return _layered(layers, chosen.epochs)

    def named(self, override: Override) -> tuple[str, ...]:
        """The run that comes first which an override names; nothing where it names none."""
        return (override.value.removeprefix(AFTER),) if override.value.startswith(AFTER) else ()

    def tuned(self, budget: str) -> Tune | None:
        """How rows are tuned at a budget; None where they are not."""
        return self.budgets[budget].tune or self.tune

    def grid(self, label: str, budget: str) -> Mapping[str, tuple[Value, ...]]:
        """The keys of a row's grid with their values; none where it is not tuned, or cannot be run."""
        tune = self.tuned(budget)
        return tune.rows.get(label, tune.grid) if tune else {}


@cache
def names() -> tuple[str, ...]:
    """Every recipe, as <paper>/<table>."""
    files = [path.relative_to(folder) for folder in _folders() for path in folder.glob("*/[!_]*.yaml")]
    return tuple(sorted(str(path.with_suffix("")) for path in files))


def _folders() -> Iterator[Path]:
    """The package's, then those of one's own."""
    yield from (TABLES, *(root.configs / "table" for root in roots.own()))


def file(name: str) -> Path:
    """The file of a paper's folder, <paper>/<name>.yaml, in the first that has it; where none has, the package's."""
    found = (folder / f"{name}.yaml" for folder in _folders())
    return next((path for path in found if path.is_file()), TABLES / f"{name}.yaml")


def listing() -> list[tuple[str, str]]:
    """Every table that has a recipe, with what it shows."""
    lines = []
    for name in names():
        first = file(name).read_text(encoding="utf-8").partition("\n")[0]
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
    with reader.in_file(f"configs/table/{name}.yaml"):
        values = _whole(loading.load(file(name)), paper_name)
        return fits.fitting(
            reader.read(Recipe, values, name=name, paper=paper, table=paper.tables[table_name]), BUDGETS
        )


def _whole(values: Any, paper: str) -> Any:
    """A recipe's plain values; with `like`, behind those of another, mapping by mapping for `by` and each budget."""
    like = values.get("like") if isinstance(values, Mapping) else None
    if like is None:
        return values
    known = [name.partition("/")[2] for name in names() if name.startswith(f"{paper}/")]
    if like not in known:
        raise BadInput(f"like: {paper} has no recipe {like}{suggest(str(like), known)}")
    other = loading.load(file(f"{paper}/{like}"))
    if "like" in other:
        raise BadInput(f"like: {like} is itself like another; name that one")
    budgets = {name: {**other["budgets"].get(name, {}), **own} for name, own in values.get("budgets", {}).items()}
    merged = {key: {**other.get(key, {}), **values.get(key, {})} for key in ("by", "rows")}
    return {**other, **values, **merged, "budgets": {**other["budgets"], **budgets}}


def _layered(layers: Iterable[tuple[Override, ...]], epochs: float | None) -> Overrides:
    """The layers as one, later overrides in place of earlier ones of a key; with a budget's epochs, if any."""
    typed = Overrides()
    for override in itertools.chain.from_iterable(layers):
        typed = typed.updated([override])
    return typed if epochs is None else _shortened(typed, epochs)


def _shortened(overrides: Overrides, epochs: float) -> Overrides:
    """With so many epochs, or below 1 with this share of their own."""
    own = float(overrides.get("epochs") or default("epochs"))
    typed = f"epochs={max(1, round(own * epochs if epochs < 1 else epochs))}"
    if "epochs" not in overrides.keys:
        return Overrides([*overrides, typed])
    return Overrides(typed if each.key == "epochs" else each for each in overrides)


def _chosen(by: By, row: facts.PaperRow) -> Iterator[Layer]:
    """What `by` says for a row's model, dataset and changes."""
    for name, choices in by.items():
        value = row.told(name)
        if value is not None:
            yield choices[value]
