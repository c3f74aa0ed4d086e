"""Pretrained: a network begins with the weights of one that has been trained. Yosinski et al. 2014, arXiv:1411.1792.

    theta_0 = theta_source    of every layer but the classifier, which stays as it was drawn

Fine-tuning in the paper's words («transferred layers that are fine-tuned»): all layers then train. Running averages
belong to the layers, and come with them.
"""

import torch
from torch import nn


@torch.no_grad()
def pretrained(model: nn.Module, source: nn.Module | None = None, classifier: bool = False) -> None:
    """Copy the source's parameters and buffers into the model, in place.

    source: a finished run, given as its network. classifier: whether the last layer's are copied too. ValueError where
    the networks differ by more than their classifiers.
    """
    if source is None:
        raise ValueError("source must name a finished run: init.pretrained.source=outputs/default/<run>")
    own, theirs = model.state_dict(), source.state_dict()
    left_out = () if classifier else _last_layer(model)
    wanted = {name: tensor for name, tensor in own.items() if not name.startswith(left_out)}
    for name, tensor in wanted.items():
        if name not in theirs or theirs[name].shape != tensor.shape:
            there = f"is {_size(theirs[name])}" if name in theirs else "is not"
            raise ValueError(f"source must be a network like this one: its {name} {there} there, here {_size(tensor)}")
    more = sorted(name for name in theirs if name not in own and not name.startswith(left_out))
    if more:
        raise ValueError(f"source must be a network like this one: it has {more[0]}, and this one has not")
    for name, tensor in wanted.items():
        tensor.copy_(theirs[name])


def _last_layer(model: nn.Module) -> tuple[str, ...]:
    """How the names of the classifier's tensors begin: the last of the network's children that has parameters."""
    names = [name for name, child in model.named_children() if any(True for _ in child.parameters())]
    return (f"{names[-1]}.",)


def _size(tensor: torch.Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "a number"
