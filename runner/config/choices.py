"""Overrides that choose options -> entries of Hydra's defaults list, in Hydra's words.

People write `norm=null`, `augment=crop`, `schedule.lr=[warmup,cosine]`; Hydra wants nothing, `augment=[crop]`,
`schedule@schedule.lr=warmup` and `schedule@schedule.lr.then=cosine`.
"""

from collections.abc import Sequence
from typing import Any

from tricktable.runner.config.grammar import Typed
from tricktable.runner.config.hints import schedule_of_nothing, unknown_knob, unknown_option
from tricktable.runner.config.options import GROUPS, composite, defaults, options, within
from tricktable.runner.config.places import PLACES, SCHEDULED
from tricktable.runner.config.suggestions import listed, takes_several
from tricktable.runner.errors import BadInput


def split(overrides: Sequence[Typed]) -> tuple[list[str], list[Typed]]:
    """Entries for Hydra's defaults list, and the overrides that set a value in what it composes."""
    groups: list[str] = []
    values: list[Typed] = []
    for typed in overrides:
        if typed.key == "schedule":
            raise BadInput(schedule_of_nothing(typed))
        if _is_mount(typed.key, typed.value):
            groups += _mounted(typed)
        elif typed.key in GROUPS:
            groups += _chosen(typed)
        else:
            values.append(typed)
    if any(entry.startswith("schedule@schedule.noise_scale=") for entry in groups) and not any(
        "schedule@schedule.lr" in entry for entry in groups
    ):
        groups.append("~schedule@schedule.lr")  # lr pays for the noise scale, or stays as it is
    return groups, values


def _names(group: str, typed: Typed) -> list[str]:
    """A choice as a list of names that exist, each once."""
    names = [str(item) for item in listed(typed.value)]
    for name in names:
        if name not in options(group):
            raise BadInput(unknown_option(group, name, typed))
    for name in names:
        if names.count(name) > 1:
            raise BadInput(f"{typed.key}: {name} is chosen twice")
    return names


def _chosen(typed: Typed) -> list[str]:
    """The entry for a group's own choice; none where null is what stands there."""
    group = typed.key
    names = _names(group, typed)
    if takes_several(group):
        return [f"{group}=[{','.join(names)}]"]
    if len(names) > 1 or isinstance(typed.value, list):
        raise BadInput(f"{group}: takes one, such as {group}={(names or options(group))[0]}")
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


def _mounted(typed: Typed) -> list[str]:
    """The entries for an option at a key, and for those that follow it in the list, each within the one before."""
    key = typed.key
    group, *rest = key.split(".")
    if group == "schedule" and rest[0] not in SCHEDULED:
        raise BadInput(unknown_knob(typed))
    names = _names(group, typed)
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
