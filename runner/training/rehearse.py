"""What cannot work shows before anything is written: each part of a run is tried once on nothing.

BadInput for each, with the key that it is about in front.
"""

import contextlib
import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from tricktable.runner import machine
from tricktable.runner.config.abilities import (
    Candidates,
    JointStatistics,
    OverflowAware,
    PictureCrop,
    VariantHook,
    having,
)
from tricktable.runner.config.places import Augment, CoupledPenalty, DecoupledPenalty, Penalty
from tricktable.runner.data.split import Splits
from tricktable.runner.errors import BadInput
from tricktable.runner.training import augmented
from tricktable.runner.training.count import Count, count, dry_pass
from tricktable.runner.training.parts import batch_parts, together_in
from tricktable.runner.training.run import Run
from tricktable.runner.training.synced import SYNCED

TENSORS = 20_000  # the deepest of papers' networks, of 1202 layers, has 3,600


def called(where: str, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """Call; a ValueError is a user's mistake, and becomes a BadInput with the key in front."""
    try:
        return function(*arguments, **named)
    except ValueError as error:
        raise BadInput(f"{where}: {error}") from None


def cost(model: nn.Module, shape: tuple[int, int, int]) -> Count:
    """Count what the network costs on images C H W; BadInput where it cannot take them at all."""
    try:
        return count(model, shape)
    except (RuntimeError, ValueError, AssertionError) as error:  # torchvision's and timm's networks assert
        size = "x".join(map(str, shape))
        raise BadInput(f"model: the network cannot take {size} images ({error})") from None


@contextlib.contextmanager
def bounded() -> Iterator[None]:
    """Refuse a network, while it is made, whose parameters are too many for this machine, or without end.

    A config may be anybody's, and a depth of a billion would be made block by block.
    """
    tensors = used = 0

    def registered(_: nn.Module, name: str, parameter: nn.Parameter | None) -> None:
        nonlocal tensors, used
        if parameter is not None:
            tensors += 1
            used += 0 if parameter.is_meta else parameter.numel() * parameter.element_size()
        if tensors > TENSORS:
            raise BadInput(f"model: expected at most {TENSORS:,} parameter tensors; make it less deep")
        if used > machine.memory():
            raise BadInput(f"model: its parameters take more than this machine's {machine.memory() / 2**30:.0f} GiB")

    hook = register_module_parameter_registration_hook(registered)
    try:
        yield
    finally:
        hook.remove()


def augmentations(augment: Mapping[str, Augment], splits: Splits) -> None:
    """Apply them, on the device, to two blank images of the training set's size."""
    for name, _ in having(augment, PictureCrop) if splits.train.streamed else ():
        if name != next(iter(augment)):
            raise BadInput(f"augment.{name}: acts on pictures as they are decoded, before all others; put it first")
    device = splits.mean.device
    tables = augmented.tables(augment, torch.arange(2), 0, seed=0, device=device)
    images, targets = torch.zeros(2, *splits.train.shape, device=device), splits.one_hot[[0, -1]]
    for name, trick in augment.items():
        images, targets = called(f"augment.{name}", trick, images, targets, tables[name])


@torch.no_grad()
def penalties(penalty: Mapping[str, Penalty], model: nn.Module) -> None:
    """Ask each for its loss, and to change the model: a copy of it, for they remember a model that they have seen."""
    for name, trick in penalty.items():
        twin = copy.deepcopy(model)
        if isinstance(trick, CoupledPenalty):
            called(f"penalty.{name}", trick.loss, twin)
        if isinstance(trick, DecoupledPenalty):
            rates = {p: 0.0 for p in twin.parameters() if p.requires_grad}
            called(f"penalty.{name}", trick.after_step, twin, rates)


def one_gradient(optimizer: torch.optim.Optimizer) -> None:
    """Refuse for fp16 an optimizer that asks for its gradients more than once a step; it is tried on what it holds."""
    if one_step(optimizer) > 1:
        raise BadInput("compute.precision: fp16 scales one gradient a step, and this optimizer takes more: bf16")


def one_step(optimizer: torch.optim.Optimizer) -> int:
    """Take a step by gradients of zero; return how often it asked for them."""
    calls = 0

    def closure() -> Tensor:
        nonlocal calls
        calls += 1
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                parameter.grad = torch.zeros_like(parameter)
        return torch.zeros(())

    optimizer.step(closure)  # type: ignore[arg-type]  # torch's stub wants a float, its optimizers do not
    return calls


def overflow(run: Run) -> None:
    """Refuse for fp16 on a GPU what would have to know whether a step was left out: only the device does."""
    if run.scaler is None or run.compute.device.type == "cpu":
        return
    why = "fp16 leaves out a step whose gradient overflowed, and a GPU does not wait to say so, as {} needs; use bf16"
    optimizer = run.optimizer
    if not isinstance(optimizer, OverflowAware) or not optimizer._step_supports_amp_scaling:
        raise BadInput(f"compute.precision: {why.format('this optimizer')}, or an optimizer of one kernel (sgd, adam)")
    if optimizer._optimizer_step_post_hooks:
        raise BadInput(f"compute.precision: {why.format('what this optimizer does after its step')}")
    for name, _ in having(run.penalty, DecoupledPenalty):
        raise BadInput(f"compute.precision: {why.format(f'penalty.{name}, which is decoupled,')}, or the coupled form")


def micro_batches(run: Run) -> None:
    """Refuse parts of a batch that would change what a normalisation takes its statistics over."""
    size = run.micro_batch
    if size is None:
        return
    for module in run.model.train().modules():
        if not module.training:  # frozen: it normalises by its running averages
            continue
        together = _images_together(module)
        if together is None or size % together:
            what = "the whole batch" if together is None else f"{together} images"
            raise BadInput(
                f"micro_batch: {type(module).__name__} normalises over {what}, and parts of {size} would "
                "change that; use a norm over parts that divide it (ghost_batch), or over single images (group)"
            )


def processes(run: Run) -> None:
    """Refuse several processes where one would have nothing to do, or a normalisation could not see the whole batch."""
    number = run.compute.processes
    if number == 1:
        return
    over_all = False
    for module in run.model.train().modules():
        if module.training and _images_together(module) is None:
            over_all = True
            if type(module) not in SYNCED:
                raise BadInput(
                    f"compute.processes: {type(module).__name__} normalises over the whole batch, which {number} "
                    "processes share; use batch, which does so over all of them, ghost_batch or group"
                )
    together = together_in(run.model)
    sizes = run.knobs.sizes(run.epochs)
    for images in (max(sizes), *([min(sizes)] if over_all else [])):
        parts = len(batch_parts(images, run.micro_batch, number, together))
        if parts < number:
            left_over = "; data.last_batch=drop leaves an epoch's smaller last batch out" if images < max(sizes) else ""
            raise BadInput(
                f"compute.processes: a batch of {images} has {parts} part{'s' * (parts > 1)} for {number} "
                f"processes{left_over}"
            )


def _images_together(module: nn.Module) -> int | None:
    """Return over how many images a Module normalises; None for the whole batch, 1 for what mixes none."""
    if isinstance(module, JointStatistics):
        return module.images_together
    return None if isinstance(module, nn.modules.batchnorm._BatchNorm) else 1


def smallest_batch(run: Run) -> None:
    """Refuse batches too small to train on: where features are of one pixel, one image has no variance."""
    smallest: dict[tuple[int, int] | None, int] = {}  # by the size of the images
    for images, size in run.knobs.shapes(run.epochs):
        smallest[size] = min(images, smallest.get(size, images))
    for size, images in smallest.items():
        _train_on(run, images, size)


def _train_on(run: Run, images: int, size: tuple[int, int] | None) -> None:
    """Try the smallest part of a batch of so many images of a size, None for their own."""
    over_all = any(type(module) in SYNCED and module.training for module in run.model.modules())
    sharing = 1 if over_all else run.compute.processes
    parts = batch_parts(images, run.micro_batch, sharing, together_in(run.model))
    fewest = min(stop - start for start, stop in parts)
    joint = having(dict(run.model.named_modules()), JointStatistics)
    channels, *own = run.splits.train.shape
    shape = (channels, *(size or own))
    try:
        if any(module.images_together != 1 for _, module in joint):
            dry_pass(run.model, (fewest, *shape), training=True, device="meta")
        else:  # whether there are two images or more, no statistics know
            dry_pass(run.model, (min(fewest, 2), *shape), training=True)
    except (RuntimeError, ValueError) as error:
        left_over = images < run.knobs.largest_batch(run.epochs)
        way = "; data.last_batch=drop leaves an epoch's smaller last batch out" if left_over else ""
        few = f"{fewest} image{'s' * (fewest != 1)}" + (f" of {size[0]}x{size[1]}" if size else "")
        raise BadInput(f"batch_size: the network cannot train on {few} at once ({error}){way}") from None


def results(run: Run) -> None:
    """Refuse a variant that no inference takes, and an inference that takes no variant of those the run will have."""
    expected = {"final": 1}
    for _, hook in having(run.hook, VariantHook):
        expected |= hook.variants
    variants(run, expected)


def variants(run: Run, expected: Mapping[str, int]) -> None:
    """Refuse what does not go together of a run's inferences and the variants given, by their numbers of models."""
    refusals = {name: _refusals(run, name, expected) for name in run.inference}
    for refused in refusals.values():
        if len(refused) == len(expected):
            raise BadInput(next(iter(refused.values())))
    for variant, models in expected.items():
        if all(variant in refused for refused in refusals.values()):
            raise BadInput(
                f"inference: none of {', '.join(run.inference)} takes the {models} model{'s' * (models > 1)} of the "
                f"variant {variant}; add one that does (tricktable list inference)"
            )
    if run.splits.validation is None:
        for name, inference in run.inference.items():
            models = next(n for variant, n in expected.items() if variant not in refusals[name])
            module = inference([run.model] * models)
            if isinstance(module, Candidates) and module.candidates:
                raise BadInput(
                    f"inference.{name}: picks its value on a validation split, and there is none: "
                    "data.validation=0.1, or set the value"
                )


@torch.no_grad()
def _refusals(run: Run, name: str, variants: Mapping[str, int]) -> dict[str, str]:
    """Return the variants that an inference does not take, with what it says; it is tried on those that it takes."""
    refused = {}
    for variant, models in variants.items():
        try:
            module = run.inference[name]([run.model] * models)
        except BadInput as error:
            refused[variant] = str(error)
        else:
            with run.compute.autocast():
                called(f"inference.{name}", module.eval(), run.prepare(_blank(run)))
            run.model.train()
    return refused


def _blank(run: Run) -> Tensor:
    return torch.zeros(2, *run.splits.test.shape, dtype=torch.uint8, device=run.compute.device)


def factories(chosen: Mapping[str, Any]) -> "dict[str, Counted]":
    """Wrap the seams' factories, so that each counts what it makes."""
    return {place: Counted(place, make) for place, make in chosen.items()}


class Counted:
    """A seam's factory that counts how often the network called it."""

    def __init__(self, place: str, make: Callable[..., nn.Module]) -> None:
        self.place, self.make, self.made = place, make, 0

    def __call__(self, *arguments: Any, **named: Any) -> nn.Module:
        """Count, and return what the factory makes."""
        self.made += 1
        return called(self.place, self.make, *arguments, **named)


def seams(used: "Mapping[str, Counted]", network: str) -> None:
    """Refuse a factory that the network never called: it would be a silent no-op."""
    idle: Sequence[str] = [place for place, factory in used.items() if not factory.made]
    if idle:
        raise BadInput(f"{idle[0]}: the network {network} has nothing there with these settings")
