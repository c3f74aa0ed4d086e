"""Ghost batch normalization: a batch is normalised in parts of B' images, each by itself. Hoffer et al. 2017,
arXiv:1705.08741; Summers & Dinneen 2020, arXiv:1906.03548.

    y_i = gamma (x_i - mu_j) / sqrt(sigma_j^2 + eps) + beta,    j = floor(i / B')
    mu_j and sigma_j^2 over B' H W of ghost batch j, the images j B' ... (j + 1) B' - 1 of the batch, a channel each

The running averages are those of the whole batch's mean and variance (so between ghost batches too), moved once a
batch as torch's BatchNorm2d does, with the unbiased variance; evaluation is BatchNorm2d's.
Differs from the paper: Hoffer et al. average the ghost batches' own deviations, and move once for each of them.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class GhostBatchNorm(nn.BatchNorm2d):
    """Normalisation of B C H W with C = num_features.

    ghost_batch_size: B'; from the batch's size on, this is batch normalization. The images left over are a smaller
    ghost batch; a single one of one pixel has no variance, and joins the one before it.
    momentum is torch's: the weight of the new batch, so that the papers' 0.9 is 0.1 here. None: the plain average.
    """

    running_mean: Tensor  # torch's own may be None: without running averages
    running_var: Tensor
    num_batches_tracked: Tensor

    def __init__(
        self, num_features: int, ghost_batch_size: int = 32, eps: float = 1e-5, momentum: float | None = 0.1
    ) -> None:
        if ghost_batch_size < 1:
            raise ValueError(f"ghost_batch_size must be at least 1, got {ghost_batch_size}")
        if eps < 0:
            raise ValueError(f"eps must be at least 0, got {eps:g}")
        if momentum is not None and not 0 < momentum <= 1:
            raise ValueError(f"momentum must lie in (0, 1], the weight of the new batch, got {momentum:g}")
        super().__init__(num_features, eps=eps, momentum=momentum)
        self.ghost_batch_size = self.images_together = ghost_batch_size
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
        """B C H W -> B C H W. ValueError in training where a ghost batch has one value a channel."""
        size, rest = self.ghost_batch_size, len(x) % self.ghost_batch_size
        if rest * x[0, 0].numel() == 1:
            rest += size
        if not self.training or (self.due is None and (size >= len(x) or rest == len(x))):
            return super().forward(x)
        rest = min(rest, len(x))
        parts = [self._normalize(x[: len(x) - rest], size)] if rest < len(x) else []
        if rest:
            parts.append(self._normalize(x[len(x) - rest :], rest))
        self._collect([(len(y) / len(x), mean, var) for y, mean, var in parts], x.numel() // x.shape[1])
        out = torch.cat([y for y, _, _ in parts]) if len(parts) > 1 else parts[0][0]
        channels_last = x.is_contiguous(memory_format=torch.channels_last)
        return out.contiguous(memory_format=torch.channels_last) if channels_last else out

    def _normalize(self, x: Tensor, size: int) -> tuple[Tensor, Tensor, Tensor]:
        """The output, and the ghost batches' means and biased variances n x C: n C channels of a batch of `size`."""
        n, count = len(x) // size, size * x[0, 0].numel()
        mean, var = self.running_mean.new_zeros(2, n * self.num_features)
        folded = x.unflatten(0, (n, size)).transpose(0, 1).flatten(1, 2)
        y = F.batch_norm(folded, mean, var, self.weight.repeat(n), self.bias.repeat(n), True, 1.0, self.eps)
        y = y.unflatten(1, (n, -1)).transpose(0, 1).flatten(0, 1)
        return y, mean.view(n, -1), var.view(n, -1) * ((count - 1) / count)

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
