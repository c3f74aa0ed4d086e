"""Which tables are reproduced in which order, and why: configs/campaign.yaml, and behind it every other there is."""

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
    """A table that comes before others: at which budgets, and why, in a sentence for strangers."""

    table: str
    reason: str
    budgets: tuple[Budget, ...] = ("paper",)


@dataclass(frozen=True)
class Campaign:
    """The file. rates: multiply-adds a second, forward and backward, by device: what predicted hours go by."""

    rates: Mapping[str, float]
    tables: tuple[Entry, ...]


@dataclass(frozen=True)
class Step:
    """A table at a budget, whose turn has come, and why."""

    table: str
    budget: str
    reason: str

    def __str__(self) -> str:
        """As it is named in lines: `he2016_resnet/table6, budget paper`."""
        return f"{self.table}, budget {self.budget}"


def load() -> Campaign:
    """The file; BadInput where it names a table that is not there, or one twice."""
    with reader.in_file(f"configs/{FILE}"):
        read = reader.read(Campaign, loading.load(CONFIGS / FILE))
        seen: set[str] = set()
        for each in read.tables:
            if each.table not in recipe.names():
                raise BadInput(f"tables: no table is called {each.table}{suggest(each.table, recipe.names())}")
            if each.table in seen:
                raise BadInput(f"tables: {each.table} stands twice")
            seen.add(each.table)
    return read


def steps(campaign: Campaign, budget: str | None = None) -> list[Step]:
    """What is to be done, in order; a budget that is given stands for those of the file."""
    return [
        Step(each.table, at, each.reason)
        for each in _entries(campaign)
        for at in ([budget] if budget else each.budgets)
    ]


def _entries(campaign: Campaign) -> Iterator[Entry]:
    yield from campaign.tables
    first = {each.table for each in campaign.tables}
    for name in several.names(several.ALL):
        loaded = recipe.load(name)
        if name not in first and trained(loaded):
            yield Entry(name, _by_claims(loaded))


def trained(loaded: Recipe) -> bool:
    """Whether a row of a table can be run here, and training decides what its figure is."""
    return loaded.table.metric.name not in metrics.COUNTED and len(listing.barred(loaded)) < len(loaded.table.rows)


def _by_claims(loaded: Recipe) -> str:
    """Why a table that the file does not name has the place that it has."""
    number = sum(claim.table == loaded.table.id for claim in loaded.paper.claims.values())
    title = loaded.paper.about.title.removesuffix(".")
    return f"{number} claim{'' if number == 1 else 's'} of {title}: {loaded.table.caption.removesuffix('.')}."
