"""A config becomes a Run: nowhere else do names become objects, and nothing behind it sees the config.

`configs/<place>/<x>.yaml` names a file under tricks/<place>/ (or models/), and that file defines one public class or
function. Nothing else can be named: a config, from whomever, reaches only what this tree holds.
"""

import functools
import hashlib
import importlib
import inspect
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from runner import randomness
from runner.config.places import (
    KNOBS,
    PLACES,
    AfterInit,
    BeginHook,
    Inference,
    MomentumGain,
    Place,
    UpdateCheck,
    having,
)
from runner.config.schema import Config, Option, parse_spend
from runner.config.typed import checked
from runner.data.split import Splits
from runner.errors import BadInput, nearest, suggest
from runner.training import rehearse
from runner.training.compute import Compute
from runner.training.knobs import Knobs, Payer
from runner.training.run import Run

ROOT = Path(__file__).resolve().parents[2]


def file_of(folder: str, name: str) -> Path:
    """Return the file that an option's name stands for. BadInput unless it is an identifier that exists there."""
    path = ROOT / folder / f"{name}.py"
    if not name.isidentifier() or name.startswith("_") or not path.is_file():
        known = sorted(p.stem for p in (ROOT / folder).glob("[!_]*.py"))
        raise BadInput(f"{folder.rpartition('/')[2]}: no file {folder}/{name}.py{nearest(name, known)}")
    return path


def target(folder: str, name: str) -> Any:
    """Return the one public class or function that an option's file defines."""
    module = importlib.import_module(".".join(file_of(folder, name).relative_to(ROOT).with_suffix("").parts))
    public = [
        value
        for key, value in vars(module).items()
        if not key.startswith("_") and _is_definition(value) and value.__module__ == module.__name__
    ]
    assert len(public) == 1, f"{folder}/{name}.py must define one public class or function, and defines {len(public)}"
    return public[0]


def _is_definition(value: object) -> bool:
    return inspect.isclass(value) or inspect.isfunction(value)


def hints(definition: Any) -> dict[str, Any]:
    """Return the types of the arguments of a class or function, by their names."""
    return typing.get_type_hints(definition.__init__ if inspect.isclass(definition) else definition)


def files(config: Config) -> dict[str, str]:
    """Return the SHA-256 of each file of models/ and tricks/ that a config uses."""
    paths = [file_of("models", config.model.name), *(ROOT / "models").glob("_[!_]*.py")]
    paths += [file_of(f"tricks/{place}", option.name) for place, option in _options(config)]
    return {str(p.relative_to(ROOT)): hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(set(paths))}


def _options(config: Config) -> Iterator[tuple[str, Option]]:
    """Yield every trick of a config with its place, those inside others (a schedule's `then`) included."""
    for place in PLACES:
        chosen = getattr(config, place)
        several = chosen.values() if isinstance(chosen, Mapping) else chosen if isinstance(chosen, tuple) else [chosen]
        for option in several:
            yield from ((place, each) for each in _nested(option))


def _nested(option: Option | None) -> Iterator[Option]:
    """Yield an option, and those among its arguments (a schedule's `then`)."""
    if option is not None:
        yield option
        for argument in option.arguments.values():
            yield from _nested(argument) if isinstance(argument, Option) else ()


def _where(place: str, option: Option, within: str | None) -> str:
    return within or (f"{place}.{option.name}" if place in PLACES and PLACES[place].many else place)


def make(place: str, option: Option, within: str | None = None, **given: Any) -> Any:
    """Make the object of an option: instantiate its class, or bind the arguments of its function or factory.

    `given` are arguments that the runner adds where the signature has them. BadInput names the key that is wrong.
    """
    where = _where(place, option, within)
    definition = target("models" if place == "model" else f"tricks/{place}", option.name)
    parameters = inspect.signature(definition).parameters
    types = hints(definition)
    arguments: dict[str, Any] = {k: v for k, v in given.items() if k in parameters}
    for key, value in option.arguments.items():
        if key not in parameters or key in given:
            known = [p for p in parameters if p not in given]
            raise BadInput(f"unknown key {where}.{key}{suggest(key, known)}")
        if isinstance(value, nn.Module):
            arguments[key] = value
        elif isinstance(value, Option):
            arguments[key] = make(place, value, f"{where}.{key}", **given)
        else:
            arguments[key] = checked(f"{where}.{key}", types.get(key, Any), value)
    if _is_the_object(definition, PLACES.get(place)):
        return functools.partial(definition, **arguments)
    return rehearse.called(where, definition, **arguments)


def _is_the_object(definition: Any, place: Place | None) -> bool:
    """Whether a class or function is itself what stands at the place, and not what it makes.

    A seam's factory is, for the network calls it; a function is, unless the place is one whose functions make the
    object. A network has no place: it is what its class makes.
    """
    if place is None or place.maker:
        return False
    return place.factory or not inspect.isclass(definition)


def build(config: Config, splits: Splits, compute: Compute) -> Run:
    """Make a run that stands at its beginning, on its device. BadInput for whatever in the config cannot be."""
    model = build_model(config, splits.train.shape[0], len(splits.classes))
    cost = rehearse.cost(model, splits.train.shape)
    augment, penalty = _several("augment", config.augment), _several("penalty", config.penalty)
    rehearse.augmentations(augment, splits.train.shape, len(splits.classes))
    rehearse.penalties(penalty, model)
    compute.to_device(model)
    optimizer = _optimizer(config, model, splits.train.n)
    run = Run(
        seed=config.seed,
        epochs=config.epochs,
        splits=splits,
        compute=compute,
        model=model,
        cost=cost,
        knobs=knobs_of(config, optimizer, splits.train.n),
        optimizer=optimizer,
        augment=augment,
        loss=make("loss", config.loss),
        penalty=penalty,
        gradient=_several("gradient", config.gradient),
        hook=_several("hook", config.hook, total_epochs=float(config.epochs)),
        inference=_inferences(config),
        scaler=torch.amp.GradScaler(compute.device.type) if compute.precision == "fp16" else None,
        micro_batch=config.micro_batch,
    )
    rehearse.micro_batches(run)
    rehearse.memory(run)
    rehearse.results(run)
    for name, hook in having(run.hook, BeginHook):
        rehearse.called(f"hook.{name}", hook.begin, run)
    return run


def build_model(config: Config, in_channels: int, num_classes: int) -> nn.Module:
    """Make the network, fill its seams and initialise it, on the CPU (or the meta device, in its context)."""
    seams = {place: getattr(config, place) for place in PLACES if PLACES[place].factory}
    chosen = {place: make(place, option) for place, option in seams.items() if option is not None}
    parameters = inspect.signature(target("models", config.model.name)).parameters
    for place in chosen:
        if place not in parameters:
            raise BadInput(f"{place}: the network {config.model.name} has no such seam")
    factories = rehearse.factories(chosen)
    given: dict[str, Any] = {place: factories.get(place) for place in seams}
    randomness.rekey(torch.device("cpu"), config.seed, "init")
    try:
        model: nn.Module = make("model", config.model, in_channels=in_channels, num_classes=num_classes, **given)
    except (RuntimeError, MemoryError) as error:
        reason = str(error).partition("\n")[0]
        raise BadInput(f"model: the network {config.model.name} cannot be made with these sizes ({reason})") from None
    rehearse.seams(factories, config.model.name)
    for name, init in _several("init", config.init).items():
        randomness.rekey(torch.device("cpu"), config.seed, "init", name)
        rehearse.called(f"init.{name}", init, model)
        for module in model.modules():
            if isinstance(module, AfterInit):
                rehearse.called(f"init.{name}", module.after_init)
    return model


def _several(place: str, options: tuple[Option, ...], **given: Any) -> dict[str, Any]:
    return {option.name: make(place, option, **given) for option in options}


def _inferences(config: Config) -> dict[str, Inference]:
    def infer(models: list[nn.Module], option: Option) -> nn.Module:
        module: nn.Module = make("inference", option, models=models)
        return module

    return {_shown(option): functools.partial(infer, option=option) for option in config.inference}


def _shown(option: Option) -> str:
    """Return an inference's name in results, with the arguments that are not their defaults: `crops(pad=2)`."""
    defaults = inspect.signature(target("tricks/inference", option.name)).parameters
    others = [f"{k}={v}" for k, v in option.arguments.items() if k in defaults and v != defaults[k].default]
    return f"{option.name}({', '.join(others)})" if others else option.name


def _optimizer(config: Config, model: nn.Module, n: int) -> torch.optim.Optimizer:
    groups = rehearse.called("groups", make("groups", config.groups), model)
    trained = [p for p in model.parameters() if p.requires_grad]
    assert sorted(id(p) for g in groups for p in g["params"]) == sorted(map(id, trained)), "groups: each parameter once"
    given = {"groups": groups, "n": n, "batch_size": config.batch_size, "total_epochs": float(config.epochs)}
    optimizer: torch.optim.Optimizer = make("optimizer", config.optimizer, None, **given)
    return optimizer


def plan(config: Config, n: int) -> Knobs:
    """Make the knobs of a run over n training images without its network: the optimizer holds one number."""
    length: dict[str, Any] = {"n": n, "batch_size": config.batch_size, "total_epochs": float(config.epochs)}
    groups = [{"params": [nn.Parameter(torch.zeros(1))]}]
    return knobs_of(config, make("optimizer", config.optimizer, groups=groups, **length), n)


def knobs_of(config: Config, optimizer: torch.optim.Optimizer, n: int) -> Knobs:
    """Make the knobs of a config over n training images; their base values are the optimizer's defaults.

    BadInput where they cannot be, or make a run too short for the optimizer.
    """
    if config.batch_size > n:
        raise BadInput(f"batch_size: {config.batch_size} is more than the {n} training images; choose at most {n}")
    defaults = optimizer.defaults
    base = {"lr": defaults["lr"], "batch_size": config.batch_size}
    if "betas" in defaults or "momentum" in defaults:
        base["momentum"] = defaults["momentum"] if "momentum" in defaults else defaults["betas"][0]
    if "weight_decay" in defaults:
        base["weight_decay"] = defaults["weight_decay"]
    assert set(base) <= set(KNOBS)
    schedules = {
        knob: make("schedule", option, f"schedule.{knob}", total_epochs=float(config.epochs))
        for knob, option in config.schedule.items()
    }
    payers = tuple(Payer(*each) for each in parse_spend(config.noise.spend)) if "noise_scale" in schedules else ()
    exponents = {"linear": 1.0, "sqrt": 0.5}
    scaling = (exponents[config.scale_with_batch], config.reference_batch) if config.scale_with_batch else None
    gain = optimizer.momentum_gain if isinstance(optimizer, MomentumGain) else None
    knobs = Knobs(base, schedules, n, config.data.last_batch == "drop", payers, scaling, gain)
    for knob in schedules.keys() - {"noise_scale"}:
        if not base.get(knob):
            has = f"{knob} 0" if knob in base else f"no {knob}"
            raise BadInput(f"schedule.{knob}: the optimizer {config.optimizer.name} has {has}, so nothing would change")
        if knob in (payer.knob for payer in payers):
            raise BadInput(
                f"schedule.{knob}: {knob} pays for the noise scale (noise.spend), and has no schedule of its own"
            )
    _check_payers(knobs, config.epochs)
    highest = max(knobs.at(epoch).get("momentum", 0.0) for epoch in range(config.epochs))
    if highest >= 1:
        raise BadInput(f"schedule.momentum: rises to {highest:g}; a momentum is below 1")
    largest = knobs.largest_batch(config.epochs)
    if largest > n:
        grows = "noise.spend: the batch" if payers else "schedule.batch_size:"
        raise BadInput(f"{grows} grows to {largest}, more than the {n} training images")
    if isinstance(optimizer, UpdateCheck):
        rehearse.called("optimizer", optimizer.check_updates, knobs.updates(config.epochs))
    return knobs


def _check_payers(knobs: Knobs, epochs: int) -> None:
    """Refuse what the payers cannot pay: it would be a schedule that is silently not followed."""
    for payer in knobs.payers:
        base = knobs.base.get(payer.knob)
        if not base:
            raise BadInput(
                f"noise.spend: the optimizer has {'no' if base is None else 'zero'} {payer.knob} to pay with"
            )
        if payer.knob == "momentum" and not knobs.momentum_pays:
            raise BadInput(
                "noise.spend: momentum cannot pay, for the noise scale of this optimizer is not known to grow as "
                "1 / (1 - momentum); let batch_size or lr pay"
            )
        if payer.cap == base or (payer.knob == "batch_size" and payer.cap is not None and payer.cap < base):
            raise BadInput(f"noise.spend: the cap {payer.cap:g} of {payer.knob} leaves it nothing to pay from {base:g}")
    if all(payer.cap is not None or payer.knob == "momentum" for payer in knobs.payers):  # a momentum ends at 0
        for epoch in range(epochs):
            if abs(knobs.unpaid(epoch) - 1) > 0.5 / knobs.base["batch_size"] + 1e-9:
                raise BadInput(
                    f"noise.spend: at epoch {epoch} all payers are at their caps, and the noise scale would not follow "
                    "its schedule; end with one that has no cap, such as lr"
                )
