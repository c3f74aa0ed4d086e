"""A multirun: every point is validated before the first starts, and each runs in a process of its own."""

import gc
import json
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from tricktable.runner import data
from tricktable.runner.config import schema
from tricktable.runner.config.compose import compose, expand
from tricktable.runner.config.label import varied
from tricktable.runner.config.overrides import Overrides
from tricktable.runner.config.schema import Config
from tricktable.runner.data.source import Arrays, Files
from tricktable.runner.disk import config_file
from tricktable.runner.disk.info import Identity
from tricktable.runner.errors import BadInput, ExpectationFailed
from tricktable.runner.launch import expect, pool, settled
from tricktable.runner.launch.engines.engine import Engine, Node
from tricktable.runner.launch.expect import Expectation
from tricktable.runner.launch.junit import Case
from tricktable.runner.launch.outcome import Job, Outcome
from tricktable.runner.training import compute, job

Point = tuple[Overrides, Config]  # what was typed for one run, and the config that it makes


def sweep(
    overrides: Sequence[str], *, jobs: int | None = None, gpus: Sequence[int] = (), timeout: float | None = None,
    heard: bool = False, engine: Engine | None = None,
) -> list[Outcome]:  # fmt: skip
    """Run every point of a multirun that has not ended yet, `jobs` at once; what became of each.

    `gpus`, `timeout` (minutes per run), `heard` and `engine` as in `pool.launch`, which also says what is raised.
    """
    points = [config_file.begun(point) for point in expand(overrides)]
    named = varied(points)
    composed = [(point, _composed(point, named)) for point in points]
    planned = plan(composed, engine)
    return pool.launch(planned, parallel=jobs, gpus=gpus, timeout=timeout, heard=heard, engine=engine)


def plan(points: Sequence[Point], engine: Engine | None = None) -> list[Job]:
    """Each point as a job for `pool.launch`; BadInput, and nothing created, where one of them cannot be run.

    What another machine would choose by itself, device and threads, is settled here: it is part of which run it is.
    """
    node = engine.node if engine else None
    prepared = _prepared(points, node)
    shared = set(points[0][0]).intersection(*(overrides for overrides, _ in points))
    return [
        Job(
            overrides=overrides,
            root=Path(config.output.root),
            study=config.study,
            label=config.label,
            identity=identity,
            title=" ".join(each for each in overrides if each not in shared) or config.label,
            threads=1 if node else _threads(config),
            memory=memory,
            processes=config.compute.processes,
            settled=settled.overrides(config.compute, node),
        )
        for (overrides, config), (identity, memory) in zip(points, prepared, strict=True)
    ]


def _composed(overrides: Overrides, named: Collection[str]) -> Config:
    try:
        return compose(overrides, named)
    except BadInput as error:
        raise BadInput(f"{overrides}: {error}") from None


def _prepared(points: Sequence[Point], node: Node | None) -> list[tuple[Identity, int]]:
    """Build every point that differs by more than its seed, on data that is loaded once for all that share it.

    With each identity the bytes that the run takes of a GPU.
    """
    sources: dict[str, Arrays | Files] = {}
    built: dict[str, tuple[Identity, int]] = {}
    groups: dict[tuple[int, ...], tuple[Identity, int, dict[str, Any]]] = {}
    prepared = []
    for overrides, config in points:
        alike = _held(config)
        if alike not in groups:
            shared = json.dumps(schema.plain(config.data), sort_keys=True)
            if shared not in sources:
                sources = {shared: data.load(config.data)}
            key = json.dumps(schema.numeric(replace(config, seed=0)), sort_keys=True)
            try:
                if key not in built:
                    run, found = job.prepare(settled.tried(config, node), sources[shared])
                    built[key] = found, run.memory
                    del run  # its memory is the next one's
                groups[alike] = *built[key], job.hashed(settled.config(config, node), here=node is None)
            except BadInput as error:
                raise BadInput(f"{overrides}: {error}") from None
        identity, memory, hashed = groups[alike]
        prepared.append((replace(identity, config_hash=schema.digest({**hashed, "seed": config.seed})), memory))
    if torch.cuda.is_initialized():  # the runs need the memory that was tried out here
        gc.collect()
        torch.cuda.empty_cache()
    return prepared


def _held(config: Config) -> tuple[int, ...]:
    """What tells whether two configs, while both are there, hold the same objects but for the seed."""
    return tuple(id(value) for name, value in vars(config).items() if name not in ("seed", "label"))


def _threads(config: Config) -> int:
    """The threads that a run keeps busy; on a GPU they mostly wait."""
    resolved = compute.resolve(config.compute)
    compute.warn_of_threads(resolved)
    return resolved.threads * resolved.processes if resolved.device.type == "cpu" else 1


def misses(expectations: Sequence[Expectation], outcome: Outcome) -> list[str]:
    """What is said of each expectation that a run does not hold; one that diverged or failed holds none.

    Nothing is said of one that was stopped: it goes on.
    """
    if outcome.state == "interrupted":
        return []
    ended = None if outcome.state == "complete" else outcome.reason or outcome.state
    return expect.misses(expectations, outcome.summary, ended)


def check(expectations: Sequence[Expectation], outcomes: Sequence[Outcome]) -> None:
    """ExpectationFailed, with every miss of every run, where one has ended and does not hold them all."""
    missed = [f"{each.job.title}: {'; '.join(said)}" for each in outcomes if (said := misses(expectations, each))]
    if missed:
        listed = "; ".join(missed)
        raise ExpectationFailed(f"{len(missed)} of {len(outcomes)} runs do not hold: {listed}")


def plain(outcome: Outcome, expectations: Sequence[Expectation]) -> dict[str, Any]:
    """An outcome as `tricktable train -m --json` has it."""
    return {
        "run": outcome.job.folder().path.name,
        "study": outcome.job.study,
        "title": outcome.job.title,
        "overrides": list(outcome.job.overrides),
        "state": outcome.state,
        "reason": outcome.reason,
        "misses": misses(expectations, outcome),
        "summary": outcome.summary.plain() if outcome.summary else None,
    }


def cases(outcomes: Sequence[Outcome], expectations: Sequence[Expectation]) -> dict[str, list[Case]]:
    """The outcomes by study, for a JUnit report."""
    suites: dict[str, list[Case]] = {}
    for each in outcomes:
        case = Case(
            name=each.job.title,
            seconds=each.seconds,
            failure="\n".join(misses(expectations, each)),
            error=(each.reason or each.state) if each.state in ("failed", "interrupted") else "",
            told=each.words,
        )
        suites.setdefault(each.job.study, []).append(case)
    return suites
