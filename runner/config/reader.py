"""Plain values, as YAML holds them, as frozen dataclasses: a config's keys, a paper's facts, its recipes.

The type hints say what is read, and a field's metadata (`key`) what they cannot say. A field with a default may be left
out; every other key must be there, and none that is not a field. A class that is more than its keys reads itself, by a
class method `from_plain(where, value)`. What does not fit is BadInput: one line with the place, in dots.
"""

import dataclasses
import difflib
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any, Protocol, TypeVar, Union, runtime_checkable

from tricktable.runner.config.typed import checked, convert, describe
from tricktable.runner.errors import BadInput, suggest

T = TypeVar("T")
UNIONS = (Union, types.UnionType)


@runtime_checkable
class ReadsItself(Protocol):
    """A class that is more than its keys, such as an option with its arguments."""

    def from_plain(self, where: str, value: Any) -> Any:
        """A class method: the object of a plain value, which stands at this place. BadInput where it cannot be one."""


class UnknownKey(BadInput):
    """A key that is no field, with the nearest that is one. `key` has its place, in dots."""

    def __init__(self, where: str, name: str, known: Sequence[str]) -> None:
        self.key, self.nearest = _within(where, name), suggest(name, known)
        super().__init__(f"{where}: unknown key {name}{self.nearest}".removeprefix(": "))


def key(
    *,
    low: float | None = None,
    high: float | None = None,
    above: float | None = None,
    default: Any = dataclasses.MISSING,
    name: str | None = None,
    by: str | None = None,
    rest: bool = False,
    cosmetic: bool = False,
) -> Any:
    """A field with its range, low <= value <= high or value > above, and with how it stands in a file.

    name: the key, where it is not the field's name. by: it is a list there and a mapping here, by this field of its
    items. rest: it takes the keys that are no other field. cosmetic: of a config, a key that cannot change the figures.
    """
    metadata = {"low": low, "high": high, "above": above, "name": name, "by": by, "rest": rest, "cosmetic": cosmetic}
    return dataclasses.field(default=default, metadata=metadata)


@contextmanager
def in_file(name: str) -> Iterator[None]:
    """Whatever is wrong inside is said with this file's name before it."""
    try:
        yield
    except BadInput as error:
        raise BadInput(f"{name}: {error}") from None


def read(cls: type[T], values: Any, where: str = "", **given: Any) -> T:
    """Plain values as this dataclass; `given` are fields that the values do not hold."""
    kind: Any = cls
    fields = {name: field for name, field in _fields(kind).items() if field.name not in given}
    names = [name for name, field in fields.items() if not field.metadata.get("rest")]
    if not isinstance(values, Mapping):
        raise BadInput(f"{where}: expected keys ({', '.join(names)}), got {values!r}".removeprefix(": "))
    rest = {name: value for name, value in values.items() if name not in names}
    taker = next((field for field in fields.values() if field.metadata.get("rest")), None)
    if rest and taker is None:
        raise UnknownKey(where, str(next(iter(rest))), names)
    hints, result = _hints(kind), dict(given)
    for name in names:
        field, place = fields[name], _within(where, name)
        if name in values:
            result[field.name] = _field(place, hints[field.name], values[name], field.metadata)
        elif _required(field):
            raise BadInput(f"{place}: missing")
    if taker is not None:
        result[taker.name] = types.MappingProxyType(rest)
    return cls(**result)


@cache
def _fields(cls: Any) -> Mapping[str, dataclasses.Field[Any]]:
    """A dataclass's fields by their keys in a file."""
    return {field.metadata.get("name") or field.name: field for field in dataclasses.fields(cls)}


@cache
def _hints(cls: Any) -> Mapping[str, Any]:
    """Its types; evaluating them takes longer than reading a row."""
    return typing.get_type_hints(cls)


def _required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _within(where: str, name: object) -> str:
    return f"{where}.{name}" if where else str(name)


def _field(where: str, hint: Any, value: Any, metadata: Mapping[str, Any]) -> Any:
    if metadata.get("by"):
        return _named(where, typing.get_args(hint)[1], value, metadata["by"])
    result = value_of(where, hint, value)
    _in_range(where, result, metadata)
    return result


def value_of(where: str, hint: Any, value: Any) -> Any:
    """A plain value as this type."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if isinstance(hint, ReadsItself):
        return hint.from_plain(where, value)
    if dataclasses.is_dataclass(hint):
        return read(typing.cast("type[Any]", hint), value, where)
    if origin in UNIONS:
        return _one_of(where, hint, value)
    if origin is tuple:
        return _sequence(where, hint, value)
    if origin is Mapping:
        return _mapping(where, arguments[0], arguments[1], value)
    if isinstance(hint, type) and issubclass(hint, str) and hint is not str:
        with in_file(where):
            return hint(checked(where, str, value))
    return checked(where, hint, value)


def _one_of(where: str, hint: Any, value: Any) -> Any:
    """A value of several types: of the one that it has, or that its shape tells; else what `convert` makes of it."""
    parts = typing.get_args(hint)
    if type(value) in parts:
        with suppress(ValueError):
            return convert(type(value), value)
    own = [part for part in parts if isinstance(part, ReadsItself)]
    if own and value is not None:
        return own[0].from_plain(where, value)
    if isinstance(value, Mapping):
        classes = [part for part in parts if dataclasses.is_dataclass(part)]
        mappings = [part for part in parts if typing.get_origin(part) is Mapping]
        fitting = _by_first_key(where, classes, value, strict=not mappings) or mappings
    else:
        fitting = [part for part in parts if typing.get_origin(part) is tuple and isinstance(value, list | tuple)]
    return value_of(where, fitting[0], value) if fitting else checked(where, hint, value)


def _by_first_key(where: str, classes: Sequence[Any], value: Mapping[Any, Any], strict: bool) -> list[Any]:
    """Of several dataclasses the one whose first key without a default is there, or none.

    None is an error if `strict`, and where a key looks like a misspelt one of these: else the value is another mapping.
    """
    first = {next(name for name, field in _fields(each).items() if _required(field)): each for each in classes}
    found = [each for name, each in first.items() if name in value]
    if found:
        return found
    for name, inner in value.items():
        if difflib.get_close_matches(str(name), first, cutoff=0.75) and not isinstance(inner, Mapping):
            raise UnknownKey(where, str(name), list(first))
    if strict:
        raise BadInput(f"{where}: expected one of the keys {', '.join(first)}; there are: {', '.join(map(str, value))}")
    return []


def _sequence(where: str, hint: Any, value: Any) -> Any:
    """A tuple, of any length (`tuple[X, ...]`) or of a given one; of what reads itself, from a mapping of names too."""
    parts = typing.get_args(hint)
    items: Sequence[tuple[str, Any]]
    if isinstance(value, Mapping) and isinstance(parts[0], ReadsItself):
        items = [(_within(where, name), item) for name, item in value.items()]
    elif value is None or isinstance(value, list | tuple):
        items = [(f"{where}[{i}]", item) for i, item in enumerate(value or ())]
    else:
        raise BadInput(f"{where}: expected {describe(hint)}, got {value!r}")
    if parts[-1] is ...:
        parts = (parts[0],) * len(items)
    if len(parts) != len(items):
        raise BadInput(f"{where}: expected {describe(hint)}, got {value!r}")
    return tuple(value_of(place, part, item) for part, (place, item) in zip(parts, items, strict=True))


def _mapping(where: str, name_hint: Any, hint: Any, value: Any) -> Mapping[Any, Any]:
    if not isinstance(value, Mapping | None):
        raise BadInput(f"{where}: expected a mapping, got {value!r}")
    result = {}
    for name, inner in (value or {}).items():
        place = _within(where, name)
        result[checked(f"the key {place}", name_hint, name)] = value_of(place, hint, inner)
    return types.MappingProxyType(result)


def _named(where: str, hint: Any, value: Any, by: str) -> Mapping[str, Any]:
    """A list of dataclasses as a mapping by one field of theirs, which each has once."""
    if not isinstance(value, list | None):
        raise BadInput(f"{where}: expected a list, each with its {by}, got {value!r}")
    result: dict[str, Any] = {}
    for i, item in enumerate(value or ()):
        name = item.get(by) if isinstance(item, Mapping) else None
        place = f"{where}[{i}]" if name is None else _within(where, name)
        each = read(hint, item, place)
        if getattr(each, by) in result:
            raise BadInput(f"{place}: this {by} stands twice")
        result[getattr(each, by)] = each
    return types.MappingProxyType(result)


def _in_range(where: str, value: Any, metadata: Mapping[str, Any]) -> None:
    low, high, above = metadata.get("low"), metadata.get("high"), metadata.get("above")
    if isinstance(value, bool) or not isinstance(value, int | float):
        return
    below = low is not None and value < low
    beyond = high is not None and value > high
    if below or beyond or (above is not None and value <= above):
        bounds = [f"{words} {bound}" for words, bound in _bounds(low, above, high) if bound is not None]
        raise BadInput(f"{where}: expected {describe(type(value))} {' and '.join(bounds)}, got {value}")


def _bounds(low: float | None, above: float | None, high: float | None) -> Sequence[tuple[str, float | None]]:
    return ("at least", low), ("above", above), ("at most", high)
