"""Whether a run fits its GPU's memory, tried before anything is written."""

import gc
from collections.abc import Callable

import torch
from torch import Tensor

from tricktable.runner.config.abilities import having
from tricktable.runner.config.places import CoupledPenalty
from tricktable.runner.errors import BadInput
from tricktable.runner.training.evaluate import BATCH, every_epoch
from tricktable.runner.training.parts import batch_parts, together_in
from tricktable.runner.training.rehearse import one_step
from tricktable.runner.training.run import Run

CONTEXT = 600 * 2**20  # bytes that a process takes of a GPU beside its tensors (kernels, libraries). UNTESTED
SPARE = 1.1  # what a rehearsal on blank images does not see: passing tensors of augmentations and of the optimizer


def state_tensors(optimizer: torch.optim.Optimizer) -> int:
    """Return how many tensors of a parameter's shape an optimizer keeps; it is tried on the number that it holds."""
    one_step(optimizer)
    (parameter,) = optimizer.param_groups[0]["params"]
    kept = optimizer.state.get(parameter, {}).values()
    return sum(isinstance(value, Tensor) and value.shape == parameter.shape for value in kept)


def rehearsed(run: Run, states: int) -> int:
    """Try on a GPU whether training on the largest batch fits its memory, and evaluating; the bytes that a run takes.

    states: of each parameter's shape, what the optimizer will keep. Images are of their own size, an upper bound where
    that has a schedule.
    """
    gc.collect()  # a run that was tried before this one
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    whole = run.knobs.largest_batch(run.epochs)
    shares = batch_parts(whole, None, run.compute.processes, together_in(run.model.train()))
    largest = run.micro_batch or max(stop - start for start, stop in shares)
    kept = [p for p in run.parameters for _ in range(states - len(run.optimizer.state.get(p, {}))) if p.requires_grad]
    held: list[Tensor] = []

    def attempt(images: int) -> None:
        held[:] = [torch.empty_like(p) for p in kept]
        _try(run, images)

    fits = fitting(largest, attempt)
    trained, stays = torch.cuda.max_memory_reserved(), torch.cuda.memory_reserved()
    torch.cuda.reset_peak_memory_stats()
    shown = min(BATCH, run.splits.test.n)
    if fits == largest and not fitting(shown, lambda images: _evaluate(run, images)) == shown:
        raise BadInput(f"data: evaluating {shown} images at once, as a run does, does not fit this GPU's memory")
    held.clear()
    if fits < largest:
        way = f"{fits} do: micro_batch={fits} takes as many at once, to the same gradients" if fits else "nor does one"
        raise BadInput(f"batch_size: {largest} images do not fit this GPU's memory, {way}")
    return needed(trained, torch.cuda.max_memory_reserved(), stays, run.compute.capture)


def needed(trained: int, evaluated: int, stays: int, capture: bool) -> int:
    """Bytes of a GPU that a run takes: from the most at training and at evaluating, and what stays between them.

    A recording keeps the memory of its pass, so that what evaluating takes comes on top.
    """
    most = trained + evaluated - stays if capture else max(trained, evaluated)
    return CONTEXT + int(SPARE * most)


def fitting(images: int, attempt: Callable[[int], None]) -> int:
    """Return the first of images, half of them, a quarter ... with which `attempt` has memory enough; 0 for none."""
    while images:
        try:
            attempt(images)
            return images
        except torch.OutOfMemoryError:
            images //= 2
    return 0


def _try(run: Run, images: int) -> None:
    """Pass blank images forward and backward; the model stays as it was."""
    before = [buffer.clone() for buffer in run.model.buffers()]
    try:
        blank = torch.zeros(images, *run.splits.train.shape, dtype=torch.uint8, device=run.compute.device)
        with run.compute.autocast(), run.counters.tried():
            logits = run.model.train()(run.prepare(blank))
        loss = logits.float().mean()
        for _, penalty in having(run.penalty, CoupledPenalty):
            loss = loss + penalty.loss(run.model)
        loss.backward()
    finally:
        run.model.zero_grad(set_to_none=True)
        for buffer, saved in zip(run.model.buffers(), before, strict=True):
            buffer.copy_(saved)
        torch.cuda.empty_cache()


@torch.no_grad()
def _evaluate(run: Run, images: int) -> None:
    """Pass blank images through the inference of every epoch."""
    _, module = every_epoch(run)
    blank = torch.zeros(images, *run.splits.test.shape, dtype=torch.uint8, device=run.compute.device)
    with run.compute.autocast():
        module.eval()(run.prepare(blank))
    run.model.train()
    torch.cuda.empty_cache()
