"""What is asked of a CUDA device, operator by operator: what launches kernels, what would wait, what changes the layout."""

import traceback
from collections import Counter
from pathlib import Path

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

ROOT = Path(__file__).resolve().parents[2]
OURS = ("runner/", "models/", "tricks/")

# They give another view of what is there, or memory that nothing has been written to: no kernel.
VIEWS = {
    "view", "_unsafe_view", "reshape", "as_strided", "detach", "t", "expand", "alias", "slice", "select", "unbind", "split",
    "split_with_sizes", "transpose", "permute", "unsqueeze", "squeeze", "empty", "empty_like", "new_empty", "empty_strided",
    "new_empty_strided", "lift_fresh", "unfold", "diagonal", "_reshape_alias", "detach_", "unsqueeze_", "squeeze_", "resize_",
    "chunk", "narrow", "view_as", "set_", "is_pinned", "device", "is_same_size",
}  # fmt: skip
# The host waits for their result: a value, or a shape that depends on values.
READS = {
    "_local_scalar_dense", "item", "is_nonzero", "equal", "nonzero", "masked_select", "unique_dim", "unique_consecutive",
    "_unique2", "bincount", "allclose",
}  # fmt: skip
INDEXING = {"index", "index_put", "index_put_", "_unsafe_index", "_index_put_impl_"}


class Recorder(TorchDispatchMode):
    """Counts the operators that launch kernels, and notes what would make the host wait or leave channels_last.

    Put above FakeTensorMode. torch's fused steps have no fake form: they change nothing here, and what they check is
    checked.
    """

    def __init__(self):
        super().__init__()
        self.clear()

    def clear(self):
        """Begin anew."""
        self.launches, self.waits, self.layouts = Counter(), Counter(), Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        name = func._schema.name.partition("::")[2]
        given = [each for each in tree_leaves((args, kwargs)) if isinstance(each, Tensor)]
        if not any(map(_on_cuda, given)) and not str(kwargs.get("device", "")).startswith("cuda"):
            return func(*args, **kwargs)
        reason = _wait(name, func, args, kwargs)
        if reason:
            self.waits[f"{reason} at {_where()}"] += 1
        if name.startswith("_fused_"):
            _check_fused(name, args)
            out = None
        else:
            out = func(*args, **kwargs)
        if name not in VIEWS and not func._schema.name.startswith("prim"):
            self.launches[name] += 1
            for each in tree_leaves(out):
                if isinstance(each, Tensor) and _other_layout(each):
                    self.layouts[f"{name} at {_where()}"] += 1
        return out


def _on_cuda(tensor):
    return tensor.device.type == "cuda"


def _wait(name, func, args, kwargs):
    """Why the host would wait for the device here; nothing where it would not."""
    if name in READS or (name == "repeat_interleave" and kwargs.get("output_size") is None and "Tensor" in str(func)):
        return f"{name} reads a value"
    if name in INDEXING:
        for index in args[1]:
            if index is not None and index.dtype in (torch.bool, torch.uint8):
                return f"{name} by a mask reads a shape"
            if index is not None and not _on_cuda(index):
                return f"{name} by an index on the CPU"
    if name == "_to_copy":
        return _copy(args[0].device, torch.device(kwargs.get("device") or args[0].device), kwargs.get("non_blocking"))
    if name == "copy_":
        return _copy(args[1].device, args[0].device, args[2] if len(args) > 2 else kwargs.get("non_blocking"))
    if name == "_foreach_copy_":
        blocking = (_copy(b.device, a.device, kwargs.get("non_blocking")) for a, b in zip(*args[:2], strict=True))
        return next(filter(None, blocking), None)
    return None


def _copy(source, target, non_blocking):
    """A copy between the devices; one to the device may be left to run, of one to the host somebody needs the value."""
    if source.type == target.type or (target.type == "cuda" and non_blocking):
        return None
    return f"a blocking copy {source.type} -> {target.type}"


def _other_layout(tensor):
    """Whether a batch of feature maps has left channels_last; one of one channel or one pixel is in every layout."""
    if tensor.ndim != 4 or not _on_cuda(tensor) or not tensor.is_floating_point():
        return False
    ambiguous = tensor.shape[1] == 1 or tensor.shape[2:].numel() == 1
    return not ambiguous and not tensor.is_contiguous(memory_format=torch.channels_last)


def _check_fused(name, args):
    """What torch's fused kernels ask for: each parameter, its gradient and its state alike in type and strides."""
    parameters = args[0]
    for other in args[1:]:
        if isinstance(other, list | tuple) and len(other) == len(parameters):
            for p, q in zip(parameters, other, strict=True):
                assert q.device == p.device, f"{name}: a parameter on {p.device}, its gradient or state on {q.device}"
                alike = q.shape != p.shape or (q.dtype == p.dtype and q.stride() == p.stride())
                assert alike, f"{name}: strides {p.stride()} and {q.stride()} of one parameter {tuple(p.shape)}"


def _where():
    """The innermost function of the project that asks, as `runner/training/train.py step`."""
    for frame in reversed(traceback.extract_stack()):
        path = Path(frame.filename)
        if path.is_relative_to(ROOT) and (inside := path.relative_to(ROOT).as_posix()).startswith(OURS):
            return f"{inside} {frame.name}"
    return "outside"
