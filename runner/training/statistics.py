"""Running averages of normalisations for weights that have not trained with them: averaged weights.

The average of weights makes activations of its own, and what was averaged while training is of other ones (Izmailov et
al. 2018, arXiv:1803.05407, section 3.2).
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from tricktable.runner import randomness
from tricktable.runner.training import augmented
from tricktable.runner.training.counters import Counters

if TYPE_CHECKING:
    from tricktable.runner.training.run import Run

PURPOSE = "statistics"  # what draws are keyed by; a step of the training has other keys


def recompute(run: "Run", model: nn.Module, edge: Callable[[], None]) -> None:
    """Replace the running averages of a model by the plain mean over the batches of one pass, as a step meets them.

    The batches have the last epoch's sizes and the run's augmentations; they are taken in micro-batches where the run
    has them, and the model is in training mode (dropout too). The draws are keyed by the number of updates, so that a
    pass at the same update is the same pass. `edge` is called after each batch. A model without running averages is
    left as it is, and so are those of a normalisation that stays in evaluation (init freeze).
    """
    run.processes.adapt(model)
    modes = [(module, module.training) for module in model.modules()]
    model.train()
    norms = [m for m in model.modules() if isinstance(m, _BatchNorm) and m.track_running_stats and m.training]
    momenta = [norm.momentum for norm in norms]
    try:
        if not norms:
            return
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # torch's word for the plain mean
        _pass(run, model, Counters(model), edge)
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        for module, training in modes:
            module.training = training


@torch.no_grad()
def _pass(run: "Run", model: nn.Module, counters: Counters, edge: Callable[[], None]) -> None:
    """Show the model the training set once."""
    n, at = run.knobs.n, run.clock.updates
    order = torch.randperm(n, generator=randomness.generator(run.seed, PURPOSE, "order", at))
    epoch = _last_epoch(run)
    device = run.compute.device
    tables, crop = augmented.begin(run, order, epoch, PURPOSE, at)
    batches = list(run.knobs.batches(epoch))
    drawn = run.processes.drawn(run.splits.train, batches, order, crop)
    for (start, stop), (images, labels) in zip(batches, drawn, strict=True):
        x, _ = augmented.batch(run, images, labels, augmented.rows(tables, start, stop))
        run.processes.key_draws(run.seed, PURPOSE, "noise", at, start)
        for _, part in run.processes.parts(model, len(x), run.micro_batch):
            randomness.rekey(device, run.seed, PURPOSE, "noise", at, start + part.start)
            with run.compute.autocast(), counters.held():
                model(x[part])
        run.processes.settled(model, len(x), run.micro_batch)
        edge()


def _last_epoch(run: "Run") -> int:
    """Return the epoch that the last step was in."""
    return run.clock.epoch if run.clock.position or not run.clock.epoch else run.clock.epoch - 1
