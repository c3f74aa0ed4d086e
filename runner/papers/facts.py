"""A paper's facts, configs/paper/<id>.yaml: its tables, claims and static facts, each with its confidence.

The schema stands in docs/papers.md. `load` is strict: what the file says is what the tables show.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, cast, get_args

import yaml

from runner.config.compose import CONFIGS
from runner.errors import BadInput, suggest

PAPERS = CONFIGS / "paper"
Confidence = Literal["seed", "verified", "derived", "memory"]
Kind = Literal["less_than", "equal_within", "ratio", "qualitative"]


@dataclass(frozen=True)
class Metric:
    """What a table's values are: top1_error, top1_accuracy ..., their unit, and whether lower or higher is better."""

    name: str
    unit: str
    better: Literal["lower", "higher"]
    split: str


@dataclass(frozen=True)
class PaperRow:
    """One row of a paper's table; None where the paper does not say."""

    label: str
    model: str | None
    dataset: str | None
    changes: Mapping[str, Any]
    value: float | None
    spread: float | None
    spread_kind: str | None
    n: int | None
    params: int | None
    madds: int | None
    updates: int | None
    confidence: Confidence
    secondary: bool
    extra: Mapping[str, Any]
    updates_relation: str | None = None
    note: str | None = None

    @property
    def mark(self) -> str:
        """Beside a value in a table: † from memory, ‡ from a third party's summary."""
        return ("†" if self.confidence == "memory" else "") + ("‡" if self.secondary else "")

    def field(self, name: str) -> float | None:
        """A claim's field of this row: value, updates, params, madds or extra.<name>."""
        found = self.extra.get(name.removeprefix("extra.")) if name.startswith("extra.") else getattr(self, name)
        return None if found is None else float(found)


@dataclass(frozen=True)
class Table:
    """A table of a paper, or figures from its text. `selection`: which epoch is reported."""

    id: str
    caption: str
    metric: Metric
    selection: str
    rows: Mapping[str, PaperRow]


@dataclass(frozen=True)
class Claim:
    """What a paper says of rows. A side is one row's label, or several for the best of them.

    less_than: left + margin <= right. equal_within: |left - right| <= tolerance. ratio: |left / right - expected| <=
    tolerance. qualitative: no row decides it.
    """

    id: str
    statement: str
    kind: Kind
    table: str | None
    left: tuple[str, ...]
    right: tuple[str, ...]
    field: str | None
    margin: float
    tolerance: float
    expected: float
    confidence: Confidence
    note: str | None


@dataclass(frozen=True)
class Static:
    """A fact that needs no training."""

    id: str
    what: str
    value: Any
    unit: str | None
    confidence: Confidence | None
    basis: str | None


@dataclass(frozen=True)
class Paper:
    """All that is known of a paper."""

    id: str
    title: str
    authors: tuple[str, ...]
    year: int
    venue: str | None
    arxiv: str | None
    tables: Mapping[str, Table]
    claims: Mapping[str, Claim]
    statics: Mapping[str, Static]
    notes: tuple[str, ...]


@cache
def papers() -> tuple[str, ...]:
    """The ids of all papers."""
    return tuple(sorted(path.stem for path in PAPERS.glob("*.yaml")))


@cache
def load(paper: str) -> Paper:
    """A paper's facts; BadInput where there is no such paper, or its file is not as docs/papers.md says."""
    if paper not in papers():
        raise BadInput(f"no paper is called {paper}{suggest(paper, papers())}")
    values = yaml.safe_load((PAPERS / f"{paper}.yaml").read_text(encoding="utf-8"))
    try:
        return _paper(paper, values)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadInput(f"configs/paper/{paper}.yaml: {type(error).__name__}: {error}") from None


def _paper(name: str, values: Mapping[str, Any]) -> Paper:
    _check(values["schema"] == 2 and values["id"] == name, f"schema 2 and id {name}")
    about = values["paper"]
    tables = {t["id"]: _table(t) for t in values["tables"]}
    _check(len(tables) == len(values["tables"]), "each table's id once")
    claims = {c["id"]: _claim(c, tables) for c in values["claims"]}
    _check(len(claims) == len(values["claims"]), "each claim's id once")
    return Paper(
        id=name,
        title=about["title"],
        authors=tuple(about["authors"]),
        year=about["year"],
        venue=about["venue"],
        arxiv=about["arxiv"],
        tables=tables,
        claims=claims,
        statics={s["id"]: _static(s) for s in values["static"]},
        notes=tuple(values["notes"]),
    )


def _table(values: Mapping[str, Any]) -> Table:
    metric = Metric(**values["metric"])
    _check(metric.better in ("lower", "higher"), f"{values['id']}: metric.better lower or higher")
    rows = {r["label"]: _row(values["id"], r) for r in values["rows"]}
    _check(len(rows) == len(values["rows"]), f"{values['id']}: each label once")
    return Table(values["id"], values["caption"], metric, values["selection"], rows)


def _row(table: str, values: Mapping[str, Any]) -> PaperRow:
    where = f"{table}.{values['label']}"
    numbers = [values[key] for key in ("value", "spread", "n", "params", "madds", "updates")]
    _check(
        all(v is None or (isinstance(v, int | float) and math.isfinite(v)) for v in numbers), f"{where}: finite numbers"
    )
    return PaperRow(
        **{key: values[key] for key in ("label", "model", "dataset", "value", "spread", "spread_kind", "n")},
        **{key: values[key] for key in ("params", "madds", "updates")},
        changes=dict(values["changes"] or {}),
        confidence=_confidence(where, values["confidence"]),
        secondary=bool(values.get("secondary", False)),
        extra=dict(values.get("extra") or {}),
        updates_relation=values.get("updates_relation"),
        note=values.get("note"),
    )


def _claim(values: Mapping[str, Any], tables: Mapping[str, Table]) -> Claim:
    where, kind = f"claims.{values['id']}", values["kind"]
    _check(kind in get_args(Kind), f"{where}: kind one of {', '.join(get_args(Kind))}")
    sides = {side: _side(values[side]) for side in ("left", "right")}
    if kind != "qualitative":
        _check(values["table"] in tables, f"{where}: a table of this paper")
        unknown = [label for side in sides.values() for label in side if label not in tables[values["table"]].rows]
        _check(not unknown, f"{where}: rows of {values['table']}, and not {', '.join(unknown)}")
    return Claim(
        id=values["id"],
        statement=values["statement"],
        kind=kind,
        table=values["table"],
        field=values["field"],
        margin=float(values.get("margin") or 0.0),
        tolerance=float(values.get("tolerance") or 0.0),
        expected=float(values.get("expected") or 1.0),
        confidence=_confidence(where, values["confidence"]),
        note=values.get("note"),
        **sides,
    )


def _side(value: Any) -> tuple[str, ...]:
    return tuple(value["best_of"]) if isinstance(value, dict) else (str(value),)


def _static(values: Mapping[str, Any]) -> Static:
    confidence = values["confidence"]
    given = None if confidence is None else _confidence(f"static.{values['id']}", confidence)
    return Static(values["id"], values["what"], values["value"], values["unit"], given, values["basis"])


def _confidence(where: str, value: Any) -> Confidence:
    _check(value in get_args(Confidence), f"{where}: confidence one of {', '.join(get_args(Confidence))}")
    return cast("Confidence", value)


def _check(holds: bool, what: str) -> None:
    if not holds:
        raise ValueError(f"expected {what}")
