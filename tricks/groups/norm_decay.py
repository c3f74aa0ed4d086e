"""Normalisations get a weight decay of their own, gamma towards 1 or 0. Summers & Dinneen 2020, arXiv:1906.03548.

    gamma <- pulled to `target` by gamma_decay * weight_decay,   beta <- to 0 by beta_decay * weight_decay
    all other parameters <- to 0 by weight_decay

For the target 1 the parameter is delta, with gamma = 1 + delta: the decay of delta to 0 is that of gamma to 1, in any
optimizer's own way, and the loss's gradient is the same. What goes by the size of the weight finds the 1 as the group's
`origin`.
"""

from typing import Any, Literal

from torch import Tensor, nn
from torch.nn.utils import parametrize


class _OneMore(nn.Module):
    """gamma = 1 + delta."""

    def forward(self, delta: Tensor) -> Tensor:
        return 1 + delta

    def right_inverse(self, gamma: Tensor) -> Tensor:
        return gamma - 1


def norm_decay(
    model: nn.Module, gamma_decay: float = 1.0, beta_decay: float = 1.0, target: Literal[0, 1] = 1
) -> list[dict[str, Any]]:
    """Three groups: gammas, betas, and all others.

    gamma_decay, beta_decay: relative to the optimizer's weight decay, so they follow its schedule; where that is 0
    nothing decays. target: of gamma; 1 changes the model in place, whose state then has `...weight.original`, the
    delta, for each gamma. A normalisation is a module whose own `weight` has one dimension. ValueError where there is
    none to train.
    """
    for name, value in (("gamma_decay", gamma_decay), ("beta_decay", beta_decay)):
        if value < 0:
            raise ValueError(f"{name} must be at least 0, got {value:g}")
    norms: list[Any] = [m for m in model.modules() if _trains_gamma(m)]
    if not norms:
        raise ValueError("norm_decay finds no trainable gamma: no module with a weight of one dimension")
    if target == 1:
        for norm in norms:
            parametrize.register_parametrization(norm, "weight", _OneMore())
    gammas = [norm.parametrizations.weight.original if target == 1 else norm.weight for norm in norms]
    betas = [norm.bias for norm in norms if getattr(norm, "bias", None) is not None and norm.bias.requires_grad]
    known = {id(p) for p in (*gammas, *betas)}
    others = [p for p in model.parameters() if p.requires_grad and id(p) not in known]
    groups: list[dict[str, Any]] = [
        {"params": gammas, "decay_scale": gamma_decay, **({"origin": 1.0} if target == 1 else {})},
        {"params": betas, "decay_scale": beta_decay},
        {"params": others},
    ]
    return [group for group in groups if group["params"]]


def _trains_gamma(module: nn.Module) -> bool:
    weight = dict(module.named_parameters(recurse=False)).get("weight")
    return weight is not None and weight.ndim == 1 and weight.requires_grad
