"""A recording on the CPU: what a CUDA graph is on a GPU, for tests on machines without one.

A graph keeps kernels with the addresses and the numbers that they were launched with; a tape keeps the calls that
torch dispatches, with their tensors and their numbers. It refuses what a graph cannot have: that a value is read back,
or that a shape depends on values.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

T = TypeVar("T")
_INDEXED = {
    torch.ops.aten.index.Tensor,
    torch.ops.aten.index_put.default,
    torch.ops.aten.index_put_.default,
    torch.ops.aten._index_put_impl_.default,
}


class Refused(RuntimeError):
    """What was called cannot be recorded."""


class Tape(TorchDispatchMode):
    """The calls of one pass: made again, they write the same memory."""

    def __init__(self) -> None:
        super().__init__()
        # each with its arguments, and of what it returns that is new memory: the number and the tensor
        self.calls: list[tuple[Callable[..., Any], Sequence[Any], Mapping[str, Any], list[tuple[int, Tensor]]]] = []

    def record(self, body: Callable[[], T]) -> T:
        """Call the body and remember what it does. Refused, half done, where that cannot be recorded."""
        with self:
            return body()

    def replay(self) -> None:
        """Do again what was recorded, on what lies in the same memory now."""
        with torch.no_grad():
            for function, arguments, named, made in self.calls:
                again = tree_leaves(function(*arguments, **named))
                for number, tensor in made:
                    tensor.copy_(again[number])

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Call, and remember the call unless it only looks at memory in another way (a view)."""
        named = kwargs or {}
        _refuse(func, args)
        result = func(*args, **named)
        given = {tensor.untyped_storage().data_ptr() for tensor in _tensors((args, named))}
        leaves = enumerate(tree_leaves(result))
        made = [(i, t) for i, t in leaves if isinstance(t, Tensor) and t.untyped_storage().data_ptr() not in given]
        if made or func._schema.is_mutable:
            self.calls.append((func, args, named, made))
        return result


def _tensors(tree: Any) -> Iterator[Tensor]:
    return (each for each in tree_leaves(tree) if isinstance(each, Tensor))


def _refuse(func: Any, args: Sequence[Any]) -> None:
    if torch.Tag.data_dependent_output in func.tags:
        raise Refused(f"{func} reads a value back")
    if func in _INDEXED:
        depends = any(index.dtype in (torch.bool, torch.uint8) for index in _tensors(args[1]))
    else:
        depends = torch.Tag.dynamic_output_shape in func.tags
    if depends:
        raise Refused(f"the shape of {func} depends on values")
