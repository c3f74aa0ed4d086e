"""Zero gamma: residual blocks begin as their shortcuts. Goyal et al. 2017, arXiv:1706.02677, section 5.1.

gamma = 0  in the last normalisation of each residual branch,  y = gamma x_hat + beta

Also in He et al. 2019, Bag of Tricks, arXiv:1812.01187, section 3.1. What stands behind the normalisation may keep a
zero as it is and pass its gradient on (squeeze-and-excitation, dropout). A branch that ends in a convolution (networks
of pre-activation blocks) has no such gamma, and one that ends in ReLU would stay zero for ever: both are refused.
"""

import torch
from torch import nn


@torch.no_grad()
def zero_gamma(model: nn.Module) -> None:
    """Set those gammas to zero in place: parameters `weight` of one dimension, in each of a block's `branches`.

    ValueError where the model has no residual block, or a branch without such a gamma at its end.
    """
    blocks = [(name, m.branches) for name, m in model.named_modules() if _is_block(m)]
    if not blocks:
        raise ValueError("zero_gamma finds no residual block: no module of the network has `branches`")
    for name, branches in blocks:
        for branch in branches:
            _last_gamma(branch, name).zero_()


def _is_block(module: nn.Module) -> bool:
    return isinstance(getattr(module, "branches", None), nn.ModuleList)


def _last_gamma(branch: nn.Module, block: str) -> nn.Parameter:
    for layer in reversed(_row(branch)):
        inside = list(layer.modules())
        gammas: list[nn.Parameter] = [m.weight for m in inside if _has_gamma(m)]  # type: ignore[misc]  # _has_gamma
        if gammas:
            return gammas[-1]
        if any(isinstance(m, nn.Conv2d) for m in inside) or isinstance(layer, nn.Linear | nn.ReLU | nn.ReLU6):
            break
    what = type(layer).__name__
    raise ValueError(f"zero_gamma needs branches that end in a normalisation with gamma, and {block}'s ends in {what}")


def _row(module: nn.Module) -> list[nn.Module]:
    """The layers of nested Sequentials one after another."""
    if not isinstance(module, nn.Sequential):
        return [module]
    return [layer for child in module for layer in _row(child)]


def _has_gamma(module: nn.Module) -> bool:
    weight = getattr(module, "weight", None)
    return isinstance(weight, nn.Parameter) and weight.ndim == 1 and weight.requires_grad
