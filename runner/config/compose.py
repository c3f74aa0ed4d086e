"""What a person types -> one validated, frozen Config, or one line that says what to type instead.

Hydra's compose API merges configs/; this module turns its grammar into what people guess (`norm=null`,
`schedule.lr=step`, `augment=[]`), and refuses what Hydra would take in silence (a key twice, `hydra.*`, new keys).
"""

import copy
import difflib
import itertools
import re
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, Override, QuotedString
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from runner.config import schema
from runner.config.overrides import Overrides
from runner.config.places import KNOBS, PLACES, SCHEDULED
from runner.errors import BadInput, nearest, suggest

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
GROUPS = ("data", "model", "compute", "noise", *PLACES)

# What people who know other tools would type; close spellings need no entry.
SYNONYMS = {
    "dataset": "data", "arch": "model", "network": "model", "dropout": "model.dropout",
    "bs": "batch_size", "num_epochs": "epochs", "n_epochs": "epochs", "name": "study",
    "optim": "optimizer", "learning_rate": "optimizer.lr", "wd": "optimizer.weight_decay",
    "nesterov": "optimizer.nesterov", "clip": "gradient", "regularizer": "penalty",
    "scheduler": "schedule.lr", "lr_schedule": "schedule.lr",
    "augmentation": "augment", "transforms": "augment", "callbacks": "hook", "tta": "inference",
    "gpu": "compute=gpu", "amp": "compute.precision", "out": "output.root", "outdir": "output.root",
    "resume": "the same command again, which continues",
}  # fmt: skip


@cache
def options(group: str) -> tuple[str, ...]:
    """The names that can be chosen in a config group."""
    names = [path.stem for path in (CONFIGS / group).glob("*.yaml")]
    return tuple(sorted(names, key=lambda name: [int(p) if p.isdigit() else p for p in re.split(r"(\d+)", name)]))


def compose(overrides: Sequence[str] = ()) -> schema.Config:
    """One run's config from the command line's overrides."""
    return schema.read(merge(overrides))


def merge(overrides: Sequence[str] = ()) -> dict[str, Any]:
    """configs/ and the overrides merged, as plain values that are not validated yet."""
    groups, values = _translate(_parse(overrides))
    choices, chosen = _chosen(tuple(groups))
    tree = copy.deepcopy(chosen)
    for override in values:
        _apply(tree, override)
    plain: Any = OmegaConf.to_container(tree, resolve=False)
    return {**plain, "label": _label(choices, plain)}


@lru_cache(maxsize=64)
def _chosen(groups: tuple[str, ...]) -> tuple[dict[str, Any], DictConfig]:
    """What Hydra makes of the choices: it takes tens of milliseconds, and a table's rows share many of them."""
    try:
        with initialize_config_dir(config_dir=str(CONFIGS), version_base="1.3"):
            tree = hydra_compose("train", overrides=list(groups), return_hydra_config=True)
    except (HydraException, OmegaConfBaseException) as error:
        raise BadInput(_explained(error)) from None
    choices = dict(tree.hydra.runtime.choices)
    OmegaConf.set_readonly(tree, False)
    OmegaConf.set_struct(tree, False)
    del tree["hydra"]
    for name, place in PLACES.items():
        if name not in tree:
            tree[name] = {} if place.many else None
    return choices, tree


def expand(overrides: Sequence[str]) -> list[list[str]]:
    """A multirun's points, `seed=0,1,2` and `range()` and `glob()` multiplied out in the order that they were typed."""
    lists = []
    for override in _parse(overrides, sweep=True):
        if isinstance(override.value(), Glob):
            names = override.value().filter(list(options(override.key_or_group)))
            if not names:
                raise BadInput(f"{override.input_line}: matches nothing in configs/{override.key_or_group}/")
            lists.append([f"{override.get_key_element()}={name}" for name in names])
        elif override.is_sweep_override():
            lists.append([f"{override.get_key_element()}={v}" for v in override.sweep_string_iterator()])
        else:
            lists.append([override.input_line or ""])
    return [list(point) for point in itertools.product(*lists)]


def _explained(error: Exception) -> str:
    """What Hydra cannot merge, in our words where we know how it comes about."""
    for group, mount, within in re.findall(r"'(\w+)@([\w.]+)\.(\w+)'", str(error)):
        return f"{mount}.{within}: what stands at {mount} has no `{within}`; see `tricktable list {group}`"
    return _one_line(error)


def _one_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]


def _parse(overrides: Sequence[str], sweep: bool = False) -> list[Override]:
    parser = OverridesParser.create()
    parsed: dict[str, Override] = {}
    for text in Overrides(overrides):
        try:
            override = parser.parse_override(text)
        except HydraException as error:
            raise BadInput(f"{text}: not in Hydra's override grammar ({_one_line(error)}); quote it?") from None
        key = override.get_key_element()
        if key[0] in "+~":
            raise BadInput(f"{text}: keys are neither added nor removed here; write {key.lstrip('+~')}=... (or =null)")
        if override.key_or_group.split(".")[0].split("/")[0] == "hydra":
            raise BadInput(f"{text}: hydra's own keys are not used here; see output.root for where runs are written")
        if "${" in text:
            raise BadInput(f"{text}: nothing is interpolated here; write the value")
        if override.is_sweep_override() and not sweep:
            raise BadInput(f"{text}: several values: add -m to run each, or write a list as [..]")
        if key in parsed:
            raise BadInput(f"{key} is given twice: {parsed[key].input_line} and {text}")
        parsed[key] = override
    return list(parsed.values())


def _translate(overrides: Sequence[Override]) -> tuple[list[str], list[Override]]:
    """Overrides for Hydra's defaults list, and those that set a value in what it composes."""
    groups: list[str] = []
    values: list[Override] = []
    for override in overrides:
        key, value = override.key_or_group, override.value()
        if key == "schedule" or (override.package and not key.startswith("schedule")):
            raise BadInput(f"{override.input_line}: write schedule.<knob>=..., with a knob of {', '.join(SCHEDULED)}")
        target = override.package if key == "schedule" else key
        if target and _is_mount(target, value):
            groups += _mount(target, value)
        elif key in GROUPS:
            groups += _choose(key, value)
        else:
            values.append(override)
    if any(g.startswith("schedule@schedule.noise=") for g in groups) and not any(
        "schedule@schedule.lr" in g for g in groups
    ):
        groups.append("~schedule@schedule.lr")  # lr pays for the noise scale, or stays as it is
    return groups, values


def _names(group: str, where: str, value: Any) -> list[str]:
    """A choice as a list of names that exist, each once."""
    items = value if isinstance(value, list) else [] if value is None else [value]
    names = [item.text if isinstance(item, QuotedString) else str(item) for item in items]
    for name in names:
        if name not in options(group):
            raise BadInput(f"{where}: nothing is called {name}{suggest(name, options(group))}")
    for name in names:
        if names.count(name) > 1:
            raise BadInput(f"{where}: {name} is chosen twice")
    return names


def _choose(group: str, value: Any) -> list[str]:
    names = _names(group, group, value)
    if group in PLACES and PLACES[group].many:
        return [f"{group}=[{','.join(names)}]"]
    if len(names) > 1 or isinstance(value, list):
        raise BadInput(f"{group}: takes one, such as {group}={(names or options(group) or ['...'])[0]}")
    if names:
        return [f"{group}={names[0]}"]
    if _defaults().get(group) is None:
        return []  # null is what stands there
    raise BadInput(f"{group}: cannot be null; there are: {', '.join(options(group))}")


@cache
def _defaults() -> dict[str, Any]:
    """configs/train.yaml's own choices."""
    entries = OmegaConf.to_container(OmegaConf.load(CONFIGS / "train.yaml"))["defaults"]
    return {k: v for entry in entries if isinstance(entry, dict) for k, v in entry.items()}


@cache
def default(key: str) -> Any:
    """What configs/train.yaml says of one of its own keys."""
    return OmegaConf.select(OmegaConf.load(CONFIGS / "train.yaml"), key)


@cache
def _within(group: str, name: str) -> tuple[str, ...]:
    """The keys under which an option of this group holds others of the same group, such as a schedule's `then`."""
    defaults = OmegaConf.load(CONFIGS / group / f"{name}.yaml").get("defaults", [])
    mounts = [key for entry in defaults if isinstance(entry, DictConfig) for key in entry]
    return tuple(str(key).partition("@")[2] for key in mounts if str(key).startswith(f"/{group}@"))


@cache
def _composite(group: str) -> frozenset[str]:
    """Every such key of a group."""
    return frozenset(key for name in options(group) for key in _within(group, name)) if group in PLACES else frozenset()


def _is_mount(key: str, value: Any) -> bool:
    """schedule.lr=step, schedule.lr=[warmup,step], schedule.lr.then=step, optimizer.inner=adam; not optimizer.lr=1."""
    group, *rest = key.split(".")
    if not rest:
        return isinstance(value, list) and bool(_composite(group)) and not PLACES[group].many
    return (group == "schedule" and len(rest) == 1) or rest[-1] in _composite(group)


def _mount(key: str, value: Any) -> list[str]:
    group, *rest = key.split(".")
    if group == "schedule" and (not rest or rest[0] not in SCHEDULED):
        raise BadInput(f"{key}: no knob is called {rest[0]}{suggest(rest[0], SCHEDULED)}")
    names = _names(group, key, value)
    if not names:  # no schedule: the knob stays as it is
        return [f"~{group}@{key}"] if _defaults().get(f"{group}@{key}") else []
    mounted, path = [], key
    for i, name in enumerate(names):
        mounted.append(f"{group}={name}" if path == group else f"{group}@{path}={name}")
        if i + 1 < len(names):
            keys_within = _within(group, name)
            if not keys_within:
                raise BadInput(f"{key}: {name} takes no other {group} into itself, and {names[i + 1]} is to follow it")
            path = f"{path}.{keys_within[-1]}"
    return mounted


def _apply(tree: DictConfig, override: Override) -> None:
    key = override.key_or_group
    node: Any = tree
    for part in key.split("."):
        if not isinstance(node, DictConfig) or part not in node:
            raise BadInput(_unknown(key, tree))
        node = node[part]
    if isinstance(node, DictConfig) and not isinstance(override.value(), dict):
        raise BadInput(f"{key}: has keys of its own: {', '.join(f'{key}.{k}' for k in node)}")
    OmegaConf.update(tree, key, _unquoted(override.value()), merge=False)


def _unquoted(value: Any) -> Any:
    if isinstance(value, QuotedString):
        return value.text
    if isinstance(value, list):
        return [_unquoted(v) for v in value]
    if isinstance(value, dict):
        return {str(k): _unquoted(v) for k, v in value.items()}
    return value


def keys(tree: Any, prefix: str = "") -> Iterator[str]:
    """Every key of a composed tree, in dots."""
    for name in tree:
        yield prefix + str(name)
        if isinstance(tree, DictConfig) and isinstance(tree[name], DictConfig):
            yield from keys(tree[name], f"{prefix}{name}.")


def _unknown(key: str, tree: DictConfig) -> str:
    """The line for a key that does not exist: what was probably meant."""
    parts = key.split(".")
    exists = len(parts) > 1 and parts[0] in PLACES and parts[1] in options(parts[0])
    if exists and parts[1] not in (tree[parts[0]] or {}):
        example = f"[{parts[1]}]" if PLACES[parts[0]].many else parts[1]
        return f"unknown key {key}: {parts[1]} is not chosen; add {parts[0]}={example}"
    if parts[-1] in SYNONYMS and len(parts) == 1:
        return f"unknown key {key}; did you mean {SYNONYMS[key]}?"
    known = [*keys(tree), *GROUPS]
    same_leaf = [k for k in known if k.split(".")[-1] == parts[-1] and not k.startswith("schedule")]
    if same_leaf:
        return f"unknown key {key}; did you mean {same_leaf[0]}?"
    near = nearest(key, known)
    if not near and len(parts) == 1:
        leaf = difflib.get_close_matches(key, [k.split(".")[-1] for k in known], n=1, cutoff=0.75)
        near = f"; did you mean {next(k for k in known if k.split('.')[-1] == leaf[0])}?" if leaf else ""
    siblings = tree.get(parts[0]) if len(parts) > 1 else None
    if not near and isinstance(siblings, DictConfig):
        near = f"; {parts[0]} has: {', '.join(map(str, siblings))}"
    return f"unknown key {key}{near or '; `tricktable show` prints them all'}"


def _label(choices: Any, plain: dict[str, Any]) -> str:
    """The readable part of a run's id: network, data, what differs from configs/train.yaml, seed."""
    defaults = _defaults()
    words = [choices["model"], choices["data"]]
    for name, place in PLACES.items():
        if place.many:
            words += [option for option in plain[name] if option not in defaults[name]]
        elif plain[name] and name != "schedule" and choices.get(name) != defaults[name]:
            words.append(choices[name])
    if choices.get("noise"):
        words.append(choices["noise"])  # it says what noise and lr have
    for knob in KNOBS[1:] if choices.get("noise") else SCHEDULED:
        mount = f"schedule@schedule.{knob}"
        if choices.get(mount) != defaults[mount]:
            words.append(f"{knob}-{choices.get(mount) or 'null'}")
    return "-".join([*words, f"s{plain['seed']}"])
