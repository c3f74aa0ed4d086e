"""What a recording takes for granted: plain values, which it has frozen, and where the tensors lie that it reads.

They are compared before each replay, so that nothing trains on what was: a number that a hook or a trick changes, a
tensor or a module that is replaced by another. What changes in place is read anew by each replay.
"""

import functools
import operator
import types
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

if TYPE_CHECKING:
    from tricktable.runner.training.run import Run

READ = ("model", "loss", "penalty", "augment", "micro_batch")  # of a run, when gradients are computed
_PLAIN = (bool, int, float, complex, str, bytes, types.NoneType)
_TORCHS = vars(nn.Module()).keys() - {
    "training",
    "_parameters",
    "_buffers",
    "_modules",
}  # hooks and the like
_Slot = tuple[str, Mapping[Any, Any], Any]  # a name, and the mapping and the key where what it names is found


class Granted:
    """All of a run that gradients are computed with, as it is now."""

    def __init__(self, run: "Run") -> None:
        slots = list(_slots("", vars(run), vars(run).keys() - READ, set()))
        self.plain = [slot for slot in slots if _is_plain(slot[1][slot[2]])]
        self.others = [slot for slot in slots if not _is_plain(slot[1][slot[2]])]
        self.values = [list(value) if isinstance(value, list) else value for value in _found(self.plain)]
        self.objects = _found(self.others)
        self.tensors = [each for each in self.objects if isinstance(each, Tensor)]
        self.addresses = [tensor.data_ptr() for tensor in self.tensors]

    def changed(self) -> str | None:
        """Return the name of what is another value or object now, or lies elsewhere; None where all is as it was."""
        plain, others = _found(self.plain), _found(self.others)
        if plain != self.values:
            return _first(self.plain, map(operator.eq, plain, self.values))
        if not all(map(operator.is_, others, self.objects)):
            return _first(self.others, map(operator.is_, others, self.objects))
        addresses = [tensor.data_ptr() for tensor in self.tensors]
        return None if addresses == self.addresses else "the memory of a tensor"


def _found(slots: list[_Slot]) -> list[Any]:
    return [mapping.get(key) for _, mapping, key in slots]


def _first(slots: list[_Slot], same: Iterator[bool]) -> str:
    """Return the name of the first that is not the same."""
    return next(name for (name, _, _), as_it_was in zip(slots, same, strict=True) if not as_it_was)


def _slots(where: str, mapping: Mapping[Any, Any], hidden: Collection[Any], seen: set[int]) -> Iterator[_Slot]:
    """Yield what a mapping holds, and what that holds in turn, each once."""
    for key, value in mapping.items():
        if key in hidden:
            continue
        name = where if key in ("_modules", "_parameters", "_buffers") else f"{where}.{key}".removeprefix(".")
        inner = None if _is_plain(value) else _inside(value)
        if inner is None or not isinstance(value, Mapping | list | tuple):
            yield name, mapping, key
        if inner is not None and id(value) not in seen:
            seen.add(id(value))
            yield from _slots(name, inner, _TORCHS if isinstance(value, nn.Module) else (), seen)


def _is_plain(value: Any) -> bool:
    return isinstance(value, _PLAIN) or (isinstance(value, list | tuple) and all(map(_is_plain, value)))


def _inside(value: Any) -> Mapping[Any, Any] | None:
    """Return what can be reached from an object, by name; None where that is nothing that a trick changes."""
    if isinstance(value, Mapping):
        return value
    if isinstance(value, list | tuple):
        return dict(enumerate(value))
    if isinstance(value, functools.partial):
        return value.keywords
    if isinstance(value, Tensor | type | types.FunctionType | types.ModuleType):
        return None
    try:
        return vars(value)
    except TypeError:
        return None
