"""Values from a config against type annotations: the same few types for the schema's keys and the tricks' arguments."""

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from functools import cache
from typing import Any, Literal, Union

from tricktable.runner.errors import BadInput, nearest

LARGEST = 3.4e38  # of a float32, in which figures are trained with

_WORDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    types.NoneType: "null",
}


def describe(hint: Any) -> str:
    """A type in a person's words: «a whole number or null», «keep or drop»."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (Union, types.UnionType):
        return " or ".join(describe(a) for a in arguments)
    if origin is Literal:
        return " or ".join(str(a) for a in arguments)
    if origin is list or (origin is tuple and arguments[-1] is ...):
        return f"a list, each {describe(arguments[0])}"
    if origin is tuple:
        return f"a list of {', '.join(map(describe, arguments))}"
    if origin is Mapping:
        return "a mapping"
    if dataclasses.is_dataclass(hint):
        return f"a mapping of {', '.join(field.name for field in dataclasses.fields(hint))}"
    if isinstance(hint, type) and issubclass(hint, str):
        return _WORDS[str]
    return _WORDS.get(hint, getattr(hint, "__name__", str(hint)))


def convert(hint: Any, value: Any) -> Any:
    """The value as this type, where that loses nothing; ValueError where it does, or where it is another thing."""
    if type(value) is hint and hint is not float:  # most of what is read, and fast: summaries are read by the thousand
        return value
    origin, arguments = _parts(hint)
    if hint is Any:
        return value
    if origin in (Union, types.UnionType):
        for part in arguments:
            try:
                return convert(part, value)
            except ValueError:
                continue
        raise ValueError
    if origin is Literal and isinstance(value, bool) and {"on", "off"} <= set(arguments):
        return "on" if value else "off"  # as YAML 1.1 reads these words
    if origin is Literal and value in arguments and not isinstance(value, bool):
        return value
    if origin is list and isinstance(value, list | tuple):
        return [convert(arguments[0], v) for v in value]
    if hint is float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= LARGEST:
            raise ValueError
        return float(value)
    if hint is int and isinstance(value, float) and value.is_integer():
        return int(value)
    if hint is str and type(value) in (int, float):
        return str(value)
    raise ValueError


@cache
def _parts(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    """A type's origin and arguments; of several types, text is the last: a number stays a number."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    several = origin in (Union, types.UnionType)
    return origin, tuple(sorted(arguments, key=lambda each: each is str)) if several else arguments


def checked(where: str, hint: Any, value: Any) -> Any:
    """The value as this type, or BadInput that names the key and what is allowed."""
    try:
        return convert(hint, value)
    except (ValueError, OverflowError):
        near = nearest(value, _words(hint)) if isinstance(value, str) else ""
        if isinstance(value, int | float) and LARGEST < abs(value) < math.inf:
            near = f", beyond {LARGEST:g}"
        raise BadInput(f"{where}: expected {describe(hint)}, got {value!r}{near}") from None


def _words(hint: Any) -> list[str]:
    """The texts of a Literal, or of those in a union."""
    arguments = typing.get_args(hint)
    if typing.get_origin(hint) is Literal:
        return [each for each in arguments if isinstance(each, str)]
    return [word for each in arguments for word in _words(each)]
