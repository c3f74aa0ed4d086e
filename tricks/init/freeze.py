"""Freeze: the first layers keep their weights, and the others train. Yosinski et al. 2014, arXiv:1411.1792.

    theta_l = theta_l(0)  for l < until,    theta_l trained  from there on

The paper's «transferred layers that are frozen». They have no gradient, no optimizer state and no weight decay.

Differs from the paper, whose network has no batch normalisation: that of frozen layers normalises by the running
averages that it came with, as in evaluation (`norm: frozen`), or goes on to normalise by each batch and to average.
"""

from typing import Any, Literal

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


class _Frozen:
    """A normalisation that stays in evaluation, whatever mode the network is put into."""

    def train(self, mode: bool = True) -> Any:
        return nn.Module.train(self, False)  # type: ignore[type-var]  # it is mixed into a Module


def freeze(model: nn.Module, until: str | None = None, norm: Literal["frozen", "train"] = "frozen") -> None:
    """Set `requires_grad` of the parameters before a layer to False, in place.

    until: the first layer that trains, as the network calls it (`layer4`, `blocks.6`); None is the classifier, its last
    layer with parameters. What comes before is in the order of `named_modules`, in which a network has its layers.
    norm: of batch normalisations among them. Their dropout is as in training. ValueError where there is no such layer,
    or nothing before it that would train.
    """
    names = [name for name, m in model.named_modules() if any(True for _ in m.parameters(recurse=False))]
    if until is None and names:
        until = names[-1]
    before = list(_before(model, until))
    frozen = [p for module in before for p in module.parameters(recurse=False) if p.requires_grad]
    if not frozen:
        raise ValueError(f"until must have layers that train before it, and {until} has none")
    for parameter in frozen:
        parameter.requires_grad_(False)
    if not any(p.requires_grad for p in model.parameters()):
        raise ValueError(f"until must be a layer with parameters, or stand before one, got {until}")
    for module in before if norm == "frozen" else ():
        if isinstance(module, _BatchNorm):
            kind = type(module)
            module.__class__ = type(kind.__name__, (_Frozen, kind), {})
            module.eval()


def _before(model: nn.Module, until: str | None) -> list[nn.Module]:
    """The modules in front of the one of this name, those that hold it among them."""
    modules = dict(model.named_modules())
    if until not in modules:
        children = [name for name, child in model.named_children() if any(True for _ in child.parameters())]
        raise ValueError(f"until must be a layer of the network ({', '.join(children)}, or one inside), got {until}")
    return list(modules.values())[: list(modules).index(until)]
