"""What a network costs: parameters, multiply-adds (MAdds) and floating-point operations (FLOPs) of one image."""

from dataclasses import dataclass
from itertools import chain

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


@dataclass(frozen=True)
class Count:
    """Parameters are counted trainable or not, MAdds of convolutions and matrix products, forward, for one image.

    A MAdd is two FLOPs.
    """

    params: int
    madds: int
    flops: int


def count(model: nn.Module, shape: tuple[int, int, int]) -> Count:
    """Count a model on one image C H W, on the meta device: nothing is computed, and the model stays as it is."""
    tensors = chain(model.named_parameters(), model.named_buffers())  # the state_dict lacks buffers that are not saved
    meta = {k: torch.empty_like(v, device="meta") for k, v in tensors}
    training = model.training
    model.eval()
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        torch.func.functional_call(model, meta, (torch.empty(1, *shape, device="meta"),))
    model.train(training)
    flops = counter.get_total_flops()
    return Count(sum(p.numel() for p in model.parameters()), flops // 2, flops)
