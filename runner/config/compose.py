"""What a person types -> one validated, frozen Config, or one line that says what to type instead.

Hydra's compose API merges configs/, and plain.py what is plain. Its grammar is turned into what people guess by
grammar.py and choices.py; this module sets the values itself, so that a key which does not exist is refused.
"""

import os
import re
from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from tricktable.runner.config import CONFIGS, choices, grammar, plain, roots, schema
from tricktable.runner.config.grammar import Typed, expand
from tricktable.runner.config.hints import unknown_key
from tricktable.runner.config.label import label
from tricktable.runner.config.loading import copied
from tricktable.runner.config.options import GROUPS, LISTS, default, options
from tricktable.runner.config.overrides import Overrides
from tricktable.runner.config.places import PLACES
from tricktable.runner.config.suggestions import Composed
from tricktable.runner.errors import BadInput

__all__ = ["CONFIGS", "GROUPS", "compose", "default", "expand", "merge", "options"]
SEED = re.compile(r"0|[1-9][0-9]{0,17}")


def compose(overrides: Sequence[str] = (), varied: Collection[str] = ()) -> schema.Config:
    """One run's config from the command line's overrides; `varied` as for its label.

    Those that differ by their seed alone are read once, and share what they hold.
    """
    typed = Overrides(overrides)
    seeds = [each.value for each in typed if each.key == "seed"]
    if len(seeds) != 1 or not SEED.fullmatch(seeds[0]):
        return schema.read(merge(typed, varied))
    where = tuple(os.environ.get(name) for name in ("HOME", roots.PLUGINS, roots.CONFIG_DIR))
    return seeded(_read(typed.without("seed"), frozenset(varied), where), int(seeds[0]))


def seeded(config: schema.Config, seed: int) -> schema.Config:
    """As `seed=...` would compose it; a table has hundreds of points."""
    return replace(config, seed=seed, label=f"{config.label.removesuffix(f'-s{config.seed}')}-s{seed}")


@lru_cache(maxsize=1024)
def _read(overrides: Overrides, varied: frozenset[str], where: tuple[str | None, ...]) -> schema.Config:
    """A config with train.yaml's seed. `where` is what its files and paths depend on."""
    return schema.read(merge(overrides, varied))


def as_usual() -> Composed:
    """How things stand where nothing is typed."""
    chosen, tree = _composed(())
    return Composed.of(chosen, OmegaConf.create(tree))


def merge(overrides: Sequence[str] = (), varied: Collection[str] = ()) -> dict[str, Any]:
    """configs/ and the overrides merged, as plain values that are not validated yet."""
    groups, values = choices.split(grammar.typed(overrides))
    chosen, composed = _composed(tuple(groups))
    tree = copied(composed)  # OmegaConf's own take a hundred times as long
    for typed in values:
        _apply(tree, typed, chosen)
    output = tree["output"]
    if isinstance(output, dict) and isinstance(output.get("root"), str):
        output["root"] = os.path.expanduser(output["root"])
    return {**tree, "label": label(chosen, tree, varied)}


@lru_cache(maxsize=1024)
def _composed(groups: tuple[str, ...]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What stands at each choice, and the values that they come to: a table's rows share many of them."""
    chosen, values = plain.composed(groups) or _by_hydra(groups)
    for name in (*PLACES, *LISTS):
        values.setdefault(name, {} if name in LISTS else None)
    return chosen, values


def _by_hydra(groups: Sequence[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The same of any choices, or why they are none."""
    try:
        with initialize_config_dir(config_dir=str(CONFIGS), version_base="1.3"):
            tree = hydra_compose("train", overrides=[*groups, *_searched()], return_hydra_config=True)
    except (HydraException, OmegaConfBaseException) as error:
        raise BadInput(_explained(error)) from None
    chosen = dict(tree.hydra.runtime.choices)
    values: Any = OmegaConf.to_container(tree, resolve=False)
    del values["hydra"]
    return chosen, values


def _searched() -> list[str]:
    """What has Hydra look into the configs of one's own, behind the package's."""
    paths = [str(root.configs).replace("'", "\\'") for root in roots.own()]
    listed = ",".join(f"'file://{path}'" for path in paths)
    return [f"hydra.searchpath=[{listed}]"] if paths else []


def _explained(error: Exception) -> str:
    """What Hydra cannot merge, in our words where we know how it comes about."""
    for group, mount, within in re.findall(r"'(\w+)@([\w.]+)\.(\w+)'", str(error)):
        return f"{mount}.{within}: what stands at {mount} has no `{within}`; see `tricktable list {group}`"
    return grammar.one_line(error)


def _apply(tree: dict[str, Any], typed: Typed, chosen: dict[str, Any]) -> None:
    """Set a value in the tree of what was chosen. BadInput for a key that is not there, or has keys of its own."""
    node: Any = tree
    for part in typed.key.split("."):
        if not isinstance(node, dict) or part not in node:
            raise BadInput(unknown_key(typed, Composed.of(chosen, OmegaConf.create(tree))))
        within, node = node, node[part]
    mount, _, last = typed.key.rpartition(".")
    if last == "name":
        place = mount.split(".")[0]
        raise BadInput(
            f"{typed.key}: an option is chosen as a whole: {f'{place}=[...]' if place in LISTS else f'{mount}=...'}"
        )
    if isinstance(node, dict) and not isinstance(typed.value, dict):
        raise BadInput(f"{typed.key}: has keys of its own: {', '.join(f'{typed.key}.{k}' for k in node)}")
    within[last] = typed.value
