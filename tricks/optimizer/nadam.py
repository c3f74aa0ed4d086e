"""NAdam: Adam with Nesterov's momentum. Dozat 2016, ICLR workshop (no arXiv number).

    g = grad + weight_decay * w,    m <- beta1 m + (1 - beta1) g,    v <- beta2 v + (1 - beta2) g^2
    mu_t = beta1 (1 - 0.96^(t * momentum_decay) / 2)
    m' = mu_(t+1) m / (1 - mu_1 ... mu_(t+1)) + (1 - mu_t) g / (1 - mu_1 ... mu_t),    v' = v / (1 - beta2^t)
    w <- w - lr * m' / (sqrt(v') + eps)

eps stands outside the root, after the bias correction. The decay is coupled: it is a part of g, divided by the root.
"""

from typing import Any

import torch


class NAdam(torch.optim.NAdam):
    """torch's NAdam over parameter groups; it has no fused form. beta1 is the knob momentum.

    momentum_decay: how fast mu grows from about beta1 / 2 to beta1; by 0.004, it is 0.99 beta1 after 24,000 steps.
    """

    def __init__(
        self,
        groups: list[dict[str, Any]],
        *,
        lr: float = 2e-3,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
        momentum_decay: float = 4e-3,
        weight_decay: float = 0.0,
    ) -> None:
        for name, value in (("lr", lr), ("momentum_decay", momentum_decay), ("weight_decay", weight_decay)):
            if value < 0:
                raise ValueError(f"{name} must be at least 0, got {value:g}")
        for name, value in (("beta1", beta1), ("beta2", beta2)):
            if not 0 <= value < 1:
                raise ValueError(f"{name} must lie in [0, 1), got {value:g}")
        if eps <= 0:
            raise ValueError(f"eps must be above 0, got {eps:g}")
        super().__init__(
            groups,
            lr=lr,
            betas=(beta1, beta2),
            eps=eps,
            momentum_decay=momentum_decay,
            weight_decay=weight_decay,
            foreach=True,
        )
        self.register_load_state_dict_post_hook(_products_on_the_cpu)

    def momentum_gain(self, momentum: float) -> float:
        """A steady gradient's step is lr whatever the momentum, which is of a moving average."""
        return 1.0


def _products_on_the_cpu(optimizer: torch.optim.Optimizer) -> None:
    """torch reads the product of the mu_t at each step, but loads it to the parameters' device: reads would wait."""
    for state in optimizer.state.values():
        state["mu_product"] = state["mu_product"].cpu()
