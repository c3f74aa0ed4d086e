"""The network's pass as torch compiles it, forward and backward, where `compute.compile=on` asks for it.

Each size of a batch, and of its images, has a graph of its own, so that a run's bits do not depend on which came first,
and a resumed run has them again. Noise is drawn by torch's own generators, as without. Nothing else is compiled:
augmentations, loss and step are as they were, and evaluation is too. And nothing is ever computed eagerly in its stead:
what cannot be compiled, or changes from step to step, ends the run in one line.
"""

import contextlib
import logging
import re
import time
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from tricktable.runner.config.abilities import InParts
from tricktable.runner.errors import BadInput
from tricktable.runner.terminal import warn_once
from tricktable.runner.training import augmented
from tricktable.runner.training.knobs import Shape
from tricktable.runner.training.parts import announce, parts_of

if TYPE_CHECKING:
    from tricktable.runner.training.run import Run

MOST = 8  # graphs of a run: each takes as long to compile as the first
SPARE = 8  # graphs beyond those, for what changes while it trains: a number that a hook sets
TIMED = 3  # passes by which it is judged whether compiling pays
TALKATIVE = ("torch._dynamo.convert_frame", "torch.utils.cpp_extension")  # warn of what is said here, or is no matter
INSTEAD = "compute.compile=off trains without"


class Compiled:
    """A network's pass, images B C H W -> logits B x K, compiled when it first comes; the network stays as it is.

    graphs: how many it may be compiled to. backend: torch's word for who compiles: `aot_eager` makes the same graphs,
    and computes them with the kernels, and so the bits, of a network that is not compiled.
    """

    def __init__(self, model: nn.Module, graphs: int = MOST, backend: str = "inductor") -> None:
        self.model, self.graphs, self.backend = model, graphs, backend

    def __call__(self, x: Tensor) -> Tensor:
        """Pass the images; BadInput where that cannot be compiled."""
        call = self._call
        try:
            with _strict(self.graphs + SPARE), _swapped_buffers(self.model):
                return call(self.model, x)
        except torch._dynamo.exc.FailOnRecompileLimitHit:
            raise BadInput(
                f"compute.compile: the network was compiled {self.graphs + SPARE} times in this run, and has to be "
                f"again: something in it changes from step to step; {INSTEAD}"
            ) from None
        except torch._dynamo.exc.TorchDynamoException as error:
            raise BadInput(f"compute.compile: the network cannot be compiled ({_reason(error)}); {INSTEAD}") from error

    @cached_property
    def _call(self) -> Callable[[nn.Module, Tensor], Tensor]:
        """torch's compiler, which takes as long to import as torch itself."""
        from torch import _dynamo

        if _dynamo.config.disable:  # it would hand the network back as it is
            raise BadInput(f"compute.compile: torch's compiler is switched off (TORCH_COMPILE_DISABLE); {INSTEAD}")
        _dynamo.reset()  # graphs of this process's other runs are not counted towards this one's
        options: dict[str, Any] | None = {"fallback_random": True} if self.backend == "inductor" else None
        return torch.compile(_pass, fullgraph=True, dynamic=False, backend=self.backend, options=options)


@contextlib.contextmanager
def _strict(most: int) -> Iterator[None]:
    """So many graphs, then an error, of which torch says nothing else; hooks that come or go later are noticed."""
    loggers = [logging.getLogger(name) for name in TALKATIVE]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with torch._dynamo.config.patch(recompile_limit=most, skip_nnmodule_hook_guards=False):
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextlib.contextmanager
def _swapped_buffers(model: nn.Module) -> Iterator[None]:
    """Have a pass move copies of the model's buffers, and then the copies have the values of before.

    A compiled backward pass may compute again what the forward pass read, and torch does not see that a buffer has been
    moved since: gradients would be wrong without a word (pytorch/pytorch#197039; a norm that trains on its running
    averages, batch_renorm, shows it). What it keeps are the copies.
    """
    places = [(m._buffers, name, b) for m in model.modules() for name, b in m._buffers.items() if b is not None]
    own = list({id(b): b for _, _, b in places}.values())
    copies = [b.clone() for b in own]
    copy_of = dict(zip(map(id, own), copies, strict=True))
    for slots, name, buffer in places:
        slots[name] = copy_of[id(buffer)]
    try:
        yield
    finally:
        for slots, name, buffer in places:
            slots[name] = buffer
        if own:
            before = [b.clone() for b in own]
            torch._foreach_copy_(own, copies)
            torch._foreach_copy_([c.data for c in copies], before)  # `data`: the backward pass is to have them so


def _pass(model: nn.Module, x: Tensor) -> Tensor:
    logits: Tensor = model(x)
    return logits


def _reason(error: BaseException) -> str:
    """What went wrong first, in a line, with the line of the network's code where torch says it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    places = [line for line in lines if re.match(r'File ".*", line \d+', line)]
    while error.__cause__ is not None:
        error = error.__cause__
        lines = [line.strip() for line in str(error).splitlines() if line.strip()] or lines
    said = next((line for line in lines if not line.endswith(":")), type(error).__name__)  # after «X raised:»
    return f"{said} {places[-1]}" if places else said


def network(run: "Run") -> Callable[[Tensor], Tensor]:
    """Return what a step passes images through: the model, or what compiles it; BadInput where there are too many."""
    if not run.compute.compile:
        return run.model
    needed = graphs(run)
    if needed > MOST:
        raise BadInput(
            f"compute.compile: each of the {needed} sizes of a batch, or parts of one, or of its images in this run "
            f"would be compiled for itself, and {MOST} are the most; data.last_batch=drop leaves smaller last batches "
            f"out; {INSTEAD}"
        )
    return Compiled(run.model, needed)


def graphs(run: "Run") -> int:
    """Return how many graphs a run needs: one for each shape, or for each part where modules are told which it is."""
    shapes = run.knobs.shapes(run.epochs)
    parts = {(a, b, shape) for shape in shapes for a, b in parts_of(shape.images, run.micro_batch)}
    told = run.micro_batch is not None and any(isinstance(m, InParts) for m in run.model.modules())
    return len(parts) if told else len({(stop - start, shape.size) for start, stop, shape in parts})


def rehearse(run: "Run") -> None:
    """Compile for every shape of a batch before anything is written; warn where the run is too short to repay it."""
    if not isinstance(run.network, Compiled):
        return
    shapes = run.knobs.shapes(run.epochs)
    usual = max(shapes, key=lambda shape: shapes[shape])
    started = time.monotonic()
    for shape in shapes:
        tried(run, run.network, shape)
    took = time.monotonic() - started
    if run.compute.capture:  # there a step costs less than either pass
        return
    eager, compiled = (_seconds(run, forward, usual) for forward in (run.model, run.network))
    saved = (eager - compiled) * run.epochs * run.knobs.n / usual.images
    if saved < took:
        warn_once(
            f"compute.compile: compiling took {took:.0f} s, and saves this run about {max(saved, 0):.0f} s "
            f"({eager:.2g} s a batch without, {compiled:.2g} s with)"
        )


def _seconds(run: "Run", forward: Callable[[Tensor], Tensor], shape: Shape) -> float:
    """How long a batch takes, the median of a few."""
    times = []
    for _ in range(TIMED):
        started = time.monotonic()
        tried(run, forward, shape)
        times.append(time.monotonic() - started)
    return sorted(times)[TIMED // 2]


def tried(run: "Run", forward: Callable[[Tensor], Tensor], shape: Shape) -> None:
    """Pass a blank batch, as a step meets it, forward and backward; the model stays as it was."""
    before = [buffer.clone() for buffer in run.model.buffers()]
    run.model.train()
    try:
        for part in _blank_parts(run, shape):
            with run.compute.autocast():
                logits = forward(part)
            logits.float().sum().backward()
        if run.compute.device.type == "cuda":
            torch.cuda.synchronize()
    finally:
        run.model.zero_grad(set_to_none=True)
        for buffer, saved in zip(run.model.buffers(), before, strict=True):
            buffer.copy_(saved)


def _blank_parts(run: "Run", shape: Shape) -> Iterator[Tensor]:
    """Yield the parts of a blank batch in the memory format that augmentations leave, each announced."""
    device, n, size = run.compute.device, run.knobs.n, shape.images
    tables, _ = augmented.begin(run, torch.arange(n), 0)
    images = torch.zeros(size, *run.splits.train.shape, dtype=torch.uint8, device=device)
    labels = torch.zeros(size, dtype=torch.int64, device=device)
    x, _ = augmented.batch(run, images, labels, augmented.rows(tables, 0, size), shape.size)
    for start, stop in parts_of(size, run.micro_batch):
        if run.micro_batch is not None:
            announce(run.model, start, stop, size)
        yield x[start:stop]
