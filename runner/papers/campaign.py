"""Which tables are reproduced in which order, and why: configs/campaign.yaml, and behind it every other there is."""

import fnmatch
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from tricktable.runner.config import CONFIGS, loading, reader
from tricktable.runner.errors import BadInput, suggest
from tricktable.runner.papers import listing, metrics, recipe, several
from tricktable.runner.papers.recipe import Recipe

FILE = "campaign.yaml"
Budget = Literal["smoke", "short", "paper"]


@dataclass(frozen=True)
class Entry:
    """A table that comes before others: at which budgets, which of its rows, and why, in a sentence for strangers.

    rows: globs of labels; none stands for all.
    """

    table: str
    reason: str
    rows: tuple[str, ...] = ()
    budgets: tuple[Budget, ...] = ("paper",)


@dataclass(frozen=True)
class Campaign:
    """The file. rates: multiply-adds a second, forward and backward, by device: what predicted hours go by."""

    rates: Mapping[str, float]
    tables: tuple[Entry, ...]


@dataclass(frozen=True)
class Step:
    """Rows of a table at a budget, whose turn has come, and why. rows: their labels; part: whether there are others."""

    table: str
    budget: str
    reason: str
    rows: tuple[str, ...]
    part: bool

    def __str__(self) -> str:
        """As it is named in lines: `he2016_resnet/table6, 2 of its rows, budget paper`."""
        rows = f", {len(self.rows)} of its rows" if self.part else ""
        return f"{self.table}{rows}, budget {self.budget}"


def load() -> Campaign:
    """The file; BadInput where it names tables or rows that are not there, or a whole table twice."""
    with reader.in_file(f"configs/{FILE}"):
        read = reader.read(Campaign, loading.load(CONFIGS / FILE))
        seen: set[str] = set()
        for each in read.tables:
            if each.table not in recipe.names():
                raise BadInput(f"tables: no table is called {each.table}{suggest(each.table, recipe.names())}")
            for glob in each.rows:
                if not _labels(each.table, (glob,)):
                    raise BadInput(f"tables: {each.table} has no row like {glob}")
            if each.table in seen and not each.rows:
                raise BadInput(f"tables: {each.table} stands twice")
            seen.add(each.table)
    return read


def _labels(table: str, globs: tuple[str, ...]) -> tuple[str, ...]:
    """The rows of a table that globs stand for."""
    rows = recipe.load(table).table.rows
    return tuple(label for label in rows if any(fnmatch.fnmatchcase(label, each) for each in globs or "*"))


def steps(campaign: Campaign, budget: str | None = None) -> list[Step]:
    """What is to be done, in order; a budget that is given stands for those of the file."""
    found = []
    for each in _entries(campaign):
        rows = _labels(each.table, each.rows)
        part = len(rows) < len(recipe.load(each.table).table.rows)
        found += [Step(each.table, at, each.reason, rows, part) for at in ([budget] if budget else each.budgets)]
    return found


def _entries(campaign: Campaign) -> Iterator[Entry]:
    """Those of the file, then every other table, and those of which it names a part."""
    yield from campaign.tables
    first, about = {each.table for each in campaign.tables if not each.rows}, dict(recipe.listing())
    for name in several.names(several.ALL):
        loaded = recipe.load(name)
        if name not in first and trained(loaded):
            yield Entry(name, f"It decides {_claims(loaded)}: {about[name]}.")


def trained(loaded: Recipe) -> bool:
    """Whether a row of a table can be run here, and training decides what its figure is."""
    return loaded.table.metric.name not in metrics.COUNTED and len(listing.barred(loaded)) < len(loaded.table.rows)


def _claims(loaded: Recipe) -> str:
    """How many claims of which paper a table is for."""
    number = sum(claim.table == loaded.table.id for claim in loaded.paper.claims.values())
    title = loaded.paper.about.title
    return f"{number} claim{'' if number == 1 else 's'} of {title}" if number else f"no claim of {title}"
