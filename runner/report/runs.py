"""All runs under an output root as one table, one record per run, for pandas."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from sys import intern
from typing import Any

from tricktable.runner.disk import atomic
from tricktable.runner.disk.runs import Runs, StoredRun
from tricktable.runner.disk.seal import Damage
from tricktable.runner.errors import StorageProblem
from tricktable.runner.papers.studies import choices
from tricktable.runner.report.records import Record, as_csv, cell, figures, missing


def collect(runs: Runs) -> list[Record]:
    """Every run as a record, by folder: its state, its figures, its config's keys as `config.<key>`.

    Runs that have not finished have no figures. A folder with damaged files is a record of state `damaged`, with the
    reason: nothing is passed over. No runs are an empty list.
    """
    found = {run.folder: _collected(replace(run)) for run in runs}  # what is read of one is not kept with it
    found |= {each.folder: _damaged(each) for each in runs.damaged}
    return [found[folder] for folder in sorted(found)]


def _collected(run: StoredRun) -> Record:
    ended = run.info.ended
    try:
        config = run.config if ended or run.files.config.exists() else {}
        told = figures(run.summary) if ended or run.files.summary.exists() else {}
    except StorageProblem as error:
        return _damaged(Damage(run.folder, str(error).removeprefix(f"{run.folder}/")))
    if ended and run.damage:  # the files that nothing was taken from are looked at too
        return _damaged(Damage(run.folder, run.damage))
    identity = run.info.identity
    return {
        "study": run.study,
        "run": run.id,
        "state": run.state,
        "reason": run.info.reason,
        "started": run.info.started,
        "updated": run.info.updated,
        "config_hash": identity.config_hash,
        "fingerprint": identity.fingerprint,
        "seed": config.get("seed"),
        **told,
        **{intern(f"config.{key}"): value for key, value in choices(config).items()},
    }


def _damaged(found: Damage) -> Record:
    return {"study": found.folder.parent.name, "run": found.folder.name, "state": "damaged", "reason": found.what}


def write_collected(runs: Runs, folder: Path, damaged: list[Damage] | None = None) -> list[Path]:
    """Write `collect` into runs.csv, and into runs.parquet where pyarrow is installed; returns what was written.

    damaged: where the runs are put that are there and cannot be used.
    """
    records = collect(runs)
    if damaged is not None:
        told = [each for each in records if each["state"] == "damaged"]
        damaged += [Damage(runs.root / each["study"] / each["run"], each["reason"]) for each in told]
    with atomic.storage(folder):
        folder.mkdir(parents=True, exist_ok=True)
    atomic.replace(folder / "runs.csv", as_csv(records).encode("utf-8"))
    parquet = _parquet(records)
    if parquet is None:
        return [folder / "runs.csv"]
    atomic.replace(folder / "runs.parquet", parquet)
    return [folder / "runs.csv", folder / "runs.parquet"]


def _parquet(records: Sequence[Mapping[str, Any]]) -> bytes | None:
    """Columns that hold numbers in some runs and words in others are text in all: Parquet has one type per column."""
    import importlib.util

    if importlib.util.find_spec("pyarrow") is None:
        return None
    import pandas

    table = pandas.DataFrame([dict(record) for record in records])
    for name in table.columns:
        kinds = {type(value) for value in table[name] if not missing(value)}
        if not kinds <= {int, float} and len(kinds) > 0 and kinds not in ({bool}, {str}):
            table[name] = [None if missing(value) else cell(value) for value in table[name]]
    data = io.BytesIO()
    table.to_parquet(data, index=False)
    return data.getvalue()
