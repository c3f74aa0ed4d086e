"""Normalise by the running and by each image's own statistics. Summers & Dinneen 2020, arXiv:1906.03548.

    mu_i      = alpha E[x_i] + (1 - alpha) m_x
    sigma_i^2 = alpha E[x_i^2] + (1 - alpha) m_{x^2} - mu_i^2
    y_i       = gamma (x_i - mu_i) / sqrt(sigma_i^2 + eps) + beta

Inference example weighing; it trains nothing. E is over the pixels of image i, a channel each, or over a group's
channels and pixels where the running statistics are of groups of consecutive channels. sigma_i^2 is the variance of a
mixture, and in this form it does not cancel:  alpha Var[x_i] + (1 - alpha) Var_m + alpha (1 - alpha) (E[x_i] - m_x)^2.

Differs from the paper: m_x is running_mean, and Var_m = m_{x^2} - m_x^2 is running_var. Torch averages the unbiased
variances of the batches there; the paper averages E[x^2], and so counts how the batches' means differ, too.
"""

import copy
from typing import Any

import torch
from torch import Tensor, nn


class ExampleWeight(nn.Module):
    """One model's logits, each normalisation with running statistics weighing in the image at hand.

    alpha: the image's weight, 0 the model as it is, 1 instance normalisation. None: the one of `candidates` with the
    smallest loss on validation; until `choose` says which, 0. ValueError for several models, and for a model that has
    no such normalisation. The model is copied.
    """

    def __init__(self, models: list[nn.Module], alpha: float | None = None) -> None:
        super().__init__()
        if len(models) != 1:
            raise ValueError(f"example_weight takes exactly one model, got {len(models)}")
        if alpha is not None and not 0 <= alpha <= 1:
            raise ValueError(f"alpha must lie in [0, 1], got {alpha:g}")
        self.candidates = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5) if alpha is None else ()
        self.alpha = alpha or 0.0
        self.model = copy.deepcopy(models[0])
        norms = [module for module in self.model.modules() if _has_statistics(module)]
        if not norms:
            raise ValueError("example_weight finds no normalisation with running statistics")
        for norm in norms:
            norm.register_forward_hook(self._weigh)

    def choose(self, alpha: float) -> None:
        """Set alpha to one of `candidates`."""
        self.alpha = alpha

    def forward(self, images: Tensor) -> Tensor:
        """B C H W -> logits B K."""
        return self.model(images)

    def _weigh(self, norm: Any, inputs: tuple[Tensor], output: Tensor) -> Tensor:
        """What stands in for a normalisation's output: the same shape, type and memory format."""
        if self.alpha == 0:
            return output
        x, mean, variance = inputs[0], norm.running_mean, norm.running_var
        wide = x.to(torch.promote_types(x.dtype, torch.float32)).unflatten(1, (len(mean), -1))  # B G C/G H W
        m, v = (buffer.view(-1, *[1] * (wide.ndim - 2)) for buffer in (mean, variance))
        var_i, mean_i = torch.var_mean(wide, tuple(range(2, wide.ndim)), correction=0, keepdim=True)
        mu = torch.lerp(m, mean_i, self.alpha)
        sigma2 = torch.lerp(v, var_i, self.alpha) + self.alpha * (1 - self.alpha) * (mean_i - m).square()
        y = ((wide - mu) * torch.rsqrt(sigma2 + norm.eps)).flatten(1, 2)
        if norm.weight is not None:
            y = y * norm.weight.view(-1, *[1] * (y.ndim - 2))
        if norm.bias is not None:
            y = y + norm.bias.view(-1, *[1] * (y.ndim - 2))
        return y.to(output.dtype)


def _has_statistics(module: nn.Module) -> bool:
    return all(getattr(module, name, None) is not None for name in ("running_mean", "running_var"))
