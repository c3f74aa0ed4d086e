"""What Hydra makes of plain choices, without it: a composition takes it a tenth of a second, and a table has dozens.

Plain are choices of the package's options that hold values, and at most build on options of their own group. What is
not, is left to Hydra, which has the last word: tests/config/test_plain.py holds every option and every row of every
recipe against it.
"""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from omegaconf import OmegaConf

from tricktable.runner.config import CONFIGS, roots
from tricktable.runner.config.loading import copied

Choices = dict[str, Any]  # by entry of a defaults list, a name or None; those with several names are not among them
_PACKAGE = re.compile(r"#\s*@package\s+(\S+)")


class _NotPlain(Exception):
    """Hydra is to compose this."""


def composed(entries: Sequence[str]) -> tuple[Choices, dict[str, Any]] | None:
    """What is chosen and the values, by train.yaml and entries of Hydra's defaults list; None where Hydra is needed."""
    tree, chosen = dict[str, Any](), Choices()
    try:
        asked = _asked(entries)
        for entry in _read("train")[2]:
            if entry == "_self_":
                tree |= copied(_read("train")[1])
            else:
                _choose(tree, chosen, entry, asked)
    except _NotPlain:
        return None
    return None if asked else (chosen, tree)


def _asked(entries: Sequence[str]) -> dict[str, str | list[str]]:
    """By key: `model=resnet20`, `augment=[crop,flip]`, `optimizer@optimizer.inner=adam`; "" where one is taken out."""
    asked: dict[str, str | list[str]] = {}
    for entry in entries:
        key, given, value = entry.removeprefix("~").partition("=")
        if key in asked or key.startswith("+") or bool(given) == entry.startswith("~"):
            raise _NotPlain
        names = [name for name in value.strip("[]").split(",") if name]
        asked[key] = names if value.startswith("[") else value
    return asked


def _choose(tree: dict[str, Any], chosen: Choices, entry: dict[str, Any], asked: dict[str, str | list[str]]) -> None:
    """Put what stands at an entry of a defaults list, or is asked for there, into the tree."""
    [(key, usual)] = entry.items()
    name = asked.pop(key, usual)
    if name == "":
        return
    group, _, mount = key.partition("@")
    if not isinstance(name, list):
        chosen[key] = name
    for each in name if isinstance(name, list) else [name] if name else []:
        _put(tree, chosen, group, each, mount or group, asked)


def _put(
    tree: dict[str, Any], chosen: Choices, group: str, name: str, mount: str, asked: dict[str, str | list[str]]
) -> None:  # fmt: skip
    """Merge an option into the tree: what it builds on, itself, and options within it, as its `defaults` lists them."""
    package, values, defaults = _read(f"{group}/{name}")
    if package not in (None, f"{group}.{name}"):
        raise _NotPlain
    for entry in defaults:
        if entry == "_self_":
            _merge(tree, package or mount, values)
        elif isinstance(entry, str):
            _put(tree, chosen, group, entry, mount, asked)
        else:
            [(key, usual)] = entry.items()
            if not key.startswith(f"/{group}@"):
                raise _NotPlain
            _choose(tree, chosen, {f"{group}@{mount}.{key.partition('@')[2]}": usual}, asked)


def _merge(tree: dict[str, Any], package: str, values: Mapping[str, Any]) -> None:
    for part in package.split("."):
        if not isinstance(tree.get(part), dict):
            tree[part] = {}
        tree = tree[part]
    for key, value in values.items():
        if isinstance(value, dict) and isinstance(tree.get(key), dict):
            _merge(tree, key, value)
        else:
            tree[key] = copied(value)


@cache
def _read(name: str) -> tuple[str | None, dict[str, Any], list[Any]]:
    """Where a file's first line says that its values belong (None: where it is mounted), these, its defaults list."""
    path = roots.config(f"{name}.yaml")
    if not path.is_file() or not path.is_relative_to(CONFIGS):
        raise _NotPlain
    text = path.read_text(encoding="utf-8")
    package = _PACKAGE.match(text)
    values: Any = OmegaConf.to_container(OmegaConf.create(text), resolve=False)
    defaults = values.pop("defaults", ["_self_"])
    if "_self_" not in defaults:
        raise _NotPlain
    return package[1] if package else None, values, defaults
