"""What is said of a key that does not exist."""

import difflib

from omegaconf import DictConfig

from runner.config.options import GROUPS, keys, options
from runner.config.places import PLACES
from runner.errors import nearest

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


def unknown(key: str, tree: DictConfig) -> str:
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
