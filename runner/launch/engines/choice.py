"""`--engine NAME engine.KEY=VALUE`: configs/engine/NAME.yaml, the package's or one's own, with what was typed."""

import importlib
from collections.abc import Sequence
from typing import Any

from tricktable.runner.config import grammar, loading, reader, roots
from tricktable.runner.config.options import ENGINE
from tricktable.runner.config.overrides import Overrides
from tricktable.runner.errors import BadInput, suggest
from tricktable.runner.launch.engines.engine import Engine

USUAL = "local"


def taken(
    name: str | None, typed: Sequence[str], at_once: int | None = None, detached: bool = False
) -> tuple[Engine | None, list[str]]:
    """The engine that was asked for, if any, and what was typed but for its keys; the rest as `chosen`."""
    own = [each for each in typed if each.startswith((f"{ENGINE}.", f"{ENGINE}="))]
    for each in own:
        if each.startswith(f"{ENGINE}="):
            raise BadInput(f"{each}: an engine is no part of a run; type --engine {each.partition('=')[2]}")
    if own and name is None:
        raise BadInput(f"{own[0]}: of which engine? Type --engine slurm, or another of `tricktable list engine`")
    rest = [each for each in typed if each not in own]
    return (chosen(name or USUAL, own, at_once, detached) if name or detached else None), rest


def chosen(name: str, typed: Sequence[str], at_once: int | None = None, detached: bool = False) -> Engine:
    """The engine of this name. `typed`: the overrides of its options; `at_once`, `detached` as --jobs, --detach.

    BadInput where there is none, an option is wrong, or what it needs is not here.
    """
    values = _values(name)
    kind = values.pop("name")
    for each in grammar.typed(Overrides(typed)):
        where = each.key.removeprefix(f"{ENGINE}.")
        if where not in values:
            raise BadInput(f"{each.key}: --engine {name} has no such key{suggest(where, values)}")
        values[where] = each.value
    made: Engine = importlib.import_module(f"{__package__}.{kind}").engine(values, at_once, detached)
    return made


def _values(name: str) -> dict[str, Any]:
    """An option's keys; one's own has those that its file leaves out from the engine's that it names."""
    known = [path.stem for path in roots.configs(ENGINE)]
    if name not in known:
        raise BadInput(f"--engine: nothing is called {name}{suggest(name, known)}")
    path = roots.config(f"{ENGINE}/{name}.yaml")
    with reader.in_file(str(path)):
        values = loading.load(path)
        usual = [each.stem for each in sorted((roots.PACKAGE.configs / ENGINE).glob("*.yaml"))]
        if not isinstance(values, dict) or values.get("name") not in usual:
            raise BadInput(f"name: expected {' or '.join(usual)}")
        return {**loading.load(roots.PACKAGE.configs / ENGINE / f"{values['name']}.yaml"), **values}
