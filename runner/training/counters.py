"""How many batches each batch normalisation has seen: one kernel a step for all of them, and no value read back.

torch's BatchNorm adds 1 to a counter of its own in each forward pass, a kernel a layer; and with momentum None (the
plain mean) it reads the counter back, so that the host waits in every layer.
"""

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from tricktable.runner.training.padding import PaddedBatchNorm2d
from tricktable.runner.training.synced import Synced


class _Tally:
    """Stands where a layer has its counter while it runs: what torch asks of it, on the host."""

    def __init__(self, count: int) -> None:
        self.count, self.added = count, 0

    def add_(self, n: int) -> "_Tally":
        self.added += n
        return self

    def __float__(self) -> float:
        return float(self.count + self.added)


class Counters:
    """The counters of a model's batch normalisations that leave them to torch; others are let alone.

    counts: what the counters of layers without a momentum stood at; of others it is of no account, and 0.
    """

    def __init__(self, model: nn.Module) -> None:
        self.norms = [m for m in model.modules() if isinstance(m, _BatchNorm) and _is_torchs(m)]
        self.counts = [0] * len(self.norms)
        self.known = False  # whether `counts` is of this model as it stands

    def read(self) -> None:
        """Read the counters that the host has to know, once: those of layers without a momentum."""
        self.known = True
        asked = [i for i, norm in enumerate(self.norms) if norm.momentum is None]
        if asked:
            values = torch.stack([_counter(self.norms[i]) for i in asked]).tolist()
            for i, value in zip(asked, values, strict=True):
                self.counts[i] = int(value)

    def tensors(self) -> list[Tensor]:
        """Return the model's own counters, int64 without dimensions."""
        return [_counter(norm) for norm in self.norms]

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Around a forward pass: count on the host, and add what was counted to the model's own counters at its end."""
        if not self.known:
            self.read()
        with self.tried() as tallies:
            yield
        moved = [i for i, tally in enumerate(tallies) if tally.added]
        if moved:
            own = self.tensors()
            torch._foreach_add_([own[i] for i in moved], [tallies[i].added for i in moved])
            for i in moved:
                self.counts[i] += tallies[i].added

    @contextlib.contextmanager
    def tried(self) -> Iterator[list[_Tally]]:
        """Around a forward pass that is to leave the counters as they are."""
        own, tallies = self.tensors(), [_Tally(count) for count in self.counts]
        for norm, tally in zip(self.norms, tallies, strict=True):
            norm._buffers["num_batches_tracked"] = tally  # type: ignore[assignment]  # for as long as torch adds to it
        try:
            yield tallies
        finally:
            for norm, counter in zip(self.norms, own, strict=True):
                norm._buffers["num_batches_tracked"] = counter


def _is_torchs(norm: _BatchNorm) -> bool:
    """Whether the counter is moved by torch's own forward alone, or by what asks the same of it."""
    known = type(norm).forward in (_BatchNorm.forward, PaddedBatchNorm2d.forward, Synced.forward)
    return known and norm._buffers.get("num_batches_tracked") is not None


def _counter(norm: _BatchNorm) -> Tensor:
    counter = norm._buffers["num_batches_tracked"]
    assert counter is not None, "chosen for having one"
    return counter
