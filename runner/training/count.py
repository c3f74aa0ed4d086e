"""What a network costs: parameters, multiply-adds (MAdds) and floating-point operations (FLOPs) of one image."""

from dataclasses import dataclass
from itertools import chain

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

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


def count(model: nn.Module, shape: tuple[int, int, int]) -> Count:
    """Count a model on one image C H W, on the meta device: nothing is computed, and the model stays as it is."""
    counter = FlopCounterMode(display=False)
    with counter:
        dry_pass(model, (1, *shape), training=False)
    flops = counter.get_total_flops()
    sizes = [(p.numel(), p.requires_grad) for p in model.parameters()]
    trained = sum(size for size, trains in sizes if trains)
    return Count(sum(size for size, _ in sizes), trained, flops // 2, flops)


@torch.no_grad()
def dry_pass(model: nn.Module, shape: tuple[int, ...], training: bool) -> None:
    """Pass images B C H W through a model on the meta device: nothing is computed, and the model stays as it is.

    ValueError or RuntimeError where it cannot take them.
    """
    tensors = chain(model.named_parameters(), model.named_buffers())  # the state_dict lacks buffers that are not saved
    counters = Counters(model)  # torch reads them back where a normalisation has no momentum
    left = set(map(id, counters.tensors()))
    meta = {k: torch.empty_like(v, device="meta") for k, v in tensors if id(v) not in left}
    before = model.training
    try:
        with counters.tried():
            torch.func.functional_call(model.train(training), meta, (torch.empty(shape, device="meta"),))
    finally:
        model.train(before)
