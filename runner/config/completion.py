"""What can follow on the command line, for argcomplete: it is asked at each press of a key, so little is read."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

from omegaconf import OmegaConf

from tricktable.runner.config import CONFIGS, roots
from tricktable.runner.config.options import ENGINE, EXPERIMENT, GROUPS, arguments, default, keys, options
from tricktable.runner.config.places import SCHEDULED

FIGURES = CONFIGS.parent / "runner" / "figures"


def overrides(prefix: str) -> list[str]:
    """Keys that begin so; behind a place's `=` its options, behind `study=` the studies there are."""
    key, equals, value = prefix.partition("=")
    group = "schedule" if key.startswith("schedule.") else key
    if equals and group in (*GROUPS, EXPERIMENT):
        bracket, _, begun = value.rpartition(",") if "," in value else ("", "", value.lstrip("["))
        head = f"{key}={bracket + ',' if bracket else '[' if value.startswith('[') else ''}"
        return [head + name for name in options(group) if name.startswith(begun)]
    if equals:
        return [f"study={name}" for name in studies(())] if key == "study" else []
    own = [k for k in keys(OmegaConf.load(CONFIGS / "train.yaml")) if not k.startswith("defaults")]
    whole = [g for g in ("model", "optimizer", "compute", "data") if key.startswith(g)]
    of_options = [f"{g}.{k}" for g in whole for name in options(g) for k in arguments(g, name)]
    known = {*GROUPS, EXPERIMENT, *(f"schedule.{knob}" for knob in SCHEDULED), *own, *of_options} - {"schedule"}
    return sorted(f"{k}=" for k in known if k.startswith(key))


def tables() -> list[str]:
    """Every paper's tables, and `all`."""
    folders = [root.configs / "table" for root in roots.every()]
    found = [(path, folder) for folder in folders for path in folder.glob("*/[!_]*.yaml")]
    return ["all", *sorted(str(path.relative_to(folder).with_suffix("")) for path, folder in found)]


def papers() -> list[str]:
    """The ids of all papers."""
    return sorted(path.stem for path in roots.configs("paper"))


def figures() -> list[str]:
    """The figures of finished runs."""
    return sorted(path.stem for path in FIGURES.glob("*.py") if path.stem not in ("__init__", "figure"))


def places() -> list[str]:
    """What `tricktable list` takes."""
    return [*GROUPS, ENGINE, EXPERIMENT, "tables", "figures"]


def studies(typed: Sequence[str]) -> list[str]:
    """The studies under the output root, which `typed` may name."""
    return sorted({folder.parent.name for folder in _runs(typed)})


def runs(typed: Sequence[str]) -> list[str]:
    """The ids of the runs under the output root, which `typed` may name."""
    return sorted(folder.name for folder in _runs(typed))


def _runs(typed: Sequence[str]) -> list[Path]:
    said = [text.removeprefix("output.root=") for text in typed if text.startswith("output.root=")]
    root = Path(os.path.expanduser(said[-1] if said else default("output.root")))
    return [path.parent for path in root.glob("*/*/run.json") if re.match(r"\w", path.parent.name)]
