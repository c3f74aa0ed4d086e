"""A config becomes a Run: nothing behind it sees the config."""

import functools
import inspect
import sys
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from tricktable.runner import randomness
from tricktable.runner.config import rules
from tricktable.runner.config.abilities import AfterInit, MomentumGain, UpdateCheck, having
from tricktable.runner.config.places import KNOBS, PLACES, BeginHook, Inference
from tricktable.runner.config.schema import Config, Option
from tricktable.runner.data.split import Splits
from tricktable.runner.errors import BadInput
from tricktable.runner.training import eager, image_size, memory, objects, padding, rehearse
from tricktable.runner.training.compute import Compute, search
from tricktable.runner.training.knobs import Knobs, Payer
from tricktable.runner.training.parts import batch_parts, together_in
from tricktable.runner.training.run import Run


def build(config: Config, splits: Splits, compute: Compute) -> Run:
    """Make a run that stands at its beginning, on its device. BadInput for whatever in the config cannot be."""
    model = build_model(config, splits.train.shape[0], len(splits.classes), functools.partial(_some, splits))
    cost = rehearse.cost(model, splits.train.shape)
    augment = objects.several("augment", config.augment, mean=splits.mean, std=splits.std)
    penalty = objects.several("penalty", config.penalty)
    rehearse.augmentations(augment, splits)
    rehearse.penalties(penalty, model)
    if compute.precision == "fp16":
        rehearse.one_gradient(_optimizer_alone(config, splits.train.n))
    if compute.pad_channels is not None:
        padding.pad(model, compute.pad_channels, splits.train.shape)
    compute.to_device(model)
    optimizer = _optimizer(config, _groups(config, model), splits.train.n, len(splits.classes))
    run = Run(
        seed=config.seed,
        epochs=config.epochs,
        splits=splits,
        compute=compute,
        model=model,
        cost=cost,
        knobs=knobs_of(config, optimizer, splits.train.n, splits.train.shape[1:], image_size.stride_of(model)),
        optimizer=optimizer,
        augment=augment,
        loss=objects.make("loss", config.loss),
        penalty=penalty,
        gradient=objects.several("gradient", config.gradient),
        hook=objects.several("hook", config.hook, total_epochs=float(config.epochs)),
        inference=inferences(config),
        scaler=torch.amp.GradScaler(compute.device.type) if compute.precision == "fp16" else None,
        micro_batch=config.micro_batch,
    )
    rehearse.overflow(run)
    rehearse.micro_batches(run)
    rehearse.processes(run)
    image_size.rehearse(run)
    rehearse.smallest_batch(run)
    if compute.device.type == "cuda":
        together = together_in(model)
        shapes = {
            (b - a, size)
            for n, size in run.knobs.shapes(run.epochs)
            for a, b in batch_parts(n, run.micro_batch, compute.processes, together)
        }
        search(compute, len(shapes))
        run.memory = memory.rehearsed(run, memory.state_tensors(_optimizer_alone(config, splits.train.n)))
    rehearse.results(run)
    for name, hook in having(run.hook, BeginHook):
        rehearse.called(f"hook.{name}", hook.begin, run)
    return run


def build_model(
    config: Config, in_channels: int, num_classes: int, images: Callable[[int], torch.Tensor] | None = None
) -> nn.Module:
    """Make the network, fill its seams and initialise it, on the CPU (or the meta device, in its context).

    images: for an init that asks for them (places.Init). Without them values do not matter, for a saved state follows
    or only a count, and an init that starts from a finished run is left out.
    """
    seams = {place: getattr(config, place) for place in PLACES if PLACES[place].factory}
    chosen = {place: objects.make(place, option) for place, option in seams.items() if option is not None}
    parameters = inspect.signature(objects.target("models", config.model.name)).parameters
    for place in chosen:
        if place not in parameters:
            raise BadInput(f"{place}: the network {config.model.name} has no such seam")
    factories = rehearse.factories(chosen)
    given: dict[str, Any] = {place: factories.get(place) for place in seams}
    randomness.rekey(torch.device("cpu"), config.seed, "init")
    try:
        with rehearse.bounded():
            model: nn.Module = objects.make(
                "model", config.model, in_channels=in_channels, num_classes=num_classes, **given
            )
    except (RuntimeError, MemoryError) as error:
        reason = str(error).partition("\n")[0]
        raise BadInput(f"model: the network {config.model.name} cannot be made with these sizes ({reason})") from None
    rehearse.seams(factories, config.model.name)
    inits = [each for each in config.init if images is not None or not objects.run_arguments("init", each)]
    for name, init in objects.several("init", inits, images=images).items():
        randomness.rekey(torch.device("cpu"), config.seed, "init", name)
        said = rehearse.called(f"init.{name}", init, model)
        if said:
            print(f"init.{name}: {said}", file=sys.stderr)
        for module in model.modules():
            if isinstance(module, AfterInit):
                rehearse.called(f"init.{name}", module.after_init)
    return model


def _some(splits: Splits, n: int) -> torch.Tensor:
    """Return n training images as places.Init says; spread, because a set may be stored class by class."""
    n = min(n, splits.train.n)
    images, _ = next(iter(splits.train.draw([(0, n)], torch.arange(n) * splits.train.n // n)))
    return ((images - splits.mean.view(-1, 1, 1)) / splits.std.view(-1, 1, 1)).cpu()


def inferences(config: Config) -> dict[str, Inference]:
    """Make the inferences of a config, by the names that results have of them."""

    def infer(models: list[nn.Module], option: Option) -> nn.Module:
        module: nn.Module = objects.make("inference", option, models=models)
        return module

    return {_shown(option): functools.partial(infer, option=option) for option in config.inference}


def _shown(option: Option) -> str:
    """Return an inference's name in results, with the arguments that are not their defaults: `crops(pad=2)`."""
    defaults = inspect.signature(objects.target("tricks/inference", option.name)).parameters
    others = [f"{k}={v}" for k, v in option.arguments.items() if k in defaults and v != defaults[k].default]
    return f"{option.name}({', '.join(others)})" if others else option.name


def _groups(config: Config, model: nn.Module) -> list[dict[str, Any]]:
    groups: list[dict[str, Any]] = rehearse.called("groups", objects.make("groups", config.groups), model)
    trained = [p for p in model.parameters() if p.requires_grad]
    assert sorted(id(p) for g in groups for p in g["params"]) == sorted(map(id, trained)), "groups: each parameter once"
    return groups


def _optimizer(config: Config, groups: list[dict[str, Any]], n: int, num_classes: int) -> torch.optim.Optimizer:
    given = {"n": n, "num_classes": num_classes, "batch_size": config.batch_size, "total_epochs": float(config.epochs)}
    eager.without_compiler()
    optimizer: torch.optim.Optimizer = objects.make("optimizer", config.optimizer, None, groups=groups, **given)
    return optimizer


def _optimizer_alone(config: Config, n: int) -> torch.optim.Optimizer:
    """Make the optimizer of a run over n training images without its network: it holds one number."""
    return _optimizer(config, [{"params": [nn.Parameter(torch.zeros(1))]}], n, num_classes=1)


def plan(config: Config, n: int, own: tuple[int, int] | None = None, stride: int = 1) -> Knobs:
    """Make the knobs of a run over n training images without its network; `own` and `stride` are those of Knobs."""
    return knobs_of(config, _optimizer_alone(config, n), n, own, stride)


def knobs_of(
    config: Config, optimizer: torch.optim.Optimizer, n: int, own: tuple[int, int] | None = None, stride: int = 1
) -> Knobs:
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
    if "size" in config.schedule:
        base["size"] = own[0] if own else 1.0
    assert set(base) <= set(KNOBS)
    schedules = {
        knob: objects.make("schedule", option, f"schedule.{knob}", total_epochs=float(config.epochs))
        for knob, option in config.schedule.items()
    }
    payers = tuple(Payer(*each) for each in rules.parse_spend(config.noise.spend)) if "noise_scale" in schedules else ()
    exponents = {"linear": 1.0, "sqrt": 0.5}
    scaling = (exponents[config.scale_with_batch], config.reference_batch) if config.scale_with_batch else None
    gain = optimizer.momentum_gain if isinstance(optimizer, MomentumGain) else None
    knobs = Knobs(base, schedules, n, config.data.last_batch == "drop", payers, scaling, gain, own, stride)
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
    image_size.check(knobs, config.epochs)
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
