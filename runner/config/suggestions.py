"""What would be typed to choose an option or to set a key, as things stand: overrides for the command line."""

import shlex
import string
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf

from tricktable.runner.config import synonyms
from tricktable.runner.config.grammar import Typed
from tricktable.runner.config.options import GROUPS, LISTS, arguments, composite, defaults, keys, mount, options, within
from tricktable.runner.config.places import SCHEDULED
from tricktable.runner.config.spelling import closest, same

_PLAIN = frozenset(string.ascii_letters + string.digits + "_-.,=:/@%+[]")  # what bash leaves as it is


@dataclass(frozen=True)
class Composed:
    """How things stand: the options chosen, by the key where they stand (`augment`, `schedule.lr`), and all values."""

    chosen: Mapping[str, list[str]]
    tree: DictConfig

    @classmethod
    def of(cls, choices: Mapping[str, Any], tree: DictConfig) -> "Composed":
        """From train.yaml's choices, or from Hydra's, in which the lists are missing: those are the tree's."""
        chosen = {key.rpartition("@")[2]: [str(item) for item in listed(names)] for key, names in choices.items()}
        chosen |= {name: list(tree[name]) for name in LISTS if name in tree}
        return cls(chosen, tree)

    @cached_property
    def known(self) -> tuple[str, ...]:
        """Every key that can be typed."""
        own = [key for key in keys(self.tree) if not {"name", "paper"} & set(key.split("."))]
        every = dict.fromkeys([*own, *GROUPS, *(f"schedule.{knob}" for knob in SCHEDULED)])
        return tuple(key for key in every if key != "schedule")

    def value(self, key: str) -> Any:
        """What a key that exists holds: a value, or a DictConfig with keys of its own."""
        value = OmegaConf.select(self.tree, key)
        return OmegaConf.to_container(value) if isinstance(value, ListConfig) else value


def listed(value: Any) -> list[Any]:
    """A choice as a list: one name or several, and null is none."""
    if isinstance(value, list):
        return value
    return [] if value is None else [value]


def takes_several(group: str) -> bool:
    """Whether a group's choice is a list."""
    return group in LISTS


def group_at(key: str) -> str | None:
    """The group whose options are chosen at a key (`augment`, `schedule.lr.then`); None where a value is set."""
    group, *rest = key.split(".")
    if not rest:
        return group if group in GROUPS and group != "schedule" else None
    mounted = (group == "schedule" and len(rest) == 1) or rest[-1] in composite(group)
    return group if mounted else None


def named(group: str, word: Any) -> str | None:
    """The option that a word means: its name in any case, a synonym, or what is closest."""
    return same(str(word), options(group)) or synonyms.option(group, str(word)) or closest(str(word), options(group))


def fits(typed: Typed, key: str, composed: Composed) -> bool:
    """Whether what was typed can be the value of a key that exists."""
    group = group_at(key)
    if group is None:
        return replaceable(typed.value, composed.value(key))
    return all(same(str(item), options(group)) for item in listed(typed.value))


def replaceable(value: Any, present: Any) -> bool:
    """Whether a value can stand where this one does: both are numbers, or flags ...; or one is null."""
    return value is None or present is None or _kind(value) == _kind(present)


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "flag"
    return "number" if isinstance(value, int | float) else type(value).__name__


def setting(typed: Typed, key: str, composed: Composed) -> str:
    """The override that sets an existing key to what was typed; to what it holds where that does not fit."""
    group = group_at(key)
    if group is not None:
        names = [name for item in listed(typed.value) if (name := named(group, item))]
        emptied = typed.value is None and (takes_several(group) or defaults().get(group) is None)
        return choosing(key, names) if names or emptied else holding(key, composed)
    return quoted(f"{key}={typed.text}") if fits(typed, key, composed) else holding(key, composed)


def holding(key: str, composed: Composed) -> str:
    """The override that leaves an existing key, or the first key below it, as it is; of a list's option, the list."""
    if group_at(key) is not None:
        return choosing(key, composed.chosen.get(key, []))
    value = composed.value(key)
    if isinstance(value, DictConfig):
        place = key.partition(".")[0]
        if takes_several(place):
            return choosing(place, composed.chosen.get(place, []))
        return holding(f"{key}.{next(name for name in value if name != 'name')}", composed)
    return quoted(f"{key}={_written(value)}")


def choosing(key: str, names: list[str]) -> str:
    """The override that chooses these options at a key."""
    group = group_at(key)
    assert group is not None, f"options are chosen at {key}"
    if takes_several(group):
        return f"{key}=[{','.join(dict.fromkeys(names))}]"
    if len(names) > 1 and within(group, names[0]):
        return f"{key}=[{','.join(names)}]"
    return f"{key}={names[0] if names else 'null'}"


def adding(
    typed: Typed, group: str, name: str, composed: Composed, argument: str | None = None, at: str | None = None
) -> str:
    """The overrides that choose an option beside what is chosen, and give what was typed to one of its arguments.

    argument: which one, or one whose name is close; else the first that can take the value, for true none. at: the key
    where the option is chosen, if not the group's own. false and null choose nothing.
    """
    key = at or mount(group)
    now = composed.chosen.get(key, [])
    if argument is None and (typed.value is None or typed.value is False):
        return choosing(key, [each for each in now if each != name] if takes_several(group) else now)
    known = arguments(group, name)
    given = closest(argument, known) if argument else _first_taking(typed.value, known)
    owner = f"{key}.{name}" if takes_several(group) else key
    override = quoted(f"{owner}.{given}={typed.text}") if given else ""
    if name in now:
        return override or choosing(key, now)
    return f"{choosing(key, _beside(group, name, now))} {override}".rstrip()


def _beside(group: str, name: str, now: list[str]) -> list[str]:
    """The options chosen at a key with another one: behind those of a list, around the one that it can hold."""
    if takes_several(group):
        return [*now, name]
    return [name, *now[:1]] if within(group, name) else [name]


def _first_taking(value: Any, known: Mapping[str, Any]) -> str | None:
    """The first argument that can take a value; a flag only says that the option is chosen."""
    if isinstance(value, bool):
        return None
    return next((name for name, present in known.items() if replaceable(value, present)), None)


def quoted(override: str) -> str:
    """As a shell takes it."""
    return override if set(override) <= _PLAIN else shlex.quote(override)


def _written(value: Any) -> str:
    """A value in Hydra's grammar."""
    if isinstance(value, list):
        return f"[{','.join(map(_written, value))}]"
    if isinstance(value, bool) or value is None:
        return {None: "null", True: "true", False: "false"}[value]
    return str(value)
