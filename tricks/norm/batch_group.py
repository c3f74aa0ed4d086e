"""Batch group normalization: statistics over groups of channels and groups of images. Summers & Dinneen 2020,
arXiv:1906.03548.

    y = gamma_c (x - mu) / sqrt(sigma^2 + eps) + beta_c
    mu and sigma^2 over the pixels of examples_per_group consecutive images and channels_per_group consecutive channels

examples_per_group = 1 is group normalization while training; channels_per_group = 1 is ghost batch normalization, and
with the whole batch batch normalization. Evaluation uses running averages, one for each group of channels: those of
the whole batch's mean and unbiased variance, moved once a batch as torch's BatchNorm2d does.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class BatchGroupNorm(nn.BatchNorm2d):
    """Normalisation of B C H W with C = num_features; `running_mean` and `running_var` have C / channels_per_group.

    examples_per_group: images of a group, None for the whole batch. The images left over are a smaller group; where
    that has one value, which has no variance, they join the group before it.
    momentum is torch's: the weight of the new batch, so that the paper's 0.99 is 0.01 here. None: the plain average.
    """

    running_mean: Tensor  # torch's own may be None: without running averages
    running_var: Tensor
    num_batches_tracked: Tensor

    def __init__(
        self,
        num_features: int,
        examples_per_group: int | None = None,
        channels_per_group: int = 8,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
    ) -> None:
        if examples_per_group is not None and examples_per_group < 1:
            raise ValueError(f"examples_per_group must be null or at least 1, got {examples_per_group}")
        if channels_per_group < 1 or num_features % channels_per_group:
            divide = f"got {channels_per_group} for {num_features} channels"
            raise ValueError(f"channels_per_group must divide each layer's channels, {divide}")
        if eps < 0:
            raise ValueError(f"eps must be at least 0, got {eps:g}")
        if momentum is not None and not 0 < momentum <= 1:
            raise ValueError(f"momentum must lie in (0, 1], the weight of the new batch, got {momentum:g}")
        super().__init__(num_features, eps=eps, momentum=momentum)
        self.examples_per_group, self.channels_per_group = examples_per_group, channels_per_group
        self.channel_groups = num_features // channels_per_group
        self.images_together = examples_per_group
        self.running_mean = torch.zeros(self.channel_groups)
        self.running_var = torch.ones(self.channel_groups)
        self.due: tuple[float, bool] | None = (
            None  # what share of the batch comes next, and whether it is the last part
        )
        self.seen: list[
            tuple[float, Tensor, Tensor, int]
        ] = []  # of the parts so far: share, mean, var, the batch's count

    def part(self, start: int, stop: int, of: int) -> None:
        """Images [start, stop) of a batch of so many come next; the averages move after the last of them."""
        self.due = None if stop - start == of else ((stop - start) / of, stop == of)
        self.seen = [] if start == 0 else self.seen

    def forward(self, x: Tensor) -> Tensor:
        """B C H W -> B C H W. ValueError in training where a group has one value."""
        if not self.training:
            mean, var = (s.repeat_interleave(self.channels_per_group) for s in (self.running_mean, self.running_var))
            return F.batch_norm(x, mean, var, self.weight, self.bias, eps=self.eps)
        size = min(self.examples_per_group or len(x), len(x))
        rest = len(x) % size
        if rest * x[0, : self.channels_per_group].numel() == 1:
            rest = min(rest + size, len(x))
        parts = [self._normalize(x[: len(x) - rest], size)] if rest < len(x) else []
        if rest:
            parts.append(self._normalize(x[len(x) - rest :], rest))
        self._collect([(len(y) / len(x), mean, var) for y, mean, var in parts], x.numel() // self.channel_groups)
        out = torch.cat([y for y, _, _ in parts]) if len(parts) > 1 else parts[0][0]
        out = torch.addcmul(self.bias[:, None, None], out, self.weight[:, None, None]).to(x.dtype)
        channels_last = x.is_contiguous(memory_format=torch.channels_last)
        return out.contiguous(memory_format=torch.channels_last) if channels_last else out

    def _normalize(self, x: Tensor, size: int) -> tuple[Tensor, Tensor, Tensor]:
        """x normalised, and its n groups' means and biased variances n x G: n G channels of a batch of `size`."""
        n, g = len(x) // size, self.channel_groups
        count = size * x[0, : self.channels_per_group].numel()
        mean, var = self.running_mean.new_zeros(2, n * g)
        folded = x.unflatten(0, (n, size)).transpose(0, 1).unflatten(2, (g, -1)).flatten(1, 2).flatten(2, 3)
        y = F.batch_norm(folded, mean, var, None, None, True, 1.0, self.eps)
        y = y.unflatten(1, (n, -1)).transpose(0, 1).reshape(x.shape)
        return y, mean.view(n, g), var.view(n, g) * ((count - 1) / count)

    def _collect(self, parts: list[tuple[float, Tensor, Tensor]], count: int) -> None:
        """Move the running averages, or keep statistics until the batch is whole; `count`: values a channel."""
        share, last = self.due or (1.0, True)
        self.seen += [(share * within, mean, var, round(count / share)) for within, mean, var in parts]
        if last:
            self.whole()

    @torch.no_grad()
    def whole(self) -> None:
        """Running averages towards the whole batch's, from the parts seen of it, which are then forgotten."""
        mean: Tensor = sum(share * means.mean(0) for share, means, *_ in self.seen)  # type: ignore[assignment]  # not 0
        shares = (share * (within + (means - mean).square()).mean(0) for share, means, within, _ in self.seen)
        var: Tensor = sum(shares)  # type: ignore[assignment]  # never 0
        count = self.seen[0][3]
        self.num_batches_tracked += 1
        momentum = 1 / self.num_batches_tracked if self.momentum is None else self.momentum
        self.running_mean += momentum * (mean - self.running_mean)
        self.running_var += momentum * (var * (count / (count - 1)) - self.running_var)
        self.seen = []
