"""Runs as flat records, one per run: those of a table, or all under an output root, for pandas."""

import csv
import io
import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from runner import terminal
from runner.disk import atomic, record, rundir
from runner.errors import StorageProblem
from runner.papers.measured import Measured, Seen
from runner.papers.studies import choices

_MAY_REFER = re.compile(rb"(?:^|[\s\[{,:-])[&*][^\s]", re.MULTILINE)  # a YAML anchor or alias, or text like one
_TOLD = ("epochs", "updates", "samples", "params", "madds", "diverged_at", "weights_sha256")


def of(measured: Measured) -> list[dict[str, Any]]:
    """A table's runs, in the order of its rows and seeds. `figure` and `best` are in the table's metric."""
    recipe = measured.recipe
    return [
        {
            "paper": recipe.paper.id,
            "table": recipe.table.id,
            "row": row.theirs.label,
            "seed": run.seed,
            "budget": measured.budget,
            "state": run.state,
            "metric": recipe.table.metric.name,
            "figure": run.figure,
            "best": run.best,
            **figures(run.summary),
            "study": run.folder.parent.name,
            "run": run.folder.name,
        }
        for row in measured.rows
        for run in row.runs
    ]


def shared(runs: Iterable[Seen]) -> dict[str, str]:
    """Of a row's runs: their data, its fingerprint, their devices and precisions; several are all named."""
    told = [figures(run.summary) for run in runs]
    return {key: " / ".join(dict.fromkeys(str(t[key]) for t in told if t.get(key) is not None))
            for key in ("data", "fingerprint", "device", "precision")}  # fmt: skip


def figures(summary: Mapping[str, Any]) -> dict[str, Any]:
    """A summary's figures, flat: those of each result are named `<variant>.<inference>.<figure>`."""
    if not summary:
        return {}
    flat = {key: value for key, value in summary.items() if key.startswith(("train_", "val_", "test_"))}
    for result in summary.get("results", ()):
        name = f"{result['variant']}.{result['inference']}"
        flat |= {f"{name}.{key}": value for key, value in result.items() if isinstance(value, int | float)}
    flat |= {key: summary.get(key) for key in _TOLD}
    data, compute = summary.get("data", {}), summary.get("compute", {})
    environment = summary.get("environment", {})
    return {
        **flat,
        "data": data.get("title"),
        "fingerprint": data.get("fingerprint"),
        "train_images": data.get("train"),
        "device": environment.get("gpu") or environment.get("cpu"),
        "precision": compute.get("precision"),
        "threads": compute.get("threads"),
        "torch": environment.get("torch"),
        "commit": environment.get("commit"),
    }


def collect(root: Path) -> list[dict[str, Any]]:
    """Every run folder under an output root as a record: its state, its figures, its config's keys as `config.<key>`.

    Runs that have not finished have no figures. A folder with damaged files is a record of state `damaged`, with the
    reason: nothing is passed over. No runs are an empty list.
    """
    return [_collected(folder) for folder in _folders(root)]


def _folders(root: Path) -> Iterator[Path]:
    """Folders <root>/<study>/<run> that have a run.json, by name; links are not followed."""
    for study in _inside(root):
        for run in _inside(study):
            if os.path.lexists(run / "run.json"):
                yield run


def _inside(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    with atomic.storage(folder), os.scandir(folder) as entries:
        names = [e.name for e in entries if rundir.NAME.fullmatch(e.name) and e.is_dir(follow_symlinks=False)]
    return [folder / name for name in sorted(names)]


def _collected(folder: Path) -> dict[str, Any]:
    row: dict[str, Any] = {"study": folder.parent.name, "run": folder.name, "state": "damaged", "reason": None}
    info = rundir.read_info(folder)
    if info is None:
        return {**row, "reason": "run.json cannot be read"}
    try:
        config = _config(folder / "config.yaml") if (folder / "config.yaml").exists() else {}
        ended = info.get("state") == "complete" or (folder / "summary.json").exists()
        told = figures(record.read_summary(folder / "summary.json")) if ended else {}
    except (StorageProblem, AttributeError, KeyError, TypeError) as error:
        return {**row, "reason": atomic.reason(error)}
    row |= {key: info.get(key) for key in ("state", "reason", "started", "updated", "config_hash")}
    return {
        **row,
        "fingerprint": info["fingerprint"],
        "seed": config.get("seed"),
        **told,
        **{f"config.{key}": value for key, value in choices(config).items()},
    }


def _config(path: Path) -> dict[str, Any]:
    """As record.read_config, ten times as fast where nothing in the file can be an alias."""
    with atomic.storage(path):
        try:
            data = atomic.read(path, record.CONFIG_LIMIT)
            if _MAY_REFER.search(data):
                return record.read_config(path)
            config = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(data).get_single_data()
            if not isinstance(config, dict) or not all(isinstance(key, str) for key in config):
                raise ValueError("it holds no mapping of names")
            return config
        except (ValueError, RecursionError, yaml.YAMLError) as error:
            words = " ".join(atomic.reason(error).split())
            raise StorageProblem(terminal.clean(f"{path}: damaged ({words})")) from error


def write_collected(root: Path, folder: Path) -> list[Path]:
    """Write `collect` into runs.csv, and into runs.parquet where pyarrow is installed; returns what was written."""
    rows = collect(root)
    with atomic.storage(folder):
        folder.mkdir(parents=True, exist_ok=True)
    atomic.replace(folder / "runs.csv", frame(rows).encode("utf-8"))
    parquet = _parquet(rows)
    if parquet is None:
        return [folder / "runs.csv"]
    atomic.replace(folder / "runs.parquet", parquet)
    return [folder / "runs.csv", folder / "runs.parquet"]


def _parquet(rows: Sequence[Mapping[str, Any]]) -> bytes | None:
    """Columns that hold numbers in some runs and words in others are text in all: Parquet has one type per column."""
    import importlib.util

    if importlib.util.find_spec("pyarrow") is None:
        return None
    import pandas

    table = pandas.DataFrame([dict(row) for row in rows])
    for name in table.columns:
        kinds = {type(value) for value in table[name] if not _missing(value)}
        if not kinds <= {int, float} and len(kinds) > 0 and kinds not in ({bool}, {str}):
            table[name] = [None if _missing(value) else _cell(value) for value in table[name]]
    data = io.BytesIO()
    table.to_parquet(data, index=False)
    return data.getvalue()


def _missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def frame(rows: Sequence[Mapping[str, Any]]) -> str:
    """Records as CSV: every key a column, what a row lacks is empty, numbers come back bit for bit."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(map(terminal.clean, columns))
    writer.writerows([_cell(row.get(name)) for name in columns] for row in rows)
    return text.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        return terminal.clean(value)
    if isinstance(value, list | tuple):
        return f"[{','.join(str(_cell(v)) for v in value)}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{k}: {_cell(v)}' for k, v in value.items())}}}"
    return int(value) if isinstance(value, bool) else "" if _missing(value) else value
