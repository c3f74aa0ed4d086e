"""Batch renormalization: the batch's statistics, corrected towards the running averages. Ioffe 2017, arXiv:1702.03275.

    x^ = (x - mu_B) / sigma_B * r + d,    y = gamma x^ + beta
    r = clip(sigma_B / sigma, 1 / r_max, r_max),   d = clip((mu_B - mu) / sigma, -d_max, d_max),   both without gradient

mu and sigma are the running averages before this batch; evaluation uses them alone. Without clipping the output while
training is that of evaluation. r_max = 1 and d_max = 0 are batch normalization.
Differs from the paper: the bounds grow linearly from 1 and 0 over the first warmup_steps batches, where the paper's
stay for 5000 and then grow, to r_max at 40000 and to d_max at 25000. The running average is of the unbiased variance,
not of sigma, so that evaluation is torch's BatchNorm2d.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class BatchRenorm(nn.BatchNorm2d):
    """Normalisation of B C H W with C = num_features.

    warmup_steps: at least 1, as at the first batch there are no averages to correct towards.
    momentum is torch's: the weight of the new batch (the paper's alpha, 0.01). None: the plain average.
    """

    running_mean: Tensor  # torch's own may be None: without running averages
    running_var: Tensor
    num_batches_tracked: Tensor

    def __init__(
        self,
        num_features: int,
        r_max: float = 3.0,
        d_max: float = 5.0,
        warmup_steps: int = 500,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
    ) -> None:
        if r_max < 1:
            raise ValueError(f"r_max must be at least 1, got {r_max:g}")
        if d_max < 0:
            raise ValueError(f"d_max must be at least 0, got {d_max:g}")
        if warmup_steps < 1:
            raise ValueError(f"warmup_steps must be at least 1, got {warmup_steps}")
        if eps < 0:
            raise ValueError(f"eps must be at least 0, got {eps:g}")
        if momentum is not None and not 0 < momentum <= 1:
            raise ValueError(f"momentum must lie in (0, 1], the weight of the new batch, got {momentum:g}")
        super().__init__(num_features, eps=eps, momentum=momentum)
        self.r_max, self.d_max, self.warmup_steps = r_max, d_max, warmup_steps

    def forward(self, x: Tensor) -> Tensor:
        """B C H W -> B C H W. ValueError in training where there is one value a channel."""
        if not self.training:
            return super().forward(x)
        mean, var = self.running_mean.new_zeros(2, self.num_features)
        normalized = F.batch_norm(x, mean, var, None, None, True, 1.0, self.eps)
        r, d = self._correction(mean, var, x.numel() // x.shape[1])
        self._move(mean, var)
        scale, shift = self.weight * r, self.weight * d + self.bias
        return torch.addcmul(shift[:, None, None], normalized, scale[:, None, None]).to(x.dtype)

    @torch.no_grad()
    def _correction(self, mean: Tensor, var: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """r and d of a batch with this mean and unbiased variance, of `count` values a channel."""
        grown = (self.num_batches_tracked / self.warmup_steps).clamp(max=1)
        r_max, d_max = 1 + (self.r_max - 1) * grown, self.d_max * grown
        sigma_batch = (var * ((count - 1) / count) + self.eps).sqrt()
        sigma = (self.running_var + self.eps).sqrt()
        r = (sigma_batch / sigma).clamp(1 / r_max, r_max)
        d = ((mean - self.running_mean) / sigma).clamp(-d_max, d_max)
        return r, d

    @torch.no_grad()
    def _move(self, mean: Tensor, var: Tensor) -> None:
        """Running averages towards the batch's."""
        self.num_batches_tracked += 1
        momentum = 1 / self.num_batches_tracked if self.momentum is None else self.momentum
        self.running_mean += momentum * (mean - self.running_mean)
        self.running_var += momentum * (var - self.running_var)
