"""Overrides that choose options -> entries of Hydra's defaults list, in Hydra's words.

People write `norm=null`, `augment=crop`, `schedule.lr=[warmup,cosine]`; Hydra wants nothing, `augment=[crop]`,
`schedule@schedule.lr=warmup` and `schedule@schedule.lr.then=cosine`.
"""

from collections.abc import Sequence
from typing import Any

from hydra.core.override_parser.types import Override

from runner.config import grammar
from runner.config.options import GROUPS, composite, defaults, options, within
from runner.config.places import PLACES, SCHEDULED
from runner.errors import BadInput, suggest


def split(overrides: Sequence[Override]) -> tuple[list[str], list[Override]]:
    """Overrides for Hydra's defaults list, and those that set a value in what it composes."""
    groups: list[str] = []
    values: list[Override] = []
    for override in overrides:
        key, value = override.key_or_group, grammar.value(override)
        if key == "schedule" or (override.package and not key.startswith("schedule")):
            raise BadInput(f"{override.input_line}: write schedule.<knob>=..., with a knob of {', '.join(SCHEDULED)}")
        target = override.package if key == "schedule" else key
        if target and _is_mount(target, value):
            groups += _mounted(target, value)
        elif key in GROUPS:
            groups += _chosen(key, value)
        else:
            values.append(override)
    if any(entry.startswith("schedule@schedule.noise=") for entry in groups) and not any(
        "schedule@schedule.lr" in entry for entry in groups
    ):
        groups.append("~schedule@schedule.lr")  # lr pays for the noise scale, or stays as it is
    return groups, values


def _names(group: str, where: str, value: Any) -> list[str]:
    """A choice as a list of names that exist, each once."""
    items = value if isinstance(value, list) else [] if value is None else [value]
    names = [str(item) for item in items]
    for name in names:
        if name not in options(group):
            raise BadInput(f"{where}: nothing is called {name}{suggest(name, options(group))}")
    for name in names:
        if names.count(name) > 1:
            raise BadInput(f"{where}: {name} is chosen twice")
    return names


def _chosen(group: str, value: Any) -> list[str]:
    """The entry for a group's own choice; none where null is what stands there."""
    names = _names(group, group, value)
    if group in PLACES and PLACES[group].many:
        return [f"{group}=[{','.join(names)}]"]
    if len(names) > 1 or isinstance(value, list):
        raise BadInput(f"{group}: takes one, such as {group}={(names or options(group) or ['...'])[0]}")
    if names:
        return [f"{group}={names[0]}"]
    if defaults().get(group) is None:
        return []
    raise BadInput(f"{group}: cannot be null; there are: {', '.join(options(group))}")


def _is_mount(key: str, value: Any) -> bool:
    """schedule.lr=step, schedule.lr=[warmup,step], schedule.lr.then=step, optimizer.inner=adam; not optimizer.lr=1."""
    group, *rest = key.split(".")
    if not rest:
        return isinstance(value, list) and bool(composite(group)) and not PLACES[group].many
    return (group == "schedule" and len(rest) == 1) or rest[-1] in composite(group)


def _mounted(key: str, value: Any) -> list[str]:
    """The entries for an option at a key, and for those that follow it in the list, each within the one before."""
    group, *rest = key.split(".")
    if group == "schedule" and (not rest or rest[0] not in SCHEDULED):
        raise BadInput(f"{key}: no knob is called {rest[0]}{suggest(rest[0], SCHEDULED)}")
    names = _names(group, key, value)
    if not names:  # no schedule: the knob stays as it is
        return [f"~{group}@{key}"] if defaults().get(f"{group}@{key}") else []
    mounted, path = [], key
    for i, name in enumerate(names):
        mounted.append(f"{group}={name}" if path == group else f"{group}@{path}={name}")
        if i + 1 < len(names):
            keys_within = within(group, name)
            if not keys_within:
                raise BadInput(f"{key}: {name} takes no other {group} into itself, and {names[i + 1]} is to follow it")
            path = f"{path}.{keys_within[-1]}"
    return mounted
