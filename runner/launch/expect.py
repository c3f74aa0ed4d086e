"""`--expect 'test_error<5'`: conditions on a run's summary, for somebody's CI.

A figure is named as summary.json has it (`test_error`, `train_loss`, `updates`, `data.train`), and another result's by
what it is of (`ema.plain.test_error`). `accuracy` is 100 - `error`, and a name without a split is of test.
"""

import operator
import re
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from typing import Any

from tricktable.runner.disk.summary import Result, Summary
from tricktable.runner.errors import BadInput, ExpectationFailed, suggest

_OPERATORS = {"<=": operator.le, ">=": operator.ge, "==": operator.eq, "<": operator.lt, ">": operator.gt}
_OTHERS = re.compile(r"\w+\.\w+\.(\w+)")  # <variant>.<inference>.<figure>


def _numeric(cls: Any, prefix: str = "") -> Iterator[str]:
    """The numbers that a dataclass of summary.json has, in dots."""
    for name, hint in typing.get_type_hints(cls).items():
        union = typing.get_origin(hint) in (typing.Union, types.UnionType)
        if {int, float} & set(typing.get_args(hint) if union else [hint]):
            yield prefix + name
        elif is_dataclass(hint):
            yield from _numeric(hint, f"{prefix}{name}.")


RESULT = tuple(_numeric(Result))
FIGURES = tuple(dict.fromkeys([*RESULT, *_numeric(Summary)]))


@dataclass(frozen=True)
class Expectation:
    """`figure operator bound`, such as test_error < 5 (in percent); the figure as it was typed."""

    figure: str
    sign: str
    bound: float

    def __str__(self) -> str:
        return f"{self.figure}{self.sign}{self.bound:g}"

    def miss(self, summary: Summary) -> str | None:
        """What is said where the summary's figure is missing or does not hold; None where it holds."""
        value = _value(self.figure, summary)
        if value is None:
            return f"expected {self}, got none: the run has not measured it"
        return None if _OPERATORS[self.sign](value, self.bound) else f"expected {self}, got {value:.6g}"


def parse(texts: Sequence[str]) -> tuple[Expectation, ...]:
    """The expectations of the command line; BadInput says what can be expected."""
    return tuple(map(_parse, texts))


def _parse(text: str) -> Expectation:
    match = re.fullmatch(r"\s*([\w.]+)\s*(<=|>=|==|<|>)\s*([-+.\deE]+)\s*", text)
    try:
        bound = float(match[3]) if match else None
    except ValueError:
        bound = None
    if not match or bound is None:
        raise BadInput(f"--expect {text}: expected a figure, one of < <= > >= == and a number, such as test_error<5")
    others = _OTHERS.fullmatch(match[1])
    if _field(others[1] if others else match[1], RESULT if others else FIGURES) is None:
        every = dict.fromkeys(["accuracy", "error", "loss", *FIGURES])
        every |= dict.fromkeys(name.replace("error", "accuracy") for name in every)
        raise BadInput(f"--expect {text}: no figure is called {match[1]}{suggest(match[1], every)}")
    return Expectation(match[1], match[2], bound)


def _field(name: str, known: Sequence[str]) -> str | None:
    """The number of summary.json that a figure is of, such as test_error of accuracy; None where there is none."""
    field = name.replace("accuracy", "error")
    return next((each for each in (field, f"test_{field}") if each in known), None)


def _value(figure: str, summary: Summary) -> float | None:
    """A figure of a summary; None where it has none."""
    values: Mapping[str, Any] = summary.plain()
    *where, name = figure.split(".")
    if _OTHERS.fullmatch(figure):
        found = (each.plain() for each in summary.results if [each.variant, each.inference] == where)
        values, field = next(found, {}), _field(name, RESULT)
    else:
        field = _field(figure, FIGURES)
    assert field is not None, "parse has looked it up"
    for part in field.split("."):
        values = values.get(part) if isinstance(values, Mapping) else None  # type: ignore[assignment]
    value: Any = values
    return None if value is None else float(100 - value if "accuracy" in name else value)


def misses(expectations: Sequence[Expectation], summary: Summary | None, ended: str | None = None) -> list[str]:
    """What is said of expectations that do not hold; `ended`: why a run is not complete, and so holds none."""
    if not expectations:
        return []
    if ended is not None or summary is None:
        return [f"expected {' and '.join(map(str, expectations))}, and the run has no result: {ended or 'no summary'}"]
    return [said for each in expectations if (said := each.miss(summary)) is not None]


def check(expectations: Sequence[Expectation], summary: Summary) -> None:
    """ExpectationFailed, with every miss, where a complete run's figures do not hold."""
    said = misses(expectations, summary)
    if said:
        raise ExpectationFailed(f"{'; '.join(said)} ({summary.id})")
