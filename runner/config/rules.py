"""The rules between keys, and the keys that hold more than one value."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tricktable.runner.errors import BadInput

if TYPE_CHECKING:
    from tricktable.runner.config.schema import ComputeConfig, Config


def _check_shared(compute: "ComputeConfig") -> None:
    """BadInput for what a run cannot have whose batches several processes share."""
    said = "several processes share its batches (compute.processes)"
    if compute.capture == "on":
        raise BadInput(f"compute.capture: the steps of a run are not recorded where {said}; choose auto or off")
    if compute.compile == "on":
        raise BadInput(f"compute.compile: a network is not compiled where {said}; choose off")
    if compute.pad_channels is not None:
        raise BadInput(f"compute.pad_channels: channels are not padded where {said}; choose null")


def check(config: "Config") -> None:
    """The rules between keys."""
    validation = config.data.validation
    if validation >= 1 and not validation.is_integer():
        raise BadInput(f"data.validation: expected a share below 1 or a whole number of images, got {validation}")
    share = config.data.test_share
    if share is not None and share >= 1:
        raise BadInput(f"data.test_share: expected a share above 0 and below 1, such as 0.2, got {share:g}")
    if config.compute.device == "cpu" and config.compute.precision == "tf32":
        raise BadInput("compute.precision: tf32 is a GPU's; on a CPU choose fp32, bf16 or fp16")
    if config.compute.processes > 1:
        _check_shared(config.compute)
    parse_every(config.checkpoint.every)
    parse_spend(config.noise.spend)
    if config.noise.spend is not None and "noise_scale" not in config.schedule:
        raise BadInput("noise.spend: there is nothing to pay for; give it a schedule: schedule.noise_scale=multistep")
    if "noise_scale" in config.schedule and config.scale_with_batch:
        raise BadInput("scale_with_batch: schedule.noise_scale already says how lr and batch size go together")
    if not config.output.root:
        raise BadInput("output.root: expected a folder, got nothing")
    if not config.inference:
        raise BadInput("inference: expected at least one")


def parse_spend(spend: list[Any] | None) -> list[tuple[str, float | None]]:
    """`noise.spend` as (knob, cap) in order; a cap is a largest batch size, or where lr or momentum stops."""
    known = ("lr", "batch_size", "momentum")
    payers: list[tuple[str, float | None]] = []
    for item in ["lr"] if spend is None else spend:
        knob, cap = next(iter(item.items())) if isinstance(item, Mapping) and len(item) == 1 else (item, None)
        number = isinstance(cap, int | float) and not isinstance(cap, bool)
        if knob not in known or not (cap is None or (number and cap >= 0)) or knob in (k for k, _ in payers):
            raise BadInput(
                f"noise.spend: expected each of {', '.join(known)} at most once, or {{batch_size: 5120}} with its cap; "
                f"got {item!r}"
            )
        payers.append((knob, cap))
    if not payers:
        raise BadInput("noise.spend: expected at least one of lr, batch_size, momentum")
    return payers


def parse_every(every: int | str) -> tuple[int | None, float | None]:
    """`checkpoint.every` as (steps, None) or (None, seconds)."""
    if isinstance(every, int):
        return every, None
    number = every.removesuffix("minutes").removesuffix("minute").removesuffix("min").strip()
    try:
        minutes = float(number)
    except ValueError:
        minutes = math.nan
    if number == every or not (minutes > 0 and math.isfinite(minutes)):
        raise BadInput(f"checkpoint.every: expected a number of steps (500) or of minutes (5min), got {every!r}")
    return None, 60 * minutes
