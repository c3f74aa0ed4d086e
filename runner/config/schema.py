"""The keys of a config: their types, ranges and defaults, and whether a key is numeric or cosmetic.

A numeric key can change the figures; the numeric keys together are a run's identity. A cosmetic key cannot (where files
lie, how often something is saved). Defaults stand in configs/train.yaml, so that one page shows them all.
"""

import dataclasses
import hashlib
import json
import re
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

from tricktable.runner.config import reader, renamed, rules
from tricktable.runner.config.reader import key
from tricktable.runner.errors import BadInput

FRACTION = re.compile(r"-?[0-9]{1,15}/[1-9][0-9]{0,14}")


@dataclass(frozen=True)
class Option:
    """What was chosen at a place: a file's name, and the arguments for what that file defines.

    `paper` are a model's facts, for what counts networks: no part of what is chosen, so neither compared nor written.
    """

    name: str
    arguments: Mapping[str, Any]
    paper: Mapping[str, Any] | None = field(default=None, compare=False, repr=False)

    @staticmethod
    def from_plain(where: str, value: Any) -> "Option":
        """How runner/config/reader.py reads one."""
        return read_option(where, value)

    def plain(self) -> dict[str, Any]:
        """As it stands in a YAML; nested options (a schedule's `then`) as mappings with a name."""
        values = {k: v.plain() if isinstance(v, Option) else v for k, v in self.arguments.items()}
        return {"name": self.name, **values}


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """`data.*`: which images, how they are split and normalised."""

    name: str = key()
    path: str | None = key(cosmetic=True)
    download: bool = key(cosmetic=True)
    validation: float = key(low=0)
    split_seed: int = key(low=0)
    subset: int | None = key(low=1)
    test_subset: int | None = key(low=1)
    test_share: float | None = key(above=0)
    last_batch: Literal["keep", "drop"] = key()
    normalize: Literal["computed", "paper"] = key()
    stream: bool | None = key()
    workers: int | None = key(low=0, cosmetic=True)
    arguments: Mapping[str, Any] = key(rest=True)


@dataclass(frozen=True)
class ComputeConfig:
    """`compute.*`: where and how exactly. null is chosen by the device, and every summary says what was chosen."""

    device: Literal["auto", "cpu", "cuda"] = key()
    precision: Literal["auto", "fp32", "tf32", "bf16", "fp16"] = key()
    channels_last: bool | None = key()
    threads: int | None = key(low=1, high=1024)
    deterministic: bool = key()
    capture: Literal["auto", "on", "off"] = key(cosmetic=True)
    pad_channels: int | None = key(low=2, high=256)
    compile: Literal["off", "on"] = key()
    processes: int = key(low=1, high=1024)


@dataclass(frozen=True)
class NoiseConfig:
    """`noise.*`: who pays for a schedule of the noise scale, in order: knobs, or {knob: cap}. null is [lr]."""

    spend: list[Any] | None = key()


@dataclass(frozen=True)
class CheckpointConfig:
    """`checkpoint.*`: how often the run is saved. `every` is a number of steps, or of minutes (`5min`)."""

    every: int | str = key(low=1, cosmetic=True)
    keep: int = key(low=2, high=1000, cosmetic=True)


@dataclass(frozen=True)
class OutputConfig:
    """`output.*`: where run directories are made."""

    root: str = key(cosmetic=True)


@dataclass(frozen=True, kw_only=True)
class Config:
    """One run, whole: what compose.py hands to build.py."""

    study: str = key(cosmetic=True)
    label: str = key(cosmetic=True)  # made by compose.py: the readable part of the run's id
    seed: int = key(low=0, high=2**62)
    epochs: int = key(low=1, high=1_000_000)
    batch_size: int = key(low=1, high=100_000_000)
    micro_batch: int | None = key(low=1)
    scale_with_batch: Literal["linear", "sqrt"] | None = key()
    reference_batch: int = key(low=1)
    noise: NoiseConfig
    data: DataConfig
    model: Option
    compute: ComputeConfig
    conv: Option | None
    norm: Option | None
    activation: Option | None
    residual: Option | None
    head: Option | None
    init: tuple[Option, ...]
    augment: tuple[Option, ...]
    loss: Option
    penalty: tuple[Option, ...]
    groups: Option
    gradient: tuple[Option, ...]
    optimizer: Option
    schedule: Mapping[str, Option]
    hook: tuple[Option, ...]
    inference: tuple[Option, ...]
    log: tuple[Option, ...] = key(cosmetic=True)
    checkpoint: CheckpointConfig
    output: OutputConfig


def is_option(value: object) -> bool:
    """Whether a plain value is what an option's YAML holds: a mapping with a name."""
    return isinstance(value, Mapping) and "name" in value


def read_option(where: str, value: Any) -> Option:
    """`{name: x, ...arguments}` as an Option; `paper` is none of the arguments.

    A fraction of two whole numbers, typed as `81/186`, is that number from here on.
    """
    if not is_option(value) or not isinstance(value["name"], str):
        raise BadInput(f"{where}: expected one of the files in configs/{where.partition('.')[0]}/, got {value!r}")
    arguments = {
        k: read_option(f"{where}.{k}", v) if is_option(v) else _number(v)
        for k, v in value.items()
        if k not in ("name", "paper")
    }
    return Option(value["name"], types.MappingProxyType(arguments), value.get("paper"))


def _number(value: Any) -> Any:
    """A text such as `1/3` as its quotient, also within lists; anything else as it is."""
    if isinstance(value, list):
        return [_number(each) for each in value]
    if isinstance(value, str) and FRACTION.fullmatch(value):
        above, below = value.split("/")
        return int(above) / int(below)
    return value


def read(values: Mapping[str, Any]) -> Config:
    """Plain composed values -> a frozen Config; BadInput where a key is unknown, ill-typed or out of its range."""
    try:
        config = reader.read(Config, renamed.current(values))
    except reader.UnknownKey as error:
        raise BadInput(f"unknown key {error.key}{error.nearest}") from None
    rules.check(config)
    return config


def plain(value: Any) -> Any:
    """A Config, or a part of one, as plain mappings, lists and values, as config.yaml holds them."""
    if isinstance(value, Option):
        return value.plain()
    if dataclasses.is_dataclass(value):
        fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        arguments = fields.pop("arguments", {})
        return {k: plain(v) for k, v in {**fields, **arguments}.items()}
    if isinstance(value, tuple) and all(isinstance(v, Option) for v in value):
        return {v.name: v.plain() for v in value}
    if isinstance(value, Mapping):
        return {k: plain(v) for k, v in value.items()}
    return value


def numeric(value: Any) -> Any:
    """As `plain`, without the cosmetic keys: what can change the figures, and so what a run is identified by."""
    if not dataclasses.is_dataclass(value) or isinstance(value, Option):
        # An order of tricks is part of what they do: as pairs, because JSON with sorted keys would lose it.
        return list(plain(value).items()) if isinstance(value, tuple) else plain(value)
    kept = {f.name: getattr(value, f.name) for f in dataclasses.fields(value) if not f.metadata.get("cosmetic")}
    values = {k: numeric(v) for k, v in kept.items() if k != "arguments"} | dict(kept.get("arguments", {}))
    return renamed.earlier(values) if isinstance(value, Config) else values


def choices_key(config: Config) -> str:
    """SHA-256 of the numeric keys but `compute`: runs of one key on different machines are of the same choices."""
    return digest({k: v for k, v in numeric(config).items() if k != "compute"})


def images_key(data: DataConfig) -> str:
    """SHA-256 of which images are meant: a source, its arguments, what is drawn of it; wherever its files lie."""
    drawn = {"test_share": data.test_share, "test_subset": data.test_subset}
    asked = {name: value for name, value in drawn.items() if value is not None}
    if asked:
        asked["split_seed"] = data.split_seed
    return f"sha256:{digest({'name': data.name, **data.arguments, **asked})}"


def digest(values: Mapping[str, Any]) -> str:
    """SHA-256 of plain values, whatever the order of their keys."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


@cache
def cosmetic() -> frozenset[str]:
    """The cosmetic keys, in dots."""

    def walk(cls: Any, prefix: str) -> Iterator[str]:
        hints = typing.get_type_hints(cls)
        for each in dataclasses.fields(cls):
            if each.metadata.get("cosmetic"):
                yield prefix + each.name
            elif dataclasses.is_dataclass(hints[each.name]) and hints[each.name] is not Option:
                yield from walk(hints[each.name], f"{prefix}{each.name}.")

    return frozenset(walk(Config, ""))


def is_cosmetic(key: str) -> bool:
    """Whether a key, in dots, is one of them or stands within one."""
    return key in cosmetic() or key.partition(".")[0] in cosmetic()
