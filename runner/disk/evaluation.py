"""A row of evaluations.csv: what a finished run came to when it was evaluated again."""

import typing
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from tricktable.runner.config.typed import convert
from tricktable.runner.disk.summary import Result


@dataclass(frozen=True, kw_only=True)
class Evaluation(Result):
    """A result with the images that it is on, and where it was computed (None: as its run was).

    dataset, copy, complete, archive: as the data source vouches for; of older evaluations nothing is known.
    images_key: schema.images_key of what was typed for them; None where they are the run's own. members: the ids of the
    runs whose models join its own in an ensemble, with spaces between; None where there are none.
    """

    data: str
    fingerprint: str
    dataset: str | None = None
    copy: str | None = None
    complete: bool = False
    archive: str | None = None
    images_key: str | None = None
    members: str | None = None
    device: str | None = None
    precision: str | None = None
    evaluated: str | None = None

    @staticmethod
    def of(row: Mapping[str, Any]) -> "Evaluation":
        """A row that was read. TypeError where it lacks a column, ValueError for a value of another type."""
        known = {name: row[name] for name in Evaluation.__dataclass_fields__ if row.get(name) is not None}
        if "complete" in known:
            known["complete"] = bool(known["complete"])
        return Evaluation(**{name: _typed(name, value) for name, value in known.items()})


def _typed(name: str, value: Any) -> Any:
    try:
        return convert(_hints()[name], value)
    except ValueError:
        raise ValueError(f"{name} is {value!r}"[:100]) from None


@cache
def _hints() -> dict[str, Any]:
    return typing.get_type_hints(Evaluation)
