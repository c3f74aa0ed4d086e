"""Channels padded with zeros to a multiple of what tensor cores like: the same mathematics in other shapes.

Only the forward pass knows. Parameters and running averages keep their shapes, and so do checkpoints, initial values,
the optimizer's state and penalties. A convolution puts out further channels of zero weights, a normalisation maps
zeros to zeros, and what comes next has zero weights for them, so that no gradient comes of them. Convolutions in
groups are left as they are. Off (`compute.pad_channels`) until a GPU has shown that it pays.
"""

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tricktable.runner.config.abilities import ChannelMultiple, having
from tricktable.runner.errors import BadInput

TOLERANCE = 1e-9  # of the outputs in float64, which are sums in another order


class PaddedConv2d(nn.Conv2d):
    """A convolution that takes as many channels as there are, and puts out a multiple of `multiple`."""

    multiple = 1

    def forward(self, input: Tensor) -> Tensor:
        """B C H W -> B C' H' W', the first channels as ever and zeros (with a bias too) behind them."""
        if self.groups > 1:
            return super().forward(input[:, : self.in_channels])
        inside, outside = input.shape[1] - self.in_channels, -self.out_channels % self.multiple
        weight = F.pad(self.weight, (0, 0, 0, 0, 0, inside, 0, outside))
        bias = None if self.bias is None else F.pad(self.bias, (0, outside))
        return self._conv_forward(input, weight, bias)


class PaddedBatchNorm2d(nn.BatchNorm2d):
    """A batch normalisation of as many channels as there are; of those that are zero it makes zeros."""

    def forward(self, input: Tensor) -> Tensor:
        """B C H W -> B C H W."""
        more = input.shape[1] - self.num_features
        self._check_input_dim(input)
        factor = 0.0 if self.momentum is None else self.momentum
        if self.training and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            factor = 1.0 / float(self.num_batches_tracked) if self.momentum is None else factor
        mean, var, weight, bias = (
            None if each is None else F.pad(each, (0, more))
            for each in (self.running_mean, self.running_var, self.weight, self.bias)
        )
        result = F.batch_norm(input, mean, var, weight, bias, self.training or mean is None, factor, self.eps)
        if self.training and self.running_mean is not None and self.running_var is not None:
            assert mean is not None and var is not None
            self.running_mean.copy_(mean[: self.num_features])
            self.running_var.copy_(var[: self.num_features])
        return result


class PaddedLinear(nn.Linear):
    """A linear layer of the first features; those behind them are zeros."""

    def forward(self, input: Tensor) -> Tensor:
        """B C -> B K."""
        return super().forward(input[:, : self.in_features])


KINDS: dict[type[nn.Module], type[nn.Module]] = {
    nn.Conv2d: PaddedConv2d,
    nn.BatchNorm2d: PaddedBatchNorm2d,
    nn.Linear: PaddedLinear,
}


def pad(model: nn.Module, multiple: int, shape: tuple[int, int, int]) -> None:
    """Have a network pad its channels, in place; BadInput where another of its parts takes no channels but its own.

    shape: C H W of an image, two of which are tried. The modules stay the same objects, of another class.
    """
    before, after = (copy.deepcopy(model).cpu().double().eval() for _ in range(2))
    _convert(after, multiple)
    _compare(before, after, shape)
    _convert(model, multiple)


def _convert(model: nn.Module, multiple: int) -> None:
    for module in model.modules():
        if type(module) in KINDS:
            module.__class__ = KINDS[type(module)]
        if isinstance(module, PaddedConv2d):
            module.multiple = multiple
    for _, maker in having(dict(model.named_modules()), ChannelMultiple):
        maker.channel_multiple = multiple


@torch.no_grad()
def _compare(before: nn.Module, after: nn.Module, shape: tuple[int, int, int]) -> None:
    """Compare two networks of the same parameters; these are moved a little, for branches that begin as zero."""
    noise = torch.Generator().manual_seed(0)
    for one, other in zip(before.parameters(), after.parameters(), strict=True):
        one.add_(torch.randn(one.shape, generator=noise, dtype=one.dtype), alpha=0.02)
        other.copy_(one)
    images = torch.randn(2, *shape, generator=noise, dtype=torch.float64)
    expected = before(images)
    try:
        found = after(images)
    except (RuntimeError, ValueError) as error:
        raise BadInput(f"compute.pad_channels: a part of the network takes its own channels only ({error})") from None
    near = TOLERANCE * float(expected.abs().max())
    if found.shape != expected.shape or not torch.allclose(found, expected, rtol=TOLERANCE, atol=near):
        raise BadInput("compute.pad_channels: the network computes something else with padded channels; leave it null")
