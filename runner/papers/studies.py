"""Runs of a study -> its table: one row per config, mean ± 95% interval over the seeds."""

import json
import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from tricktable.runner import terminal
from tricktable.runner.config import renamed, schema
from tricktable.runner.config.options import LISTS
from tricktable.runner.disk.code import changed
from tricktable.runner.disk.runs import Runs, StoredRun
from tricktable.runner.errors import BadInput
from tricktable.runner.papers import provenance
from tricktable.runner.papers.facts import Metric
from tricktable.runner.papers.measured import Evaluated, MeasuredRow, MeasuredTable, Measurement, each_once

INTERVALS = "Student's t intervals over the seeds, Welch's of differences"
METRIC = Metric("top1_error", "percent", "lower", "test")


def tabulate(study: str, runs: Runs, baseline: str | None = None) -> MeasuredTable | None:
    """The table of a study; None where no run of it has ended. The rest as `table_of`."""
    named = "" if baseline is None else f" --baseline {shlex.quote(baseline)}"
    found = runs.of_study(study)
    groups = labelled(run for run in found if run.info.ended and found.whole(run))
    once = [(label, _once(group)) for label, group in groups]
    table = table_of(study, once, f"tricktable report {study}{named}", baseline)
    copies = [run for (_, all_), (_, kept) in zip(groups, once, strict=True) for run in all_ if run not in kept]
    if table and copies:
        names = ", ".join(terminal.clean(run.id) for run in copies)
        said = f"In no row, for each is a copy of a run that is: {names}."
        table = replace(table, warnings=(said, *table.warnings))
    return accounted(table, found)


def _once(group: Sequence[StoredRun]) -> list[StoredRun]:
    """A config's runs without copies, which are the same run in another folder: the one that has its own name stays."""
    kept: dict[tuple[str, str], StoredRun] = {}
    for run in sorted(group, key=lambda run: run.id != run.info.id):
        kept.setdefault((run.info.identity.config_hash, run.info.identity.fingerprint), run)
    return [run for run in group if run in kept.values()]


def accounted(table: MeasuredTable | None, runs: Runs) -> MeasuredTable | None:
    """The table with a word on each of a study's folders that is in no row."""
    if table is None:
        return None
    states = Counter(run.state for run in runs if not run.info.ended)
    listed = ", ".join(f"{number} {state}" for state, number in states.items())
    unended = (f"In no row, for they have not ended: {listed}.",) if states else ()
    warnings = (*provenance.left_out(runs.unusable), *unended, *table.warnings)
    return replace(table, warnings=warnings, damaged=runs.unusable)


def table_of(
    study: str, groups: Iterable[tuple[str, Sequence[StoredRun]]], command: str, baseline: str | None = None
) -> MeasuredTable | None:
    """The table of rows that have a label and ended runs each; None where there are none.

    baseline: the label of the row that the others are compared with, or a part of it that no other label has; by
    default the first. BadInput where it stands for no row, or for several.
    """
    groups = [*groups]
    found = tuple(row for label, group in groups for row in _rows(label, group))
    if not found:
        return None
    return MeasuredTable(
        name=study,
        title=f"Study {study}",
        caption=_caption([shared_choices(group[0]) for _, group in groups]),
        metric=METRIC,
        budget="study",
        rows=found,
        provenance=f"{provenance_of(found)}; {INTERVALS}",
        command=command,
        warnings=provenance.warnings(found),
        baseline=_baseline(found, baseline),
        evaluated=tuple(each for label, group in groups for each in _evaluated(label, group)),
    )


def _caption(choices: Sequence[Mapping[str, Any]]) -> str:
    """What the rows differ in."""
    keys = differing(choices)
    more = f" and {len(keys) - 3} more keys" if len(keys) > 3 else ""
    return f"Test error by {', '.join(keys[:3])}{more}" if keys else "Test error"


def _baseline(found: Sequence[MeasuredRow], text: str | None) -> str:
    """The label of the row that a text stands for; of the first for none."""
    labels = [row.label for row in found]
    if text is None:
        return labels[0]
    meant = [label for label in labels if label == text] or [label for label in labels if text in label]
    if len(meant) != 1:
        raise BadInput(
            f"--baseline: expected a row's label, or a part of it that no other label has; got {text}, which "
            f"{len(meant)} of these have: {'; '.join(labels)}"
        )
    return meant[0]


def labelled(runs: Iterable[StoredRun]) -> list[tuple[str, list[StoredRun]]]:
    """Ended runs by what they differ in but for their seed: each group with what sets it apart from the others."""
    groups = _groups(sorted((run for run in runs if run.info.ended), key=lambda run: str(run.info.started)))
    labels = _labels([shared_choices(group[0]) for group in groups])
    if len(groups) == 1:  # nothing to be set apart from
        only = groups[0][0].config
        labels = [only["label"].removesuffix(f"-s{only['seed']}")]
    return list(zip(labels, groups, strict=True))


def _groups(runs: Iterable[StoredRun]) -> list[list[StoredRun]]:
    """Runs that differ by their seed alone: of one config, on the same data, computed alike, by the same code."""
    groups: list[list[StoredRun]] = []
    alike: dict[str, list[list[StoredRun]]] = {}  # but for their code
    for run in runs:
        shared = [run.summary.data.fingerprint, asdict(run.summary.compute), shared_choices(run)]
        candidates = alike.setdefault(json.dumps(shared, sort_keys=True), [])
        group = next((each for each in candidates if not changed(made_by(each[0]), made_by(run))), None)
        if group is None:
            group = []
            candidates.append(group)
            groups.append(group)
        group.append(run)
    return groups


def made_by(run: StoredRun) -> dict[str, str]:
    """The digests of all that a run was made by: the files of its code, and the weights of its teachers."""
    return {**run.info.identity.code, **run.info.identity.teachers}


def _rows(label: str, group: Sequence[StoredRun]) -> Iterator[MeasuredRow]:
    """A config's row for each variant x inference that its runs have; one where all of them diverged."""
    group = sorted(group, key=lambda run: run.summary.seed)
    errors = [_errors(run) for run in group]
    kinds = list(dict.fromkeys(kind for each in errors for kind in each)) or [""]
    first = group[0].summary
    for kind in kinds:
        yield MeasuredRow(
            label=f"{label} ({kind})" if len(kinds) > 1 else label,
            seeds=tuple(run.summary.seed for run in group),
            runs=tuple(
                Measurement(run, run.summary.seed, each.get(kind)) for run, each in zip(group, errors, strict=True)
            ),
            params=first.params,
            madds=first.madds,
            updates=first.updates,
        )


def _errors(run: StoredRun) -> dict[str, float | None]:
    """Test error of the run's own results, by variant and inference."""
    return {f"{each.variant}, {each.inference}": each.test_error for each in run.summary.results}


def _evaluated(label: str, group: Sequence[StoredRun]) -> list[Evaluated]:
    """What runs of a config came to in evaluations after their training, but for those that repeat their own results.

    Of the same evaluation of a run the last one counts.
    """
    found: dict[str, dict[int, float]] = {}
    for run in group:
        own = _errors(run)
        for each in run.evaluations[len(run.summary.results) :]:
            what = run.told(each)
            if each.test_error is not None and what not in own:
                found.setdefault(what, {})[run.summary.seed] = each.test_error
    return [Evaluated(label, what, tuple(errors[seed] for seed in sorted(errors))) for what, errors in found.items()]


def choices(config: Mapping[str, Any]) -> dict[str, Any]:
    """A config's keys, flat: as people type them. Of a list place also the list, for the order counts."""
    flat: dict[str, Any] = {}
    for key, value in renamed.current(config).items():
        if key in LISTS:
            flat[key] = list(value or ())
        flat |= dict(_flatten(key, value))
    return flat


def shared_choices(run: StoredRun) -> dict[str, Any]:
    """The numeric ones but the seed: what a row's runs share."""
    return {k: v for k, v in choices(run.config).items() if k != "seed" and not schema.is_cosmetic(k)}


def _flatten(prefix: str, value: Any) -> Iterable[tuple[str, Any]]:
    if type(value) in renamed.SCALARS or not isinstance(value, Mapping):
        yield prefix, value
        return
    for key, inner in value.items():
        yield from _flatten(prefix if key == "name" else f"{prefix}.{key}", inner)


def differing(choices: Sequence[Mapping[str, Any]]) -> list[str]:
    """The keys that all have, and not all alike: an argument that only some have comes with the option that has it."""
    shared = [key for key in (choices[0] if choices else ()) if all(key in each for each in choices)]
    return [key for key in shared if any(each[key] != choices[0][key] for each in choices)]


def _labels(choices: list[dict[str, Any]]) -> list[str]:
    """What sets each row apart from the others, as overrides."""
    keys = differing(choices)
    return [", ".join(f"{k}={written(each[k])}" for k in keys) or "-" for each in choices]


def written(value: Any) -> str:
    """A value as it is typed."""
    if isinstance(value, list):
        return f"[{','.join(map(written, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{k}: {written(v)}' for k, v in value.items())}}}"
    return "null" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def provenance_of(table: Sequence[MeasuredRow]) -> str:
    """Data, budget, seeds and device: without them a figure says nothing."""
    firsts = [row.runs[0].summary for row in table]

    titles = each_once(each.data.title for each in firsts)
    images = each_once(f"{each.data.train:,}" for each in firsts)
    prints = each_once(each.data.fingerprint.removeprefix("sha256:")[:12] for each in firsts)
    epochs = each_once(each.epochs for each in firsts)
    seeds = each_once(" ".join(map(str, row.seeds)) for row in table)
    devices = each_once(each.environment.device for each in firsts)
    precisions = each_once(each.compute.precision for each in firsts)
    return (
        f"{titles}, {images} training images (fingerprint {prints}), {epochs} epochs, "
        f"seeds {seeds}; last epoch; {devices}, {precisions}"
    )
