"""`tricktable.load`: a finished run's network."""

import os
from pathlib import Path

from torch import nn

from tricktable.runner.config.abilities import Candidates
from tricktable.runner.disk import meant
from tricktable.runner.disk.runs import StoredRun
from tricktable.runner.errors import BadInput, suggest
from tricktable.runner.explore import reevaluate
from tricktable.runner.python.apart import apart
from tricktable.runner.python.classifier import Classifier
from tricktable.runner.python.images import Form
from tricktable.runner.training import evaluate
from tricktable.runner.training.run import Run


def load(
    run: str | os.PathLike[str],
    *,
    variant: str = "final",
    inference: str | None = None,
    device: str | None = None,
    root: str | os.PathLike[str] = "outputs",
) -> Classifier:
    """The network of a complete run, which is its folder, its id or the 8 digits at the id's end (looked for in root).

    variant: which of its models, such as `ema`. inference: which of its inferences by its name in the run's results, by
    default the first that takes the variant. device: auto, cpu or cuda, by default the run's own. The images that it
    was trained on are read only where their size is not known otherwise.
    """
    stored = meant.one(os.fspath(run), Path(root))
    with apart():
        request = reevaluate.read([] if device is None else [f"compute.device={device}"])
        made = reevaluate.restored(stored, request)
    if variant not in made.variants:
        raise BadInput(f"variant: {stored.id} has no {variant}{suggest(variant, made.variants)}")
    name, model = _inference(made, variant, inference)
    _choose(stored, variant, name, model)
    shape = made.splits.train.shape
    return Classifier(
        id=stored.id,
        variant=variant,
        inference=name,
        classes=tuple(made.splits.classes),
        shape=shape,
        mean=tuple(made.splits.mean.tolist()),
        std=tuple(made.splits.std.tolist()),
        config=stored.config,
        model=model.eval(),
        built=made,
        form=Form.of(stored.settings.data, shape),
    )


def _inference(made: Run, variant: str, wanted: str | None) -> tuple[str, nn.Module]:
    """The inference of this name, or the first that takes the variant."""
    taking = dict(evaluate.taking(made, made.variants[variant]))
    if wanted is None:
        return next(iter(taking.items()))
    if wanted not in taking:
        raise BadInput(f"inference: no {wanted} of this run takes its {variant}{suggest(wanted, taking)}")
    return wanted, taking[wanted]


def _choose(stored: StoredRun, variant: str, inference: str, model: nn.Module) -> None:
    """Set the candidate that the run picked on its validation split."""
    if not isinstance(model, Candidates) or not model.candidates:
        return
    for result in stored.summary.results:
        if (result.variant, result.inference) == (variant, inference) and result.picked is not None:
            model.choose(result.picked)
