"""A paper's facts, configs/paper/<id>.yaml: its tables, claims and static facts, each with its confidence.

The classes here are the format, and docs/papers.md explains it; runner/config/reader.py reads them, and refuses what is
not said here. `load` checks what types cannot say.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

from tricktable.runner.config import CONFIGS, loading, reader, roots
from tricktable.runner.config.reader import key
from tricktable.runner.errors import BadInput, suggest

PAPERS = CONFIGS / "paper"
Confidence = Literal["summary", "verified", "derived", "memory"]
Kind = Literal["less_than", "equal_within", "ratio", "qualitative"]
Unit = Literal[
    "percent", "percentage_points", "fraction", "count", "million", "megabytes", "seconds", "minutes", "hours",
    "bleu_points",
]  # fmt: skip
Split = Literal["test", "validation", "train", "none", "unknown"]
Selection = Literal["last", "best", "best_validation", "median_last_5", "median_last_10", "unknown"]
Aggregate = Literal["single", "mean", "median", "unknown"]
SpreadKind = Literal["sd", "se", "ci95", "two_sd", "range", "unknown"]

# The numbers that a claim of each kind must have; a qualitative one may keep a figure of its source.
NUMBERS: Mapping[Kind, frozenset[str]] = {
    "less_than": frozenset({"margin"}),
    "equal_within": frozenset({"tolerance"}),
    "ratio": frozenset({"tolerance", "expected"}),
}


# What runs measure besides the table's figure, and papers show in curves: of the last epoch, and the first epoch whose
# test figure reaches the claim's target.
CURVES = ("train_error", "train_loss", "epochs_to_target")
GRIDS = ("grid_best", "grid_median", "grid_range")  # of a row's figures over all settings of its grid, by seed


@dataclass(frozen=True)
class Metric:
    """What a table's values are: top1_error, top1_accuracy ..., their unit, and whether lower or higher is better."""

    name: str
    unit: Unit
    better: Literal["lower", "higher"]
    split: Split


@dataclass(frozen=True)
class PaperRow:
    """One row of a paper's table; None where the paper does not say.

    params, madds, updates: plain counts. extra: other figures of the row, one number each. secondary: read in a third
    party's summary. aggregate: over repeats, where the table's rows differ in it. approximate: read off a plot.
    """

    label: str
    model: str | None
    dataset: str | None
    changes: Mapping[str, Any]
    value: float | None
    spread: float | None
    spread_kind: SpreadKind | None
    n: int | None = key(low=1)
    params: int | None = key(low=0)
    madds: int | None = key(low=0)
    updates: int | None = key(low=0)
    confidence: Confidence = key()
    secondary: bool = False
    extra: Mapping[str, int | float] = field(default_factory=dict)
    updates_relation: Literal["approx", "upper_bound"] | None = None
    note: str | None = None
    aggregate: Aggregate | None = None
    params_printed: str | None = None
    spread_confidence: Confidence | None = None
    copied_from: str | None = None
    approximate: bool = False
    basis: str | None = None

    @property
    def mark(self) -> str:
        """Beside a value in a table: † from memory, ‡ from a third party's summary."""
        return ("†" if self.confidence == "memory" else "") + ("‡" if self.secondary else "")

    def told(self, name: str) -> str | None:
        """Its model, its dataset or one of its changes, as text; None where it has none."""
        value = {"model": self.model, "dataset": self.dataset, **self.changes}.get(name)
        return None if value is None else str(value)

    def field(self, name: str) -> float | None:
        """A claim's field of this row: value, updates, params, madds or extra.<name>; None of what runs alone show."""
        if name in (*CURVES, *GRIDS):
            return None
        found = self.extra.get(name.removeprefix("extra.")) if name.startswith("extra.") else getattr(self, name)
        return None if found is None else float(found)


@dataclass(frozen=True)
class Table:
    """A table of a paper, or figures from its text. `selection`: which epoch is reported."""

    id: str
    caption: str
    metric: Metric
    selection: Selection
    rows: Mapping[str, PaperRow] = key(by="label")
    aggregate: Aggregate | None = None
    note: str | None = None


@dataclass(frozen=True)
class _BestOf:
    best_of: tuple[str, ...]


class Side(tuple[str, ...]):
    """One side of a claim: a row's label, or several for the best of them."""

    __slots__ = ()

    @classmethod
    def from_plain(cls, where: str, value: Any) -> "Side":
        """From a label, or from `{best_of: [labels]}`."""
        if isinstance(value, Mapping):
            return cls(reader.read(_BestOf, value, where).best_of)
        return cls([reader.value_of(where, str, value)])


@dataclass(frozen=True)
class Claim:
    """What a paper says of rows.

    less_than: left + margin <= right. equal_within: |left - right| <= tolerance. ratio: |left / right - expected| <=
    tolerance. qualitative: no row decides it. inconsistent: it does not hold of the paper's own figures. unprinted: the
    paper shows it in a plot, and prints no value of these rows. target: of epochs_to_target, in the table's metric.
    """

    id: str
    statement: str
    kind: Kind
    table: str | None
    left: Side
    right: Side
    field: str | None
    confidence: Confidence
    margin: float = key(low=0, default=0.0)
    tolerance: float = key(low=0, default=0.0)
    expected: float = 1.0
    note: str | None = None
    inconsistent: bool = False
    unprinted: bool = False
    target: float | None = None


@dataclass(frozen=True)
class Static:
    """A fact that needs no training. Its confidence is None where the source of it was not stated."""

    id: str
    what: str
    value: Any
    unit: str | None
    confidence: Confidence | None
    basis: str | None
    details: Any = None
    note: str | None = None


@dataclass(frozen=True)
class About:
    """Which paper it is. companion: a second one whose facts stand in the same file."""

    title: str
    authors: tuple[str, ...]
    year: int
    venue: str | None
    arxiv: str | None
    companion: "About | None" = None


@dataclass(frozen=True, kw_only=True)
class Paper:
    """All that is known of a paper. setup: its hyper-parameters, free in form. sources: where all this was read."""

    schema: Literal[2]
    id: str
    about: About = key(name="paper")
    setup: Mapping[str, Any]
    tables: Mapping[str, Table] = key(by="id")
    claims: Mapping[str, Claim] = key(by="id")
    statics: Mapping[str, Static] = key(name="static", by="id")
    notes: tuple[str, ...]
    sources: tuple[str, ...]


@cache
def papers() -> tuple[str, ...]:
    """The ids of all papers."""
    return tuple(sorted(path.stem for folder in _folders() for path in folder.glob("*.yaml")))


def _folders() -> Iterator[Path]:
    """The package's, then those of one's own."""
    yield from (PAPERS, *(root.configs / "paper" for root in roots.own()))


@cache
def load(paper: str) -> Paper:
    """A paper's facts, by its id or arXiv number; BadInput where there is none, or its file is not as it should be."""
    if paper not in papers():
        if re.fullmatch(r"(arXiv:)?\d{4}\.\d{4,5}", paper, re.IGNORECASE):
            found = [each for each in papers() if load(each).about.arxiv == paper.rpartition(":")[2]]
            if found:
                return load(found[0])
        raise BadInput(f"no paper is called {paper}{suggest(paper, papers())}")
    with reader.in_file(f"configs/paper/{paper}.yaml"):
        file = f"{paper}.yaml"
        values = loading.load(next(folder / file for folder in _folders() if (folder / file).is_file()))
        read = reader.read(Paper, values)
        if read.id != paper:
            raise BadInput(f"id: expected the file's name, {paper}, got {read.id}")
        for claim, raw in zip(read.claims.values(), values["claims"], strict=True):
            _check(claim, frozenset(raw), read.tables)
    return read


def _check(claim: Claim, keys: frozenset[str], tables: Mapping[str, Table]) -> None:
    """A claim has the numbers of its kind, and names rows of its table and a field of theirs."""
    where, numbers = f"claims.{claim.id}", frozenset({"margin", "tolerance", "expected"})
    if claim.kind == "qualitative":
        if claim.note is None:
            raise BadInput(f"{where}.note: missing; it says why no row decides this")
        return
    if keys & numbers != NUMBERS[claim.kind]:
        raise BadInput(f"{where}: {claim.kind} has {' and '.join(sorted(NUMBERS[claim.kind]))}, and no other number")
    if claim.table is None or claim.table not in tables:
        raise BadInput(f"{where}.table: there is no {claim.table}{suggest(str(claim.table), tables)}")
    rows = tables[claim.table].rows
    for label in (*claim.left, *claim.right):
        if label not in rows:
            raise BadInput(f"{where}: {claim.table} has no row {label}{suggest(label, rows)}")
    if (claim.target is None) == (claim.field == "epochs_to_target"):
        raise BadInput(f"{where}.target: epochs_to_target has one, and no other field")
    known = (
        "value",
        "updates",
        "params",
        "madds",
        *CURVES,
        *GRIDS,
        *(f"extra.{name}" for row in rows.values() for name in row.extra),
    )
    if claim.field not in known:
        raise BadInput(f"{where}.field: there is no {claim.field}{suggest(str(claim.field), known)}")
