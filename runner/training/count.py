"""What a network costs: parameters, multiply-adds (MAdds) and floating-point operations (FLOPs) of one image.

torch's own counter does the same; using it, as any pass on the meta device, imports torch's compiler, which takes as
long as importing torch. So a network that lies in memory is counted there.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from tricktable.runner.training.counters import Counters


@dataclass(frozen=True)
class Count:
    """Parameters are counted trainable or not, MAdds of convolutions and matrix products, forward, for one image.

    `trained` are the parameters that are trainable. A MAdd is two FLOPs.
    """

    params: int
    trained: int
    madds: int
    flops: int


def count(model: nn.Module, shape: tuple[int, int, int], device: str | None = None) -> Count:
    """Count a model on one blank image C H W, where the model lies or on another device; it stays as it is."""
    counter = _Counter()
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # it would hide an attention's products
    try:
        with counter:
            dry_pass(model, (1, *shape), training=False, device=device)
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
    sizes = [(p.numel(), p.requires_grad) for p in model.parameters()]
    trained = sum(size for size, trains in sizes if trains)
    return Count(sum(size for size, _ in sizes), trained, counter.madds, 2 * counter.madds)


@torch.no_grad()
def dry_pass(model: nn.Module, shape: tuple[int, ...], training: bool, device: str | None = None) -> None:
    """Pass blank images B C H W through a model, which stays as it is; on the meta device nothing is computed.

    device: by default that on which its parameters are. ValueError or RuntimeError where it cannot take them.
    """
    counters = Counters(model)  # torch reads them back where a normalisation has no momentum
    left = set(map(id, counters.tensors()))
    parameters = dict(model.named_parameters())
    buffers = {name: buffer for name, buffer in model.named_buffers() if id(buffer) not in left}
    if device is None:
        device = next((str(each.device) for each in parameters.values()), "cpu")
        state = {name: buffer.clone() for name, buffer in buffers.items()}
    else:
        there = {**parameters, **buffers}.items()
        state = {name: torch.zeros(each.shape, dtype=each.dtype, device=device) for name, each in there}
    before = model.training
    try:
        with counters.tried(), torch.random.fork_rng(devices=[]):  # what the pass draws is not missed elsewhere
            images = torch.zeros(shape, device=device)
            torch.func.functional_call(model.train(training), state, (images,))
    finally:
        model.train(before)


class _Counter(TorchDispatchMode):
    """Adds up the MAdds of what passes: `madds`."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # torch would wrap __torch_dispatch__ so that its first call imports the compiler

    def __init__(self) -> None:
        super().__init__()
        self.madds = 0

    def __torch_dispatch__(
        self, function: Any, types: Any, arguments: Sequence[Any] = (), named: Mapping[str, Any] | None = None
    ) -> Any:
        rule = _MADDS.get(function.overloadpacket.__name__)
        blank = _BLANK[rule](arguments) if rule in _BLANK else None
        result = function(*arguments, **(named or {})) if blank is None else blank
        if rule is not None:
            self.madds += rule(arguments, result)
        return result


def _of_convolution(arguments: Sequence[Any], result: Any) -> int:
    """Each pixel of the result, or of a transposed one's input, meets the whole filter."""
    images, weight, transposed = arguments[0], arguments[1], arguments[6]
    pixels = images if transposed else result
    return int(len(images) * math.prod(pixels.shape[2:]) * weight.numel())


def _of_product(arguments: Sequence[Any], result: Any) -> int:
    """[b x] n k and [b x] k m."""
    first, second = arguments[:2]
    return int(first.numel() * second.shape[-1])


def _of_sum_and_product(arguments: Sequence[Any], result: Any) -> int:
    return _of_product(arguments[1:], result)


def _of_attention(arguments: Sequence[Any], result: Any) -> int:
    """Queries by keys, then the weights by values: ... n d, ... m d, ... m e."""
    query, key, value = arguments[:3]
    return query.numel() * key.shape[-2] + query.numel() // query.shape[-1] * key.shape[-2] * value.shape[-1]


def _convolved(arguments: Sequence[Any]) -> Tensor | None:
    images, weight, _, stride, padding, dilation, transposed, more, groups = arguments
    sides = []
    for side, kernel, s, p, d, m in zip(
        images.shape[2:], weight.shape[2:], stride, padding, dilation, more, strict=True
    ):
        reach = d * (kernel - 1)
        sides.append((side - 1) * s - 2 * p + reach + m + 1 if transposed else (side + 2 * p - reach - 1) // s + 1)
    taken, made = len(weight), weight.shape[1] * groups
    if not transposed:
        taken, made = made, taken
    fits = images.shape[1] == taken and min(sides) > 0
    return images.new_zeros(len(images), made, *sides) if fits else None


def _multiplied(first: Tensor, second: Tensor) -> Tensor | None:
    fits = first.shape[-1] == second.shape[-2]
    return first.new_zeros(*first.shape[:-1], second.shape[-1]) if fits else None


_MADDS: dict[str, Callable[[Sequence[Any], Any], int]] = {  # by torch's names of what it dispatches
    "convolution": _of_convolution,
    **dict.fromkeys(("mm", "bmm"), _of_product),
    **dict.fromkeys(("addmm", "baddbmm"), _of_sum_and_product),
    **dict.fromkeys(
        (
            "_scaled_dot_product_flash_attention_for_cpu",
            "_scaled_dot_product_flash_attention",
            "_scaled_dot_product_efficient_attention",
            "_scaled_dot_product_cudnn_attention",
        ),
        _of_attention,
    ),
}

# What takes nearly all of a pass, and need not be computed: a blank result of its shape, or None where the shapes
# do not fit, which torch then says in its words.
_BLANK: dict[Callable[[Sequence[Any], Any], int] | None, Callable[[Sequence[Any]], Tensor | None]] = {
    _of_convolution: _convolved,
    _of_product: lambda arguments: _multiplied(*arguments[:2]),
    _of_sum_and_product: lambda arguments: _multiplied(*arguments[1:3]),
}
