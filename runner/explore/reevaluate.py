"""`tricktable evaluate`: finished runs evaluated again, by other inferences or on other images, without training.

Rows are added to the run's evaluations.csv; what is there, and the run's own results, stay as they are.
"""

import inspect
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import torch

from tricktable.runner import data
from tricktable.runner.config import schema
from tricktable.runner.config.compose import compose
from tricktable.runner.config.overrides import Overrides
from tricktable.runner.config.schema import Config, DataConfig, Option
from tricktable.runner.data.draw import Absent, Split
from tricktable.runner.data.source import Arrays, Files, Origin
from tricktable.runner.data.split import Splits, only_test, split
from tricktable.runner.disk import atomic, lock, meant, record, runs, seal
from tricktable.runner.disk.code import changed
from tricktable.runner.disk.evaluation import Evaluation
from tricktable.runner.disk.runs import StoredRun
from tricktable.runner.disk.summary import Result
from tricktable.runner.errors import BadInput, DataProblem
from tricktable.runner.training import build, compute, evaluate, objects, rehearse
from tricktable.runner.training.predictions import Predictions
from tricktable.runner.training.run import Run

# Of the run's own data: where it lies and how it is read.
SAME_DATA = ("path", "download", "stream", "workers")
KEPT = ("inference", "data", "compute", "output")
# Hears of each evaluation: the run, its images, the result, and what was predicted of each test image.
Listener = Callable[[StoredRun, Splits, Result, Predictions], None]


@dataclass(frozen=True)
class Request:
    """What was typed: the keys, and the config that they make together with the defaults."""

    keys: frozenset[str]
    config: Config

    def has(self, group: str) -> bool:
        """Whether a key of this group was typed."""
        return any(key.split(".")[0] == group for key in self.keys)


def read(overrides: Sequence[str]) -> Request:
    """The overrides of `evaluate`; BadInput for a key that belongs to training."""
    keys = Overrides(overrides).keys
    for key in sorted(keys):
        if key.split(".")[0] not in KEPT:
            raise BadInput(f"{key}: a finished run keeps its own; here are inference, data, compute and output.root")
        if key.startswith("data.") and "data" not in keys and key.split(".")[1] not in SAME_DATA:
            raise BadInput(f"{key}: a finished run keeps its own split; choose other images with data=...")
    return Request(keys, compose(overrides))


def evaluations(
    text: str, overrides: Sequence[str], listener: Listener | None = None
) -> list[tuple[StoredRun, list[Evaluation]]]:
    """Evaluate the runs that a folder, id or glob stands for; each with its evaluations, which are then on disk."""
    request = read(overrides)
    return [(run, evaluated(run, request, (), listener)) for run in meant.some(text, Path(request.config.output.root))]


def together(
    text: str, overrides: Sequence[str], listener: Listener | None = None
) -> list[tuple[StoredRun, list[Evaluation]]]:
    """Evaluate the runs that a text stands for as one ensemble; the evaluations are the first run's, by name."""
    request = read(overrides)
    first, *others = meant.some(text, Path(request.config.output.root))
    if not others:
        raise BadInput(f"{text}: an ensemble is of several runs, and this is one")
    if not request.has("inference"):
        raise BadInput("--together: name an inference that takes several models, such as inference=[ensemble]")
    return [(first, evaluated(first, request, others, listener))]


def evaluated(
    stored: StoredRun, request: Request, members: Sequence[StoredRun] = (), listener: Listener | None = None
) -> list[Evaluation]:
    """Evaluate one run as was typed; its evaluations are then on disk.

    members: runs whose models join its own, variant by variant: one ensemble of them all. BadInput where these lack a
    variant, or were trained on other images.
    """
    run = _together(stored, request, members) if members else rebuilt(stored, request)
    key = schema.images_key(request.config.data) if "data" in request.keys else None
    ids = " ".join(each.id for each in members) or None
    made = []
    for result, predictions in evaluate.predicted(run, None):
        made.append(_evaluation(run, result, key, ids))
        if listener is not None:
            listener(stored, run.splits, result, predictions)
    _add(stored, made)
    return made


def rebuilt(stored: StoredRun, request: Request) -> Run:
    """A finished run with its models and variants, as at its end, and the images that were typed; nothing trains it."""
    return _ended(stored, _begun(stored, request))


def restored(stored: StoredRun, request: Request) -> Run:
    """A finished run as `rebuilt`, for other images than its own: these are not read, where that can be.

    It can where the source says how large they are, and no hook computes anything of them any more.
    """
    size = data.side(stored.settings.data)
    if size is not None:
        try:
            return _ended(stored, _begun(stored, request, size))
        except DataProblem:
            pass  # something asked for an image
    return rebuilt(stored, request)


def _ended(stored: StoredRun, run: Run) -> Run:
    saved = stored.checkpoint()
    run.load_models(saved.tensors, saved.state)
    run.finish()
    return run


def initial(stored: StoredRun, request: Request) -> Run:
    """A finished run with its model as it was before the first step, made again from the seed; else as `rebuilt`.

    BadInput for one that began with another run's weights: that run may be gone.
    """
    for option in stored.settings.init:
        if objects.run_arguments("init", option):
            raise BadInput(
                f"{stored.id}: it began with another run's weights (init.{option.name}), and not from its seed"
            )
    return _begun(stored, request)


def _begun(stored: StoredRun, request: Request, size: tuple[int, int] | None = None) -> Run:
    try:
        return _built(stored, request, size)
    except BadInput as error:
        raise BadInput(f"{stored.id}: {error}") from None


def _built(stored: StoredRun, request: Request, size: tuple[int, int] | None) -> Run:
    """The run as it was, with what was typed; of the parts that train, the plainest.

    size: height and width of its images, where these are not to be read.
    """
    config, typed = stored.settings, request.config
    plainest = compose([])
    config = replace(
        config,
        inference=typed.inference if request.has("inference") else config.inference,
        compute=typed.compute if request.has("compute") else config.compute,
        data=_same_data(config.data, request),
        init=tuple(each for each in config.init if not objects.run_arguments("init", each)),
        augment=(),
        penalty=(),
        gradient=(),
        loss=plainest.loss,
        optimizer=plainest.optimizer,
        schedule={},
    )
    resolved = compute.resolve(config.compute)
    compute.apply(resolved)
    own = _own(stored, config.data, resolved.device) if size is None else _absent(stored, size, resolved.device)
    if size is not None:
        config = replace(config, init=tuple(each for each in config.init if not _takes_images(each)))
    run = build.build(config, own, resolved)
    _warn_of_changed_code(stored, config)
    if "data" in request.keys:
        source = data.load(typed.data)
        run.splits = _other(own, source, only_test(source, typed.data, resolved.device))
        rehearse.cost(run.model, run.splits.test.shape)
    return run


def _own(stored: StoredRun, config: DataConfig, device: torch.device) -> Splits:
    """The images that it trained on."""
    own = split(data.load(config), config, device)
    if own.fingerprint != stored.summary.data.fingerprint:
        raise BadInput(f"data: these are not the images that it trained on ({own.title}, {own.fingerprint[:19]})")
    return own


def _absent(stored: StoredRun, size: tuple[int, int], device: torch.device) -> Splits:
    """What its summary says of them, without any image."""
    told = stored.summary.data
    shape = (len(told.mean), *size)
    return Splits(
        train=Absent(told.train, shape, device),
        validation=Absent(told.validation, shape, device) if told.validation else None,
        test=Absent(told.test, shape, device),
        mean=torch.tensor(told.mean, device=device),
        std=torch.tensor(told.std, device=device),
        classes=tuple(told.class_names) or tuple(map(str, range(told.classes))),
        title=told.title,
        fingerprint=told.fingerprint,
        origin=Origin(told.dataset, told.copy, told.complete, told.archive),
    )


def _takes_images(init: Option) -> bool:
    """Whether an initialisation looks at training images; a saved state follows, and so it is not missed."""
    return "images" in inspect.signature(objects.target("tricks/init", init.name)).parameters


def _same_data(own: DataConfig, request: Request) -> DataConfig:
    """The run's own data, read from where was typed.

    Its config may be anybody's: what it says is read where it is there, and nothing is fetched that was not typed.
    """
    keys = () if "data" in request.keys else SAME_DATA
    typed = {key: getattr(request.config.data, key) for key in keys if f"data.{key}" in request.keys}
    return replace(own, **{"download": False, **typed})


def _other(own: Splits, source: Arrays | Files, test: Split) -> Splits:
    """Other images to test on; normalised and selected on the run's own."""
    for what, a, b in (
        ("classes", len(own.classes), len(source.classes)),
        ("channels", own.train.shape[0], test.shape[0]),
    ):
        if a != b:
            raise BadInput(f"data: {source.title} has {b} {what}, and the network was trained for {a}")
    return replace(own, test=test, title=source.title, fingerprint=source.fingerprint, origin=source.origin)


def _warn_of_changed_code(stored: StoredRun, config: Config) -> None:
    now, then = objects.files(config), stored.info.identity.code
    files = [name for name in changed(then, now) if name in now and name in then]
    if files:
        print(f"warning: {stored.id}: {', '.join(files)} changed since it trained", file=sys.stderr)


def _together(stored: StoredRun, request: Request, members: Sequence[StoredRun]) -> Run:
    """The run with the models of all, and inferences that each take a variant of theirs."""
    alone = replace(request, keys=frozenset(key for key in request.keys if key.split(".")[0] != "inference"))
    run = rebuilt(stored, alone)
    for each in members:
        _join(run, stored, rebuilt(each, alone), each)
    run.inference = build.inferences(request.config)
    rehearse.variants(run, {name: len(models) for name, models in run.variants.items()})
    return run


def _join(run: Run, stored: StoredRun, other: Run, member: StoredRun) -> None:
    """Add another run's models to a run's; they take images normalised as its own, which are the same."""
    if member.summary.data.fingerprint != stored.summary.data.fingerprint or not torch.equal(
        run.splits.mean, other.splits.mean
    ):
        raise BadInput(f"{member.id}: trained on other images than {stored.id}; their models cannot be one ensemble")
    if run.variants.keys() != other.variants.keys():
        raise BadInput(f"{member.id}: its models are {', '.join(other.variants)}, and those of {stored.id} others")
    run.variants = {name: [*models, *other.variants[name]] for name, models in run.variants.items()}


def _evaluation(run: Run, result: Result, images_key: str | None, members: str | None) -> Evaluation:
    return Evaluation(
        **result.plain(),
        data=run.splits.title,
        fingerprint=run.splits.fingerprint,
        **asdict(run.splits.origin),
        images_key=images_key,
        members=members,
        device=run.compute.device.type,
        precision=run.compute.precision,
        evaluated=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _add(stored: StoredRun, made: Sequence[Evaluation]) -> None:
    """Append what is not there yet."""
    path = stored.files.evaluations
    with atomic.storage(path):
        handle = lock.take(stored.folder)
    try:
        now = runs.at(stored.folder) or stored  # another process may have added some in the meantime
        known = [_key(each) for each in now.evaluations]
        new = [asdict(each) for each in made if _key(each) not in known]
        if new:
            seal.renew(stored.folder, path.name, record.extended(path, new))
    finally:
        lock.release(handle)


def _key(evaluation: Evaluation) -> tuple[str | None, ...]:
    images = evaluation.fingerprint, evaluation.images_key
    return evaluation.variant, evaluation.inference, *images, evaluation.members
