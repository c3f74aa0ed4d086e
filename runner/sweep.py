"""A multirun: every point is validated before the first starts, and each runs in a process of its own."""

import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from runner import data, job, rundir, schema, table
from runner.compose import compose, expand
from runner.data.source import Arrays, Files
from runner.errors import BadInput, Diverged, ExpectationFailed, Interrupted, SweepFailed

DONE = 0


def sweep(overrides: Sequence[str], expect: str | None) -> None:
    """Run every point of a multirun, one after another, and print the table of its study.

    Raises SweepFailed, ExpectationFailed or Interrupted at the end. A diverged run is a result, not a failure.
    """
    points = expand(overrides)
    configs = [_composed(point) for point in points]
    identities = _validate(points, configs)
    print(f"{len(points)} runs in {configs[0].output.root}/{configs[0].study}")
    codes = []
    for i, (point, config) in enumerate(zip(points, configs, strict=True)):
        print(f"[{i + 1}/{len(points)}] {' '.join(point)}", flush=True)
        codes.append(_run(point, expect))
        if codes[-1] == Interrupted.exit_code:
            raise Interrupted(f"interrupted in run {i + 1} of {len(points)}; run the same command again to go on")
        if codes[-1] not in (DONE, Diverged.exit_code, ExpectationFailed.exit_code):
            _record_death(config, identities[i], codes[-1])
    for study in dict.fromkeys(Path(config.output.root) / config.study for config in configs):
        path = table.write(study)
        print(path or f"{study}: no run has finished")
    _raise_for(points, codes)


def _composed(point: list[str]) -> schema.Config:
    try:
        return compose(point)
    except BadInput as error:
        raise BadInput(f"{' '.join(point)}: {error}") from None


def _validate(points: list[list[str]], configs: list[schema.Config]) -> list[rundir.Identity]:
    """Build every point that differs by more than its seed, on data that is loaded once for all that share it."""
    sources: dict[str, Arrays | Files] = {}
    checked: dict[str, rundir.Identity] = {}
    identities = []
    for point, config in zip(points, configs, strict=True):
        shared = json.dumps(schema.plain(config.data), sort_keys=True)
        if shared not in sources:
            sources = {shared: data.load(config.data)}
        key = json.dumps(schema.numeric(replace(config, seed=0)), sort_keys=True)
        try:
            if key not in checked:
                checked[key] = job.prepare(config, sources[shared])[1]
        except BadInput as error:
            raise BadInput(f"{' '.join(point)}: {error}") from None
        identities.append(replace(checked[key], config_hash=job.config_hash(config)))
    return identities


def _run(point: list[str], expect: str | None) -> int:
    """One point in a process of its own; its exit code, negative where a signal ended it.

    A signal to this process is handed on, and stops the multirun when the run has ended, however it did.
    """
    command = [sys.executable, "-m", "runner", "train", *point, *(["--expect", expect] if expect else [])]
    # In a group of its own, or a terminal's Ctrl-C would reach it twice, and the second one asks for no patience.
    child = subprocess.Popen(command, process_group=0)
    caught = []

    def hand_on(number: int, _: object) -> None:
        caught.append(number)
        child.send_signal(number)

    before = {number: signal.signal(number, hand_on) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    try:
        code = child.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return Interrupted.exit_code if caught else code


def _record_death(config: schema.Config, identity: rundir.Identity, code: int) -> None:
    """A process that was killed could not say so itself."""
    folder = rundir.find_or_plan(Path(config.output.root), config.study, config.label, identity)
    if folder.crashed:
        reason = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exited with {code}"
        with folder.open():
            folder.set_state("failed", reason=reason)


def _raise_for(points: list[list[str]], codes: list[int]) -> None:
    failed = [f"{' '.join(p)} ({c})" for p, c in zip(points, codes, strict=True) if c not in (DONE, Diverged.exit_code)]
    if failed and all(c in (DONE, Diverged.exit_code, ExpectationFailed.exit_code) for c in codes):
        raise ExpectationFailed(f"{len(failed)} of {len(points)} runs do not hold: {'; '.join(failed)}")
    if failed:
        raise SweepFailed(f"{len(failed)} of {len(points)} runs failed: {'; '.join(failed)}")
