"""Runs of a study -> its table: one row per config, mean ± 95% interval over the seeds."""

import json
import math
import statistics
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.config import renamed, schema
from runner.config.places import PLACES
from runner.disk import record, rundir
from runner.papers.intervals import difference, half_width
from runner.papers.measured import Seen


@dataclass(frozen=True)
class Row:
    """Runs that differ by their seed alone, by seed; figures are final test errors in percent."""

    label: str
    runs: tuple[Seen, ...]

    @property
    def errors(self) -> tuple[float, ...]:
        """Of the runs that finished."""
        return tuple(run.figure for run in self.runs if run.figure is not None)

    @property
    def diverged(self) -> int:
        """Runs that diverged."""
        return sum(run.state == "diverged" for run in self.runs)

    @property
    def seeds(self) -> tuple[int, ...]:
        """Of all runs."""
        return tuple(run.seed for run in self.runs)

    @property
    def summary(self) -> Mapping[str, Any]:
        """Of one of its runs: what all of them share."""
        return self.runs[0].summary

    @property
    def mean(self) -> float:
        """Of the finished runs' errors; NaN where there is none."""
        return statistics.fmean(self.errors) if self.errors else math.nan

    @property
    def interval(self) -> float:
        """Half the width of the 95% interval of the mean."""
        return half_width(self.errors)


def rows(study: Path) -> list[Row]:
    """A study's finished runs as rows, in the order in which their first runs were made."""
    groups: dict[str, list[_Entry]] = {}
    for folder, run in sorted(rundir.runs(study.parent, study.name), key=lambda found: str(found[1].get("started"))):
        if run.get("state") not in ("complete", "diverged"):
            continue
        summary = record.read_summary(folder / "summary.json")
        config = record.read_config(folder / "config.yaml")
        shared = [summary["data"]["fingerprint"], summary["compute"], run.get("code"), _choices(config)]
        entry = _Entry(folder, str(run["state"]), config, summary, record.results(folder, summary))
        groups.setdefault(json.dumps(shared, sort_keys=True), []).append(entry)
    labels = _labels([_choices(group[0].config) for group in groups.values()])
    if len(groups) == 1:  # nothing to be set apart from
        only = next(iter(groups.values()))[0].config
        labels = [only["label"].removesuffix(f"-s{only['seed']}")]
    return [row for label, group in zip(labels, groups.values(), strict=True) for row in _rows(label, group)]


@dataclass(frozen=True)
class _Entry:
    """One run: its config, its summary, and a row for each variant x inference that it was evaluated by."""

    folder: Path
    state: str
    config: Mapping[str, Any]
    summary: Mapping[str, Any]
    results: list[dict[str, Any]]

    def kinds(self) -> dict[str, float]:
        """Test error by what was evaluated, and on which images where they are not the run's own."""
        own = self.summary["data"]["fingerprint"]
        return {
            ", ".join([r["variant"], r["inference"], *([] if r["fingerprint"] == own else [f"on {r['data']}"])]): r[
                "test_error"
            ]
            for r in self.results
        }


def _rows(label: str, group: list[_Entry]) -> Iterator[Row]:
    """A config's row for each variant x inference that its runs have; one where all of them diverged."""
    group = sorted(group, key=lambda entry: entry.summary["seed"])
    results = [entry.kinds() for entry in group]
    kinds = list(dict.fromkeys(kind for each in results for kind in each)) or [""]
    for kind in kinds:
        runs = [
            Seen(entry.summary["seed"], entry.folder, entry.state, figures.get(kind), None, entry.summary)
            for entry, figures in zip(group, results, strict=True)
        ]
        yield Row(f"{label} ({kind})" if len(kinds) > 1 else label, tuple(runs))


def choices(config: Mapping[str, Any]) -> dict[str, Any]:
    """A config's keys, flat: as people type them. Of a list place also the list, for the order counts."""
    flat: dict[str, Any] = {}
    for key, value in renamed.current(config).items():
        if key in PLACES and PLACES[key].many:
            flat[key] = list(value)
        flat |= dict(_flatten(key, value))
    return flat


def _choices(config: Mapping[str, Any]) -> dict[str, Any]:
    """The numeric ones but the seed: what a row's runs share."""
    return {k: v for k, v in choices(config).items() if k != "seed" and k not in schema.cosmetic()}


def _flatten(prefix: str, value: Any) -> Iterable[tuple[str, Any]]:
    if not isinstance(value, Mapping):
        yield prefix, value
        return
    for key, inner in value.items():
        yield from _flatten(prefix if key == "name" else f"{prefix}.{key}", inner)


def _labels(choices: list[dict[str, Any]]) -> list[str]:
    """What sets each row apart from the others, as overrides."""
    missing = object()
    keys = dict.fromkeys(key for each in choices for key in each)
    differing = [k for k in keys if any(each.get(k, missing) != choices[0].get(k, missing) for each in choices)]
    # An argument that only some rows have comes with the option that has it.
    differing = [k for k in differing if all(k in each for each in choices)]
    return [", ".join(f"{k}={_written(each[k])}" for k in differing) or "-" for each in choices]


def _written(value: Any) -> str:
    if isinstance(value, list):
        return f"[{','.join(map(_written, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{k}: {_written(v)}' for k, v in value.items())}}}"
    return "null" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def write(study: Path) -> Path | None:
    """Write table.csv and table.md into the study's folder and print the table; None where no run has finished."""
    table = rows(study)
    if not table:
        return None
    import pandas

    frame = pandas.DataFrame([_record(row, table[0]) for row in table])
    record.write_text(study / "table.csv", frame.to_csv(index=False))
    caption = _caption(table)
    record.write_text(study / "table.md", _markdown(study.name, table, caption))
    _print(table, caption)
    return study / "table.md"


def _record(row: Row, first: Row) -> dict[str, Any]:
    summary = row.summary
    shift, half = difference(row.errors, first.errors)
    return {
        "row": row.label,
        "n": len(row.errors),
        "test_error_mean": row.mean,
        "test_error_ci95": row.interval,
        "difference": shift,
        "difference_ci95": half,
        "test_errors": " ".join(f"{e:.4f}" for e in row.errors),
        "diverged": row.diverged,
        "seeds": " ".join(map(str, row.seeds)),
        "params": summary["params"],
        "madds": summary["madds"],
        "updates": summary["updates"],
        "epochs": summary["epochs"],
        "data": summary["data"]["title"],
        "fingerprint": summary["data"]["fingerprint"],
        "device": summary["environment"]["gpu"] or summary["environment"]["cpu"],
        "precision": summary["compute"]["precision"],
    }


COLUMNS = ("row", "n", "diverged", "test error %", "± 95%", "less the first row's", "± 95%", "params", "updates")


def _cells(row: Row, first: Row) -> list[str]:
    shift, half = (math.nan, math.nan) if row is first else difference(row.errors, first.errors)
    costs = [f"{row.summary[k]:,}" for k in ("params", "updates")]
    figures = [_number(row.mean), _number(row.interval), _number(shift, "+.2f"), _number(half)]
    return [row.label, str(len(row.errors)), str(row.diverged), *figures, *costs]


def _number(value: float, form: str = ".2f") -> str:
    return "-" if math.isnan(value) else format(value, form)


def _caption(table: list[Row]) -> str:
    """Data, budget, seeds and device: without them a figure says nothing."""
    records = [_record(row, table[0]) for row in table]

    def said(key: str) -> str:
        return " / ".join(dict.fromkeys(str(r[key]) for r in records))

    images = " / ".join(dict.fromkeys(f"{row.summary['data']['train']:,}" for row in table))
    prints = " / ".join(dict.fromkeys(r["fingerprint"].removeprefix("sha256:")[:12] for r in records))
    return (
        f"{said('data')}, {images} training images (fingerprint {prints}), {said('epochs')} epochs, "
        f"seeds {said('seeds')}; last epoch; {said('device')}, {said('precision')}; Student's t "
        "intervals over the seeds, Welch's of differences"
    )


def _markdown(title: str, table: list[Row], caption: str) -> str:
    def line(cells: Iterable[str]) -> str:
        return "| " + " | ".join(c.replace("|", "\\|") for c in cells) + " |"

    body = [line(_cells(row, table[0])) for row in table]
    return "\n".join([f"# {title}", "", line(COLUMNS), line(["---"] * len(COLUMNS)), *body, "", caption, ""])


def _print(table: list[Row], caption: str) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    shown = Table()
    for i, column in enumerate(COLUMNS):
        shown.add_column(column, justify="left" if i == 0 else "right", overflow="fold")
    for row in table:
        shown.add_row(*map(escape, _cells(row, table[0])))
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 160)
    console.print(shown)
    console.print(escape(caption), soft_wrap=True)
