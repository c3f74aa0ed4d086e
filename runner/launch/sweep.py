"""A multirun: every point is validated before the first starts, and each runs in a process of its own."""

import gc
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from runner import data
from runner.config import schema
from runner.config.compose import compose, expand
from runner.data.source import Arrays, Files
from runner.disk import rundir
from runner.errors import BadInput, ExpectationFailed
from runner.launch import expect, pool
from runner.training import compute, job


def sweep(
    overrides: Sequence[str], *, jobs: int | None = None, gpus: Sequence[int] = (), timeout: float | None = None
) -> list[pool.Outcome]:
    """Run every point of a multirun that has not ended yet, `jobs` at once; what became of each.

    `gpus` and `timeout` (minutes per run) as in `pool.launch`, which also says what is raised.
    """
    return pool.launch(plan(expand(overrides)), parallel=jobs, gpus=gpus, timeout=timeout)


def plan(points: Sequence[Sequence[str]]) -> list[pool.Job]:
    """Each point's overrides as a job for `launch`; BadInput, and nothing created, where one of them cannot be run."""
    configs = [_composed(point) for point in points]
    identities = _validate(points, configs)
    shared = set(points[0]).intersection(*points)
    return [
        pool.Job(
            overrides=tuple(point),
            root=Path(config.output.root),
            study=config.study,
            label=config.label,
            identity=identity,
            title=" ".join(each for each in point if each not in shared) or config.label,
            threads=_threads(config),
        )
        for point, config, identity in zip(points, configs, identities, strict=True)
    ]


def _composed(point: Sequence[str]) -> schema.Config:
    try:
        return compose(point)
    except BadInput as error:
        raise BadInput(f"{' '.join(point)}: {error}") from None


def _validate(points: Sequence[Sequence[str]], configs: Sequence[schema.Config]) -> list[rundir.Identity]:
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
    if torch.cuda.is_initialized():  # the runs need the memory that was tried out here
        gc.collect()
        torch.cuda.empty_cache()
    return identities


def _threads(config: schema.Config) -> int:
    """The threads that a run keeps busy; on a GPU they mostly wait."""
    resolved = compute.resolve(config.compute)
    return resolved.threads if resolved.device.type == "cpu" else 1


def check(expectation: expect.Expectation, outcomes: Sequence[pool.Outcome]) -> None:
    """ExpectationFailed where a run that finished does not hold it."""
    misses = []
    for outcome in outcomes:
        if outcome.state == "complete":
            try:
                expectation.check(outcome.summary or {})
            except ExpectationFailed as error:
                misses.append(f"{outcome.job.title}: {error}")
    if misses:
        raise ExpectationFailed(f"{len(misses)} of {len(outcomes)} runs do not hold: {'; '.join(misses)}")
