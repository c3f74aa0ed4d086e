"""`compute.*` against the machine: what null and auto become, and torch's process-wide switches."""

import contextlib
import os
import warnings
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from tricktable.runner.config import schema
from tricktable.runner.errors import BadInput
from tricktable.runner.machine import cores
from tricktable.runner.terminal import warn_once

_AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Compute:
    """Where and how a run computes; nothing is left to choose."""

    device: torch.device
    precision: str
    channels_last: bool
    threads: int
    deterministic: bool
    capture: bool
    pad_channels: int | None = None
    compile: bool = False
    processes: int = 1  # that share each batch

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        """Return the context of a forward pass: half precision where asked for; weights and statistics stay fp32."""
        if self.precision not in _AUTOCAST:
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, dtype=_AUTOCAST[self.precision])

    @property
    def memory_format(self) -> torch.memory_format:
        """Return the memory format of images, activations and weights."""
        return torch.channels_last if self.channels_last else torch.contiguous_format

    def to_device(self, model: nn.Module) -> nn.Module:
        """Move a network, in place, to the device, its weights in the memory format; return it."""
        return model.to(self.device, memory_format=self.memory_format)  # type: ignore[call-overload]  # a stub's gap

    def identity(self) -> dict[str, Any]:
        """Return what can change the bits: the device's kind, the precision, and on a CPU the number of threads."""
        threads = self.threads if self.device.type == "cpu" else None
        return {**self.plain(), "device": self.device.type, "threads": threads}

    def plain(self) -> dict[str, Any]:
        """Return what a summary says of it; how a step is launched changes no bit.

        What came later than the first runs is left out where it is as it was for them.
        """
        shared = self.processes if self.processes > 1 else None
        later = {"pad_channels": self.pad_channels, "compile": self.compile, "processes": shared}
        return {
            "device": str(self.device),
            "precision": self.precision,
            "channels_last": self.channels_last,
            "threads": self.threads,
            "deterministic": self.deterministic,
            **{name: value for name, value in later.items() if value},
        }


def resolve(asked: schema.ComputeConfig, here: bool = True) -> Compute:
    """Settle what was asked for on this machine; BadInput where it has no such thing. Nothing is changed yet.

    here: it is this machine; else another, which has the device that is asked for.
    """
    has_cuda = torch.cuda.is_available() if here else asked.device == "cuda"
    if asked.device == "cuda" and not has_cuda:
        raise BadInput("compute.device: cuda was asked for, and torch finds no GPU here; choose cpu or auto")
    device = torch.device("cpu" if asked.device == "cpu" or not has_cuda else "cuda")
    precision = asked.precision
    if precision == "auto":
        precision = "tf32" if device.type == "cuda" else "fp32"
    if precision == "tf32" and device.type == "cpu":
        raise BadInput("compute.precision: tf32 is a GPU's, and torch finds none here; choose fp32, bf16 or fp16")
    compiled = asked.compile == "on"
    if compiled and asked.capture == "on" and device.type == "cpu":
        raise BadInput("compute.compile: steps are not compiled while a CPU records them; leave compute.capture=auto")
    return Compute(
        device=device,
        precision=precision,
        channels_last=True if asked.channels_last is None else asked.channels_last,
        threads=asked.threads or max(1, cores() // asked.processes),
        deterministic=asked.deterministic,
        pad_channels=asked.pad_channels,
        capture=asked.processes == 1 and (asked.capture == "on" or (asked.capture == "auto" and device.type == "cuda")),
        compile=compiled,
        processes=asked.processes,
    )


def warn_of_threads(compute: Compute) -> None:
    """Warn where more threads are asked for than there are cores: they wait for each other."""
    if compute.device.type == "cpu" and compute.threads * compute.processes > cores():
        among = f" in each of {compute.processes} processes" if compute.processes > 1 else ""
        warn_once(
            f"compute.threads={compute.threads}{among} is more than the {cores()} CPU cores that this process may use; "
            "the run will be slower than with as many threads as cores"
        )


def apply(compute: Compute) -> None:
    """Set torch's process-wide switches: threads, TF32, the choice of algorithms."""
    torch.set_num_threads(compute.threads)
    on_gpu = compute.device.type == "cuda"
    if torch.are_deterministic_algorithms_enabled() != (on_gpu and compute.deterministic):  # setting it imports much
        torch.use_deterministic_algorithms(on_gpu and compute.deterministic)
    if not on_gpu:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch renames these switches; the names below work from 2.10 on
        torch.backends.cuda.matmul.allow_tf32 = compute.precision == "tf32"
        torch.backends.cudnn.allow_tf32 = compute.precision == "tf32"
    if compute.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")


SEARCHED = 8  # batch sizes for which trying every algorithm pays: each is tried out when it first comes


def search(compute: Compute, sizes: int) -> None:
    """Have cuDNN try its algorithms out for each new shape where batches have few sizes, else take its guess."""
    torch.backends.cudnn.benchmark = compute.device.type == "cuda" and not compute.deterministic and sizes <= SEARCHED
