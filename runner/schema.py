"""The keys of a config: their types, ranges and defaults, and whether a key is numeric or cosmetic.

A numeric key can change the figures; the numeric keys together are a run's identity. A cosmetic key cannot (where files
lie, how often something is saved). Defaults stand in configs/train.yaml, so that one page shows them all.
"""

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Union

from runner.errors import BadInput


def key(
    *, low: float | None = None, high: float | None = None, above: float | None = None, cosmetic: bool = False
) -> Any:
    """A field with its range: low <= value <= high, or value > above."""
    return field(metadata={"low": low, "high": high, "above": above, "cosmetic": cosmetic})


@dataclass(frozen=True)
class Option:
    """What was chosen at a place: a file's name, and the arguments for what that file defines."""

    name: str
    arguments: Mapping[str, Any]

    def plain(self) -> dict[str, Any]:
        """As it stands in a YAML; nested options (a schedule's `then`) as mappings with a name."""
        values = {k: v.plain() if isinstance(v, Option) else v for k, v in self.arguments.items()}
        return {"name": self.name, **values}


@dataclass(frozen=True)
class Data:
    """`data.*`: which images, how they are split and normalised."""

    name: str = key()
    path: str | None = key(cosmetic=True)
    download: bool = key(cosmetic=True)
    validation: float = key(low=0)
    split_seed: int = key(low=0)
    subset: int | None = key(low=1)
    last_batch: Literal["keep", "drop"] = key()
    normalize: Literal["computed", "paper"] = key()
    stream: bool | None = key()
    workers: int | None = key(low=0, cosmetic=True)
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Compute:
    """`compute.*`: where and how exactly. null is chosen by the device, and every summary says what was chosen."""

    device: Literal["auto", "cpu", "cuda"] = key()
    precision: Literal["auto", "fp32", "tf32", "bf16", "fp16"] = key()
    channels_last: bool | None = key()
    threads: int | None = key(low=1, high=1024)
    deterministic: bool = key()


@dataclass(frozen=True)
class Checkpoint:
    """`checkpoint.*`: how often the run is saved. `every` is a number of steps, or of minutes (`5min`)."""

    every: int | str = key(low=1, cosmetic=True)
    keep: int = key(low=2, high=1000, cosmetic=True)


@dataclass(frozen=True)
class Output:
    """`output.*`: where run directories are made."""

    root: str = key(cosmetic=True)
