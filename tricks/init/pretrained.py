"""Pretrained: a network begins with the weights of one that has been trained. Yosinski et al. 2014, arXiv:1411.1792.

    theta_0 = theta_source    of every layer but the classifier, which stays as it was drawn

Fine-tuning in the paper's words («transferred layers that are fine-tuned»): all layers then train, unless some are
frozen (init freeze). Running averages belong to the layers, and come with them.
"""

from collections.abc import Collection, Mapping

import torch
from torch import Tensor, nn


@torch.no_grad()
def pretrained(
    model: nn.Module, source: nn.Module | Mapping[str, Tensor] | None = None, classifier: bool = False
) -> str:
    """Copy the source's parameters and buffers into the model, in place; return what came and what did not, in words.

    source: a finished run, given as its network, or a file of weights, given as its tensors by name. A file may have
    more than the network (auxiliary classifiers), and may lack the counts of batches that older files lack.
    classifier: whether the last layer's are copied too. ValueError where the networks differ by more.
    """
    if source is None:
        raise ValueError(
            "source must name a finished run: init.pretrained.source=outputs/default/<run>, or a file of weights "
            "(.safetensors, .pth)"
        )
    own, theirs = model.state_dict(), source.state_dict() if isinstance(source, nn.Module) else source
    left_out = () if classifier else _last_layer(model)
    wanted = {name: tensor for name, tensor in own.items() if not name.startswith(left_out)}
    if not isinstance(source, nn.Module):
        wanted = {k: v for k, v in wanted.items() if k in theirs or not k.endswith("num_batches_tracked")}
    for name, tensor in wanted.items():
        if name not in theirs or theirs[name].shape != tensor.shape:
            there = f"is {_size(theirs[name])}" if name in theirs else "is not"
            raise ValueError(f"source must be a network like this one: its {name} {there} there, here {_size(tensor)}")
    more = sorted(name for name in theirs if name not in own and not name.startswith(left_out))
    if more and isinstance(source, nn.Module):
        raise ValueError(f"source must be a network like this one: it has {more[0]}, and this one has not")
    for name, tensor in wanted.items():
        tensor.copy_(theirs[name])
    drawn = [name for name in own if name not in wanted]
    said = f"{len(wanted)} of {len(own)} tensors are the source's"
    said += f"; as drawn: {_listed(drawn)}" if drawn else ""
    return said + (f"; in the file and not in the network: {_listed(more)}" if more else "")


def _last_layer(model: nn.Module) -> tuple[str, ...]:
    """How the names of the classifier's tensors begin: the last of the network's layers that has parameters."""
    names = [name for name, m in model.named_modules() if any(True for _ in m.parameters(recurse=False))]
    return (f"{names[-1]}.",)


def _size(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "a number"


def _listed(names: Collection[str], most: int = 3) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{', '.join(list(names)[:most])}{more}"
