"""`tricktable.runs`: all runs under a folder as one table."""

import os
from pathlib import Path
from typing import Any

import pandas

from tricktable.runner.config import schema
from tricktable.runner.disk.runs import under
from tricktable.runner.papers.studies import differing, written
from tricktable.runner.report.runs import collect

KEY = "config."  # how report/runs.py names a config's keys
FIRST = ("run", "study", "state", "seed")
LAST = ("reason", "started", "updated", "path")
FACTS = (
    "config_hash", "fingerprint", "weights_sha256", "samples", "archive", "train_images", "precision", "threads",
    "torch", "commit", "diverged_at",
)  # fmt: skip


def runs(
    root: str | os.PathLike[str] = "outputs", study: str | None = None, *, every_key: bool = False
) -> pandas.DataFrame:
    """A row per run, of one study or of all: its state, the keys that vary, its figures, where it lies.

    Keys are named as they are typed, and hold text where they are lists. Figures are the run's own (test_error, in
    percent) and those of each variant and inference, `ema.plain.test_error`; a run that has not finished has none.
    Damaged folders are rows of state `damaged`. every_key: all keys, and all that a summary says, as in runs.csv.
    """
    found = under(Path(root), study)
    folders = {(run.study, run.id): str(run.folder) for run in found}
    records = []
    for each in collect(found):
        keys = {name.removeprefix(KEY): _value(value) for name, value in each.items() if name.startswith(KEY)}
        own = {name: value for name, value in each.items() if not name.startswith(KEY)}
        at = folders.get((own["study"], own["run"]), str(Path(root) / own["study"] / own["run"]))
        records.append(({**own, "path": at}, keys))
    shown = _shown([keys for _, keys in records], every_key)
    elsewhere = {*FIRST, *LAST, *shown, *([] if every_key else FACTS)}
    rows = []
    for own, keys in records:
        figures = {name: value for name, value in own.items() if name not in elsewhere}
        chosen = {name: keys.get(name) for name in shown}
        rows.append({**{n: own.get(n) for n in FIRST}, **chosen, **figures, **{n: own.get(n) for n in LAST}})
    return pandas.DataFrame(rows, columns=None if rows else [*FIRST, *LAST])


def _shown(configs: list[dict[str, Any]], every_key: bool) -> list[str]:
    """The keys that have columns: the numeric ones that all runs have, and not all alike; or all."""
    if every_key:
        return [key for key in dict.fromkeys(key for keys in configs for key in keys) if key not in FIRST]
    known = [keys for keys in configs if keys]
    return [key for key in differing(known) if key not in FIRST and key not in schema.cosmetic()]


def _value(value: Any) -> Any:
    """As it is typed, where it is no number or word: a column can be grouped by it."""
    return written(value) if isinstance(value, list | dict) else value
