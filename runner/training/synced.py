"""Batch normalisation over a batch that several processes share: its statistics are those of all images of it.

    y = gamma (x - mu) / sqrt(sigma^2 + eps) + beta
    mu = sum x / n,   then   sigma^2 = sum (x - mu)^2 / n,    both sums over the whole batch, in whatever process

Two passes, because sum x^2 / n - mu^2 loses the digits of a small variance beside a large mean. torch's SyncBatchNorm
needs GPUs.
"""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


class _Sum(torch.autograd.Function):
    """The sum of a tensor over the processes. Its gradient is the sum of theirs: each loss depends on each of them."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        total = x.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        total = gradient.contiguous().clone()
        dist.all_reduce(total)
        return total


class Synced(_BatchNorm):
    """What a batch normalisation of torch's becomes (`synchronise`): it keeps its parameters, buffers and arguments."""

    def forward(self, x: Tensor) -> Tensor:
        """B C ... -> the same. As torch's own in evaluation."""
        if not self.training:
            return super().forward(x)
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        rest = [0, *range(2, x.ndim)]  # all dimensions but the channels
        shape = [1, -1, *[1] * (x.ndim - 2)]
        images = wide.new_full((1,), x.numel() // x.shape[1])
        sums = _Sum.apply(torch.cat((wide.sum(rest), images)))
        n = sums[-1].detach()
        mean = sums[:-1] / n
        centred = wide - mean.view(shape)
        var = _Sum.apply(centred.square().sum(rest)) / n
        self._move(mean, var, n)
        out = centred * (var + self.eps).rsqrt().view(shape)
        if self.weight is not None:
            out = torch.addcmul(self.bias.view(shape), out, self.weight.view(shape))
        return out.to(x.dtype)

    @torch.no_grad()
    def _move(self, mean: Tensor, var: Tensor, n: Tensor) -> None:
        """Running averages towards the batch's mean and unbiased variance, as torch moves them."""
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked.add_(1)  # which counters.py does for all layers at once
        momentum = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean += momentum * (mean - self.running_mean)
        self.running_var += momentum * (var * (n / (n - 1)) - self.running_var)


class SyncedBatchNorm1d(Synced, nn.BatchNorm1d):
    """B C or B C L."""


class SyncedBatchNorm2d(Synced, nn.BatchNorm2d):
    """B C H W."""


class SyncedBatchNorm3d(Synced, nn.BatchNorm3d):
    """B C D H W."""


SYNCED: dict[type[nn.Module], type[Synced]] = {
    nn.BatchNorm1d: SyncedBatchNorm1d,
    nn.BatchNorm2d: SyncedBatchNorm2d,
    nn.BatchNorm3d: SyncedBatchNorm3d,
}


def synchronise(model: nn.Module) -> None:
    """Have a model's batch normalisations take their statistics over all processes, in place; others stay."""
    for module in model.modules():
        if type(module) in SYNCED:
            module.__class__ = SYNCED[type(module)]  # as it is, with its parameters and whoever holds it
