"""--engine, --detach and engine.KEY=VALUE, which commands that make many runs share."""

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tricktable.runner.launch.engines.engine import Engine


def take_engine(parser: argparse.ArgumentParser) -> None:
    """--engine, --detach."""
    parser.add_argument(
        "--engine", metavar="NAME", help="where runs are made: local, slurm or ray; its keys are engine.KEY=VALUE"
    )
    parser.add_argument("--detach", action="store_true", help="hand the runs to Slurm and leave; again: how they stand")


def engine_of(arguments: argparse.Namespace) -> "Engine | None":
    """The engine that was typed, whose keys are taken out of the overrides; None where nothing was. BadInput."""
    from tricktable.runner.launch.engines import choice

    typed = arguments.engine, arguments.overrides, arguments.jobs, arguments.detach
    engine, arguments.overrides = choice.taken(*typed)
    return engine


def pool_of(arguments: argparse.Namespace) -> dict[str, Any]:
    """How many runs at once, on which GPUs, for how long, and by what; called before the overrides are read."""
    return {
        "engine": engine_of(arguments),
        **{name: vars(arguments)[name] for name in ("jobs", "gpus", "timeout")},
    }
