"""What configs/ holds, the package's and one's own.

The config groups, the options of each with their arguments, and train.yaml's defaults.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from omegaconf import DictConfig, OmegaConf

from tricktable.runner.config import CONFIGS, roots
from tricktable.runner.config.places import PLACES

GROUPS = ("data", "model", "compute", "noise", "log", *PLACES)
BESIDE = ("log",)  # groups of what looks on: no choice there makes another run, so a comma lists and never sweeps
LISTS = (
    *BESIDE,
    *(name for name, place in PLACES.items() if place.many),
)  # groups whose choice is an ordered list
ENGINE = "engine"  # where runs are made, which is no part of them: launch/engines/
EXPERIMENT = "experiment"  # whole configs, or parts: what config_file.py begins with


@cache
def options(group: str) -> tuple[str, ...]:
    """The names that can be chosen in a config group."""
    names = [path.stem for path in roots.configs(group)]
    return tuple(sorted(names, key=lambda name: [int(p) if p.isdigit() else p for p in re.split(r"(\d+)", name)]))


@cache
def defaults() -> dict[str, Any]:
    """configs/train.yaml's own choices."""
    entries = OmegaConf.to_container(OmegaConf.load(CONFIGS / "train.yaml"))["defaults"]
    return {k: v for entry in entries if isinstance(entry, dict) for k, v in entry.items()}


@cache
def default(key: str) -> Any:
    """What configs/train.yaml says of one of its own keys."""
    return OmegaConf.select(OmegaConf.load(CONFIGS / "train.yaml"), key)


@cache
def within(group: str, name: str) -> tuple[str, ...]:
    """The keys under which an option of this group holds others of the same group, such as a schedule's `then`."""
    entries = OmegaConf.load(roots.config(f"{group}/{name}.yaml")).get("defaults", [])
    mounts = [key for entry in entries if isinstance(entry, DictConfig) for key in entry]
    return tuple(str(key).partition("@")[2] for key in mounts if str(key).startswith(f"/{group}@"))


@cache
def composite(group: str) -> frozenset[str]:
    """Every such key of a group."""
    return frozenset(key for name in options(group) for key in within(group, name)) if group in PLACES else frozenset()


@cache
def arguments(group: str, name: str) -> Mapping[str, Any]:
    """An option's arguments with their defaults, those of the option that it builds on among them.

    Whole schedules (`noise`) have none: they set keys of several groups.
    """
    if group == "noise":
        return {}
    values: Any = OmegaConf.to_container(OmegaConf.load(roots.config(f"{group}/{name}.yaml")))
    inherited: dict[str, Any] = {}
    for entry in values.pop("defaults", []):
        if isinstance(entry, str) and entry != "_self_":
            inherited |= arguments(group, entry)
    return {k: v for k, v in {**inherited, **values}.items() if k not in ("name", "paper")}


@cache
def made_by(group: str, name: str) -> str:
    """The `name` in an option's YAML: of a network its file, which several options share."""
    values: Any = OmegaConf.to_container(OmegaConf.load(roots.config(f"{group}/{name}.yaml")))
    if "name" in values:
        return str(values["name"])
    others = [entry for entry in values.get("defaults", []) if isinstance(entry, str) and entry != "_self_"]
    return made_by(group, others[0]) if others else name


def mount(group: str) -> str:
    """The key at which an option of a group is typed when nothing else is said: a schedule is the learning rate's."""
    return "schedule.lr" if group == "schedule" else group


def keys(tree: Any, prefix: str = "") -> Iterator[str]:
    """Every key of a tree of mappings, in dots."""
    for name in tree:
        yield prefix + str(name)
        if isinstance(tree, DictConfig) and isinstance(tree[name], DictConfig):
            yield from keys(tree[name], f"{prefix}{name}.")
