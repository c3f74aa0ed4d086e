"""`tricktable.train`: one run in this process, or several, each in a process of its own."""

from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from tricktable.runner import terminal
from tricktable.runner.config.compose import compose, expand
from tricktable.runner.errors import BadInput, Diverged
from tricktable.runner.launch import sweep
from tricktable.runner.launch.engines import choice
from tricktable.runner.launch.outcome import raise_for
from tricktable.runner.python.apart import apart, hushed, silent
from tricktable.runner.python.run import Run
from tricktable.runner.python.typed import several
from tricktable.runner.training import job
from tricktable.runner.training import summary as summaries


def train(
    overrides: Sequence[str] = (),
    *,
    jobs: int | None = None,
    gpus: Sequence[int] = (),
    timeout: float | None = None,
    quiet: bool | None = None,
    engine: str | None = None,
) -> Run | list[Run]:
    """Train as `tricktable train` does, in the same folders: what was stopped goes on, what is complete stays.

    overrides: a list of key=value. Where a key has several values, `seed=0,1`, every point is run as by `train -m`:
    jobs at once, on gpus, each for timeout minutes at the longest; then the result is a list. quiet: show no progress,
    by default where stderr is no terminal. engine: who makes them, as --engine; its keys are overrides, engine.cpus=2.
    A run that diverged is a result; other ends are the command's errors.
    """
    where, texts = choice.taken(engine, several(overrides), jobs)
    points = expand(texts)
    silently = silent(quiet)
    with apart(), hushed(silently) as progress:
        if len(points) > 1:
            outcomes = sweep.sweep(texts, jobs=jobs, gpus=gpus, timeout=timeout, heard=silently, engine=where)
            raise_for(outcomes)
            return [Run(each.job.folder().path) for each in outcomes]
        if jobs or gpus or timeout or where:
            raise BadInput(
                "jobs, gpus, timeout and engine are for several runs: give a key several values, such as seed=0,1"
            )
        return _one(points[0], progress)


def _one(overrides: Sequence[str], progress: TextIO | None) -> Run:
    config = compose(overrides)
    try:
        summary = job.execute(config, progress)
    except Diverged as error:
        assert error.folder is not None, "a run that diverged has a folder"
        terminal.say(f"diverged: {error}")
        return Run(error.folder)
    print(summaries.outcome(summary, config.output.root))
    return Run(Path(config.output.root) / summary.study / summary.id)
