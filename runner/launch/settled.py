"""Device and threads of runs that another machine makes: settled where they are planned, for it would choose."""

from dataclasses import replace

import torch

from tricktable.runner.config.schema import ComputeConfig, Config
from tricktable.runner.launch.engines.engine import Node


def compute(asked: ComputeConfig, node: Node | None) -> ComputeConfig:
    """What is asked of a node: its device where that is left open, and its threads where they are."""
    if node is None:
        return asked
    device = node.device if asked.device == "auto" else asked.device
    return replace(asked, device=device, threads=node.threads if asked.threads is None else asked.threads)


def config(asked: Config, node: Node | None) -> Config:
    """A run's config as a node will have it."""
    return replace(asked, compute=compute(asked.compute, node)) if node else asked


def overrides(asked: ComputeConfig, node: Node | None) -> tuple[str, ...]:
    """What has to be typed besides, for the run to come out as it is planned."""
    found = compute(asked, node)
    changed = [name for name in ("device", "threads") if vars(found)[name] != vars(asked)[name]]
    return tuple(f"compute.{name}={vars(found)[name]}" for name in changed)


def tried(asked: Config, node: Node | None) -> Config:
    """A config by which a run can be tried out here: on the CPU where the node has a GPU and this machine none."""
    found = config(asked, node)
    if node is None or found.compute.device == "cpu" or torch.cuda.is_available():
        return found
    precision = "fp32" if found.compute.precision == "tf32" else found.compute.precision
    return replace(found, compute=replace(found.compute, device="cpu", precision=precision))
