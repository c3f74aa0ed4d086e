"""A finished run's network, frozen, where an option names it (the teacher of a distillation)."""

import typing
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from runner.config.schema import Config, Option
from runner.data.split import Splits
from runner.disk import runs
from runner.disk.runs import StoredRun
from runner.errors import BadInput
from runner.training import build, objects
from runner.training.compute import Compute
from runner.training.run import evaluated_weights


def named(config: Config) -> "Iterator[tuple[str, StoredRun]]":
    """The arguments of the loss that name a run, each with that run."""
    hints = objects.hints(objects.target("tricks/loss", config.loss.name))
    for key, value in config.loss.arguments.items():
        hint = hints.get(key)
        if isinstance(value, str) and nn.Module in (hint, *typing.get_args(hint)):
            try:
                yield key, runs.one(value, Path(config.output.root))
            except BadInput as error:
                raise BadInput(f"loss.{key}: {error}") from None


def by_id(config: Config) -> Config:
    """The config with each such argument as the run's id: wherever the run lies, it is the same one."""
    return replace(config, loss=_with(config.loss, {key: run.id for key, run in named(config)}))


def given(config: Config, splits: Splits, compute: Compute) -> Option:
    """Return the loss with each such argument as that run's network. BadInput where its images were others."""
    networks: dict[str, Any] = {}
    for key, run in named(config):
        classes, channels = len(splits.classes), splits.train.shape[0]
        data = run.summary.data
        if (len(data.mean), data.classes) != (channels, classes):
            raise BadInput(
                f"loss.{key}: {run.id} tells {data.classes} classes apart on {len(data.mean)} channels, "
                f"and these images have {classes} and {channels}"
            )
        model = build.build_model(run.settings, channels, classes)
        objects.make("groups", run.settings.groups)(model)  # may have reparametrised it
        model.load_state_dict(evaluated_weights(run.checkpoint().tensors))
        networks[key] = Frozen(model, compute, splits, torch.tensor(data.mean), torch.tensor(data.std))
    return _with(config.loss, networks)


def _with(option: Option, arguments: dict[str, Any]) -> Option:
    return Option(option.name, MappingProxyType({**option.arguments, **arguments}))


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
