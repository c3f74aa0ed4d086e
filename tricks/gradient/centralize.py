"""Gradient centralization: each filter's gradient gets mean zero. Yong et al. 2020, arXiv:2004.01461, equation 1.

    dL/dw_i <- dL/dw_i - mean(dL/dw_i)        for each filter w_i: a convolution's output channel, a matrix's row

What the optimizer then adds to the gradient (a coupled decay, its momentum) is not centred.

Differs from the paper: filters of one element are left; centred, they would stand still (weight norm's g).
"""

from collections.abc import Iterable

import torch
from torch import nn


@torch.no_grad()
def centralize(parameters: Iterable[nn.Parameter], *, linear: bool = True) -> None:
    """Centre the gradients of weights in place; biases and normalisation parameters have no filters, and are left.

    linear: whether matrices of fully connected layers are centred too, or convolutions alone.
    """
    gradients = [p.grad for p in parameters if p.grad is not None]
    assert gradients, "no gradients: backward comes first"
    for gradient in gradients:
        if gradient.ndim >= (2 if linear else 3) and gradient[0].numel() > 1:
            gradient.sub_(gradient.mean(dim=tuple(range(1, gradient.ndim)), keepdim=True))
