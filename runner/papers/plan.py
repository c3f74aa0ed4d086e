"""What a paper's table wants at a budget: the runs of each row, and those that come before them.

A row's run may begin from others: a teacher or the weights that its overrides name (`after`), or a grid of which the
best setting is taken (`tune`). Then it is settled, that is: known, when those have ended (matching.settled).
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import Any

from tricktable.runner.config import schema
from tricktable.runner.config.compose import compose, seeded
from tricktable.runner.config.overrides import Overrides
from tricktable.runner.config.schema import Config
from tricktable.runner.errors import BadInput
from tricktable.runner.papers import recipe as recipes
from tricktable.runner.papers import studies
from tricktable.runner.papers.measured import Change
from tricktable.runner.papers.metrics import COUNTED, unmeasured
from tricktable.runner.papers.recipe import BUDGETS, MODEL_ITSELF, Recipe

FULL = BUDGETS[-1]  # the budget that does what the paper did


@dataclass(frozen=True)
class Point:
    """One run that a table wants: a row's label, a seed, what is typed for it, its config, and the paper's dataset.

    result: the (variant, inference) that is the row's figure. evaluation: what `tricktable evaluate` is given for it;
    nothing where the run has it from its own end. joined: runs whose models join this one's in an ensemble. priors:
    runs that its overrides name, by that name. trials: runs of a grid, of which the best one's `setting` is added.
    precision: where the recipe asks for one, for then a run in another is another row's.
    """

    label: str
    seed: int
    overrides: Overrides
    config: Config
    dataset: str | None = None
    result: tuple[str, str] = MODEL_ITSELF
    evaluation: Overrides = field(default_factory=Overrides)
    joined: tuple["Point", ...] = ()
    priors: Mapping[str, "Point"] = field(default_factory=dict)
    trials: tuple["Point", ...] = ()
    setting: Overrides = field(default_factory=Overrides)
    precision: str | None = None

    @property
    def waits(self) -> bool:
        """Whether other runs have to end before it is known what it is."""
        return bool(self.priors or self.trials)

    @cached_property
    def choices(self) -> str:
        """What its run is found by."""
        return schema.choices_key(self.config)

    @cached_property
    def key(self) -> str:
        """What tells it from other points: its choices, the precision that is asked for, and what it waits for."""
        if not self.waits and self.precision is None:
            return self.choices
        before = [each.key for each in self.before()]
        return schema.digest({"choices": self.choices, "precision": self.precision, "after": before})

    @cached_property
    def images_key(self) -> str | None:
        """What an evaluation on other images is found by; None where it is on the run's own."""
        images = Overrides(self.evaluation.of_groups("data"))
        return schema.images_key(composed(images).data) if images else None

    def before(self) -> tuple["Point", ...]:
        """The points that it waits for."""
        return (*self.priors.values(), *self.trials)

    def needed(self) -> Iterator["Point"]:
        """Every point whose run must have ended for its figure, those that come first before it."""
        for each in self.before():
            yield from each.needed()
        yield self
        for each in self.joined:
            yield from each.needed()


@dataclass(frozen=True)
class TablePlan:
    """A table at a budget: the points of each row that can be run, the runs of its grid, and why others cannot be."""

    recipe: Recipe
    budget: str
    points: Mapping[str, tuple[Point, ...]]
    reasons: Mapping[str, str]
    extra: Overrides
    grids: Mapping[str, tuple[Point, ...]] = field(default_factory=dict)

    @property
    def command(self) -> str:
        """What makes the table, or the rest of it, and shows it."""
        return " ".join(["tricktable table", self.recipe.name, "--run --budget", self.budget, *self.extra])

    def all(self) -> list[Point]:
        """The points that figures are of, row by row."""
        return [point for points in self.points.values() for point in points]

    def first(self) -> "TablePlan":
        """The table with one seed of each row."""
        return replace(self, points={label: points[:1] for label, points in self.points.items()})

    def of(self, labels: Iterable[str]) -> "TablePlan":
        """The table with what these rows want alone."""
        wanted = frozenset(labels)
        points, grids = (
            {label: found for label, found in each.items() if label in wanted} for each in (self.points, self.grids)
        )
        return replace(self, points=points, grids=grids)

    def needed(self) -> list[Point]:
        """Every point whose run must have ended, each once, those that come first before others."""
        trials = (trial for grid in self.grids.values() for trial in grid)
        return distinct(each for point in (*trials, *self.all()) for each in point.needed())

    def baseline(self, seed: int) -> Point | None:
        """The point of this seed that gains are over."""
        points = self.points.get(self.recipe.against or "", ())
        return next((point for point in points if point.seed == seed), None)


def distinct(points: Iterable[Point]) -> list[Point]:
    """One point of each run: rows that are tested on different images may share theirs."""
    return [*{point.key: point for point in reversed([*points])}.values()][::-1]


def study(recipe: Recipe) -> str:
    """The study that a table's runs are made in."""
    return recipe.name.replace("/", ".")


def plan(recipe: Recipe, budget: str, extra: Sequence[str] = ()) -> TablePlan:
    """Every run that a table wants at a budget. `extra`: overrides for all of them (data.path, compute)."""
    points: dict[str, tuple[Point, ...]] = {}
    grids: dict[str, tuple[Point, ...]] = {}
    reasons = {}
    reason = unmeasured(recipe)
    if reason:
        reasons = dict.fromkeys(recipe.table.rows, reason)
    extra = Overrides(extra)
    for label in recipe.table.rows if not reasons else ():
        overrides = typed(recipe, label, budget, extra)
        if isinstance(overrides, str):
            reasons[label] = overrides
        elif recipe.table.metric.name not in COUNTED:
            row = _Row(recipe, label, budget, extra)
            grids[label] = row.trials(overrides)
            points[label] = row.points(overrides, grids[label])
    return TablePlan(recipe, budget, points, reasons, extra, grids)


@dataclass(frozen=True)
class _Row:
    """A row that can be run, at a budget."""

    recipe: Recipe
    label: str
    budget: str
    extra: Overrides

    def points(self, overrides: Overrides, trials: tuple[Point, ...]) -> tuple[Point, ...]:
        """A point for each seed: of an ensemble its first run, which the others join; of a grid that of its winner.

        None where a grid has no winner. The winner's seeds are none that chose it.
        """
        tune = self.recipe.tuned(self.budget) if trials else None
        if tune and not tune.validation:
            return ()
        first, size = tune.seeds if tune else 0, self.recipe.together.get(self.label, 1)
        found = []
        for seed in self.recipe.seeds(self.budget):
            one, *others = (self._point(overrides, first + seed * size + i) for i in range(size))
            found.append(replace(one, joined=tuple(others), trials=trials))
        return tuple(found)

    def _point(self, overrides: Overrides, seed: int) -> Point:
        try:
            config = composed(overrides)
        except BadInput as error:
            raise BadInput(f"{self.recipe.name}, {self.label}: {error}") from None
        typed = Overrides([*overrides, f"seed={seed}"])
        return Point(
            self.label,
            seed,
            typed,
            seeded(config, seed),
            self.recipe.table.rows[self.label].dataset,
            self.recipe.result(self.label),
            self.recipe.evaluation(self.label, self.budget),
            priors=self._priors(overrides, seed),
            precision=self._precision(overrides),
        )

    def _precision(self, overrides: Overrides) -> str | None:
        """That which the recipe asks for; one that was typed with the table is of all rows."""
        asked = None if "compute.precision" in self.extra.keys else overrides.get("compute.precision")
        return None if asked == "auto" else asked

    def _priors(self, overrides: Overrides, seed: int) -> dict[str, Point]:
        """The runs that come first, by how the overrides name them."""
        names = sorted({name for each in overrides for name in self.recipe.named(each)})
        return {f"{recipes.AFTER}{name}": self._prior(name, seed) for name in names}

    def _prior(self, name: str, seed: int) -> Point:
        prior = self.recipe.after[name]
        seed = seed if prior.seed is None else prior.seed
        if prior.row is None:
            found = self._point(_whole(self.recipe.prior(name, self.budget), self.recipe, self.extra), seed)
            return replace(found, label=name)
        other = recipes.load(f"{self.recipe.paper.id}/{prior.table}") if prior.table else self.recipe
        overrides = typed(other, prior.row, self.budget, self.extra)
        if isinstance(overrides, str):
            raise BadInput(f"{self.recipe.name}, {self.label}: after.{name} cannot be run: {overrides}")
        return _Row(other, prior.row, self.budget, self.extra)._point(overrides, seed)

    def trials(self, overrides: Overrides) -> tuple[Point, ...]:
        """The runs of the row's grid: every setting with every seed that it is tried with."""
        tune = self.recipe.tuned(self.budget)
        grid = self.recipe.grid(self.label, self.budget)
        if tune is None or not grid:
            return ()
        held_out = [f"data.validation={tune.validation}"] if tune.validation else []
        found = []
        for values in itertools.product(*grid.values()):
            setting = Overrides(f"{key}={value}" for key, value in zip(grid, values, strict=True))
            for seed in range(tune.seeds):
                point = self._point(overrides.updated([*setting, *held_out]), seed)
                found.append(replace(point, setting=setting))
        return tuple(found)


def typed(recipe: Recipe, label: str, budget: str, extra: Overrides) -> Overrides | str:
    """What is typed for a row but for its seed, the study included; or why it cannot be run."""
    overrides = recipe.overrides(label, budget)
    return overrides if isinstance(overrides, str) else _whole(overrides, recipe, extra)


def _whole(overrides: Overrides, recipe: Recipe, extra: Overrides) -> Overrides:
    return Overrides([*overrides.without(*extra.keys), *extra, f"study={study(recipe)}"])


@lru_cache(maxsize=1024)
def composed(overrides: Overrides) -> Config:
    """A row's config: the same row is asked for by its table, by what it counts, and by its paper's other tables."""
    return compose(overrides)


def changes(plan: TablePlan, label: str) -> tuple[Change, ...]:
    """What the table's budget sets otherwise for a row than the paper's budget does, each with what that one has."""
    here = typed(plan.recipe, label, plan.budget, plan.extra)
    paper = typed(plan.recipe, label, FULL, plan.extra)
    if plan.budget == FULL or isinstance(here, str) or isinstance(paper, str):
        return ()
    full = studies.choices(schema.plain(composed(paper)))
    found = [Change(each.key, each.value, _instead(each.key, paper, full)) for each in here if each not in paper]
    return (*found, *(Change(each.key, None, each.value) for each in paper if each.key not in here.keys))


def _instead(key: str, paper: Overrides, full: Mapping[str, Any]) -> str | None:
    """What the paper's budget has for a key: as it is typed there, else what it comes to; None where it has none."""
    return paper.get(key) or (studies.written(full[key]) if key in full else None)
