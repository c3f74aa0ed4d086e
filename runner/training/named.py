"""Finished runs that a config names: the teacher of a loss, the network that an initialisation starts from.

An argument of these places whose type is a network takes a run, by its folder or its id. An initialisation may also
start from a file of weights, which stands for itself by its digest.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from tricktable.runner.config.schema import Config, Option
from tricktable.runner.data.split import Splits
from tricktable.runner.disk import meant, weights
from tricktable.runner.disk.runs import StoredRun
from tricktable.runner.errors import BadInput
from tricktable.runner.training import build, objects
from tricktable.runner.training.compute import Compute
from tricktable.runner.training.run import evaluated_weights

FILE = "sha256:"  # before the digest that a file of weights goes by


def sources(config: Config) -> dict[str, str]:
    """The SHA-256 of the weights that a config names: of runs by their ids, of files by themselves.

    BadInput where one is not there, or not complete.
    """
    found: dict[str, str] = {}
    for where, value in _arguments(config):
        run = _source(config, where, value)
        found |= {run: run.removeprefix(FILE)} if isinstance(run, str) else {run.id: run.summary.weights_sha256}
    return found


def by_id(config: Config) -> Config:
    """Return the config with each such argument as the run's id, or the file's: it is the same one wherever it lies."""

    def name(where: str, value: str) -> str:
        run = _source(config, where, value)
        return run if isinstance(run, str) else run.id

    return _with(config, name)


def given(config: Config, splits: Splits, compute: Compute) -> Config:
    """Return the config with each such argument as a network: a teacher's frozen, and for these images' normalisation.

    A file is given as its tensors by name. BadInput where a teacher's images were others.
    """

    def given_as(where: str, value: str) -> nn.Module | Mapping[str, Tensor]:
        run = _source(config, where, value)
        if isinstance(run, str):
            return weights.read(value)
        model = network(run)
        if not where.startswith("loss."):
            return model
        data, classes, channels = run.summary.data, len(splits.classes), splits.train.shape[0]
        if (len(data.mean), data.classes) != (channels, classes):
            raise BadInput(
                f"{where}: {run.id} tells {data.classes} classes apart on {len(data.mean)} channels, "
                f"and these images have {classes} and {channels}"
            )
        return Frozen(model, compute, splits, torch.tensor(data.mean), torch.tensor(data.std))

    return _with(config, given_as)


def _arguments(config: Config) -> list[tuple[str, str]]:
    """Each argument that names a run, as `loss.teacher`, and the name."""
    found: list[tuple[str, str]] = []
    _with(config, lambda where, value: found.append((where, value)))
    return found


def _with(config: Config, change: Callable[[str, str], Any]) -> Config:
    """The config with each argument that names a run changed."""

    def changed(place: str, option: Option, where: str) -> Option:
        names = {key: option.arguments[key] for key in objects.run_arguments(place, option)}
        new = {key: change(f"{where}.{key}", value) for key, value in names.items()}
        return Option(option.name, MappingProxyType({**option.arguments, **new})) if new else option

    loss = changed("loss", config.loss, "loss")
    return replace(config, loss=loss, init=tuple(changed("init", each, f"init.{each.name}") for each in config.init))


def _source(config: Config, where: str, name: str) -> StoredRun | str:
    """The run of this name; of a file of weights `sha256:` and its digest, and BadInput where a loss has one."""
    try:
        if not weights.is_file(name):
            return meant.one(name, Path(config.output.root))
        if where.startswith("loss."):
            raise BadInput(f"{name}: a file of weights does not say its network; name a finished run")
        return FILE + weights.digest(name)
    except BadInput as error:
        raise BadInput(f"{where}: {error}") from None


def network(run: StoredRun) -> nn.Module:
    """A finished run's network, on the CPU, with the weights that its figures are of."""
    data = run.summary.data
    model = build.build_model(run.settings, len(data.mean), data.classes)
    objects.make("groups", run.settings.groups)(model)  # may have reparametrised it
    model.load_state_dict(evaluated_weights(run.checkpoint().tensors))
    return model


class Frozen(nn.Module):
    """A trained network that takes images normalised for another training set; it has no gradients and evaluates."""

    def __init__(self, model: nn.Module, compute: Compute, splits: Splits, mean: Tensor, std: Tensor) -> None:
        super().__init__()
        self.model = compute.to_device(model).eval().requires_grad_(False)
        self.compute = compute
        mean, std = mean.to(compute.device), std.to(compute.device)
        self.scale = (splits.std / std).view(-1, 1, 1)
        self.shift = ((splits.mean - mean) / std).view(-1, 1, 1)

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """Map normalised B C H W to float32 logits B K."""
        with self.compute.autocast():
            return self.model(images * self.scale + self.shift).float()
