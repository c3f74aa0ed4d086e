"""torch's optimizers without its compiler, whose import takes as long as that of torch itself.

torch marks some methods of every optimizer as none of the compiler's affair, and imports it to do so when one is first
called. Where nothing compiles, the mark is that there is nothing to do.
"""

import inspect
import sys

import torch

MARKED = ("add_param_group", "zero_grad", "state_dict", "load_state_dict")


def without_compiler() -> None:
    """Have no optimizer import torch's compiler; where that is imported already, torch goes on as it does."""
    if "torch._dynamo" in sys.modules:
        return
    for name in MARKED:
        function = inspect.unwrap(getattr(torch.optim.Optimizer, name))
        vars(function).setdefault("__dynamo_disable", function)  # what torch's wrapper calls, where it stands there
