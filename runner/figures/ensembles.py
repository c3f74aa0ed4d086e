"""the test error of an ensemble by the number of its models, beside that of each model alone

Huang et al. 2017 (Snapshot Ensembles), arXiv:1704.00109, section 3: of M models the last m are averaged,

    h_ensemble(x) = 1/m sum_{i=0}^{m-1} softmax(h_{M-i}(x)),    m = 1..M

One run: the models of a variant that has several, such as the snapshots at the ends of its cycles, the newest first.
Several: their final models, in the order in which the runs are given.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from tricktable.runner.disk.runs import StoredRun
from tricktable.runner.errors import BadInput
from tricktable.runner.explore import reevaluate
from tricktable.runner.explore.reevaluate import Request
from tricktable.runner.figures.figure import Figure, used
from tricktable.runner.report.drawing import Colours, Plot, dash, prepare
from tricktable.runner.training import evaluate
from tricktable.runner.training.run import Run


@dataclass(frozen=True)
class Member:
    """What joins as number m: errors in percent and losses (nats) of it alone, and of the ensemble with it."""

    models: int
    model: str
    alone_error: float
    alone_loss: float
    ensemble_error: float
    ensemble_loss: float


def ensembles(runs: Sequence[StoredRun], images: Request) -> Figure:
    """Draw the test errors of ensembles of 1, 2 ... models, and of the models. BadInput where there is but one."""
    used(images, "ensembles", "data", "compute")
    if len(runs) > 1:
        variants = _of_runs(runs, images)
        title, order = "Test error of an ensemble of runs", "m, runs in the order given"
    else:
        variants = _of_snapshots(runs[0], images)
        title, order = "Test error of an ensemble: {}", "m, from the newest model to the oldest"
    plots = tuple(_plot(title.format(name), members, order) for name, members in variants.items())
    records = ({"variant": name, **vars(each)} for name, members in variants.items() for each in members)
    return Figure(plots, tuple(records))


def _of_snapshots(stored: StoredRun, images: Request) -> dict[str, list[Member]]:
    """The members of each variant with several models, by its name."""
    run = reevaluate.rebuilt(stored, images)
    several = {name: models for name, models in run.variants.items() if len(models) > 1}
    if not several:
        raise BadInput(f"ensembles: {stored.id} has no variant of several models; take several runs, or one with them")
    found = {}
    for name, models in several.items():
        names = [f"{name} {number} of {len(models)}" for number in range(len(models), 0, -1)]
        parts = [_probabilities(run, model) for model in reversed(models)]
        found[name] = joined(names, parts, _labels(run))
    return found


def _of_runs(runs: Sequence[StoredRun], images: Request) -> dict[str, list[Member]]:
    """The runs' final models, which must know the same test images."""
    parts: list[Tensor] = []
    tested: list[tuple[str, Tensor]] = []
    for stored in runs:
        run = reevaluate.rebuilt(stored, images)
        tested.append((run.splits.fingerprint, _labels(run)))
        if tested[-1][0] != tested[0][0] or not torch.equal(tested[-1][1], tested[0][1]):
            raise BadInput(f"ensembles: {stored.id} has other test images ({run.splits.title}) than {runs[0].id}")
        parts.append(_probabilities(run, run.evaluated))
    return {"final": joined([stored.id for stored in runs], parts, tested[0][1])}


def _probabilities(run: Run, model: nn.Module) -> Tensor:
    """Of the test images: float64 N K, on the CPU."""
    found = [torch.softmax(logits.double().cpu(), 1) for logits, _ in evaluate.outputs(run, model, run.splits.test)]
    return torch.cat(found)


def _labels(run: Run) -> Tensor:
    return run.splits.test.labels.cpu()


def joined(names: Sequence[str], probabilities: Sequence[Tensor], labels: Tensor) -> list[Member]:
    """The members in the order in which they join, from each model's probabilities N K and the labels int64 N."""
    return list(_joining(names, probabilities, labels))


def _joining(names: Sequence[str], probabilities: Sequence[Tensor], labels: Tensor) -> Iterator[Member]:
    total = torch.zeros_like(probabilities[0])
    for m, (name, alone) in enumerate(zip(names, probabilities, strict=True), 1):
        total += alone
        yield Member(m, name, *_figures(alone, labels), *_figures(total / m, labels))


def _figures(p: Tensor, labels: Tensor) -> tuple[float, float]:
    """Error in percent and cross-entropy, of probabilities N K."""
    wrong = (p.argmax(1) != labels).double().mean().item()
    return 100 * wrong, -p.gather(1, labels[:, None]).log().mean().item()


def _plot(title: str, members: Sequence[Member], order: str) -> Plot:
    m = [each.models for each in members]

    def draw(figure: Any, colours: Colours) -> None:
        panel = prepare(figure.subplots(), colours, order, "test error, %", counted=True)
        for i, values in enumerate(([each.ensemble_error for each in members], [each.alone_error for each in members])):
            panel.plot(m, values, "o", color=colours.rows[i], markersize=4)
            panel.plot(m, values, color=colours.rows[i], linestyle=dash(i), linewidth=1.5)

    first, last = members[0], members[-1]
    words = (
        f"The test error is {first.alone_error:.2f}% of {first.model} alone and {last.ensemble_error:.2f}% of the "
        f"ensemble of all {len(members)}; alone they have {min(each.alone_error for each in members):.2f} to "
        f"{max(each.alone_error for each in members):.2f}%."
    )
    labels = ("ensemble of models 1 to m", "model m alone")
    return Plot(title, words, labels, draw, 2.6)
