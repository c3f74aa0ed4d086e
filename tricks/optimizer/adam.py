"""Adam: steps by the mean of the gradients over the root of their mean square. Kingma & Ba 2015, arXiv:1412.6980.

    g = grad + weight_decay * w,    m <- beta1 m + (1 - beta1) g,    v <- beta2 v + (1 - beta2) g^2
    w <- w - lr * m' / (sqrt(v') + eps),    m' = m / (1 - beta1^t),    v' = v / (1 - beta2^t)

eps stands outside the root, after the bias correction. The decay is coupled: it is a part of g, so it passes through
both moments and is divided by the root.
"""

from typing import Any

import torch


class Adam(torch.optim.Adam):
    """torch's Adam over parameter groups: one kernel on a GPU, torch's `foreach` elsewhere. beta1 is the knob momentum.

    The paper has no decay.
    """

    def __init__(
        self,
        groups: list[dict[str, Any]],
        *,
        lr: float = 1e-3,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        for name, value in (("lr", lr), ("weight_decay", weight_decay)):
            if value < 0:
                raise ValueError(f"{name} must be at least 0, got {value:g}")
        for name, value in (("beta1", beta1), ("beta2", beta2)):
            if not 0 <= value < 1:
                raise ValueError(f"{name} must lie in [0, 1), got {value:g}")
        if eps <= 0:
            raise ValueError(f"eps must be above 0, got {eps:g}")
        on_gpu = all(p.is_cuda for group in groups for p in group["params"])
        super().__init__(
            groups, lr=lr, betas=(beta1, beta2), eps=eps, weight_decay=weight_decay, fused=on_gpu, foreach=not on_gpu
        )

    def momentum_gain(self, momentum: float) -> float:
        """A steady gradient's step is lr whatever the momentum, which is of a moving average."""
        return 1.0
