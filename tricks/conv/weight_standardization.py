"""Weight standardization: each filter of a convolution acts with mean 0 and standard deviation 1. Qiao et al. 2019,
arXiv:1903.10520.

    W^_i = (W_i - mu_i) / (sigma_i + eps),    y = W^ * x
    mu_i = 1/I sum_j W_ij,   sigma_i^2 = 1/I sum_j (W_ij - mu_i)^2    over the I weights of filter i

The gradient flows through mu and sigma. The filters have no scale of their own, so a normalisation should follow.

Differs from the authors' code: it has the unbiased sigma_i^2 = 1/(I - 1) sum_j (W_ij - mu_i)^2 (`unbiased`), so that
the filters are smaller by sqrt((I - 1) / I): 0.7 % at 72 inputs, 1.9 % at 27.
"""

import torch
from torch import Tensor, nn


class WeightStandardization(nn.Conv2d):
    """A torch.nn.Conv2d whose `weight` is W; its bias is as it was.

    eps: added to the standard deviation. unbiased: whether it divides by I - 1, as the authors' code does. ValueError
    for filters of one weight, which would always be 0.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        *,
        stride: int,
        padding: int | tuple[int, int],
        groups: int,
        bias: bool,
        eps: float = 1e-5,
        unbiased: bool = False,
    ) -> None:
        if eps < 0:
            raise ValueError(f"eps must be at least 0, got {eps:g}")
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, groups=groups, bias=bias)
        if self.weight[0].numel() == 1:
            raise ValueError("weight_standardization needs filters of 2 weights or more, got one of 1 channel, 1x1")
        self.eps, self.correction = eps, int(unbiased)

    def forward(self, x: Tensor) -> Tensor:
        """B C H W -> B C' H' W'."""
        std, mean = torch.std_mean(self.weight, (1, 2, 3), correction=self.correction, keepdim=True)
        return self._conv_forward(x, (self.weight - mean) / (std + self.eps), self.bias)
