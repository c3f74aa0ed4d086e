"""lr-range, schedule, show, list, count, cache: what can be seen before, or without, a run."""

import argparse
import json
import math
import sys
from pathlib import Path

from tricktable.runner import machine
from tricktable.runner.commands.arguments import (
    Commands,
    add_command,
    completed,
)
from tricktable.runner.errors import BadInput


def add(commands: Commands) -> None:
    """Add these commands, with their arguments."""
    parser = add_command(commands, "lr-range", lr_range, "the learning-rate range test: loss and accuracy as lr rises")
    parser.add_argument("--from", dest="low", type=float, default=1e-5, help="the first learning rate (1e-5)")
    parser.add_argument("--to", dest="high", type=float, default=10.0, help="the last one (10)")
    parser.add_argument("--linear", action="store_true", help="in a straight line, as in the paper; else exponentially")
    parser.add_argument("--updates", type=int, help="about so many steps, in whole epochs (100 at least)")

    parser = add_command(commands, "schedule", schedule, "every knob over the run, without training")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--images", type=int, help="training images, where the set is not to be loaded")

    parser = add_command(commands, "show", show, "print the resolved config; or the first batch's images, as a picture")
    parser.add_argument(
        "--images", metavar="FILE.png", type=Path, help="draw training images, before and after augmentation"
    )

    parser = add_command(commands, "list", list_, "what can be chosen at each place", overrides=False)
    place = parser.add_argument("place", nargs="?", help="one place: its options, with their papers")
    completed(place, "places")
    parser.add_argument("--markdown", action="store_true", help="every trick, or every table, for documents")
    hours = (
        "of tables: what each takes at the paper's budget, on this machine or on one of so many multiply-adds a second"
    )
    parser.add_argument("--hours", nargs="?", const=0.0, type=float, metavar="BILLIONS", help=hours)

    parser = add_command(commands, "cache", cache, "what is kept between runs: images decoded or fetched", False)
    parser.add_argument("--clear", nargs="?", const="", metavar="NAME", help="remove it, or all; a script is not asked")

    parser = add_command(commands, "count", count, "parameters, multiply-adds and FLOPs of a network")
    parser.add_argument("--all", action="store_true", help="every network, at its paper's resolution")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--markdown", action="store_true", help="for documents")


def lr_range(arguments: argparse.Namespace) -> int:
    """The learning-rate range test."""
    machine.import_torch()
    from tricktable.runner.explore import lr_range

    options = (arguments.low, arguments.high, arguments.linear, arguments.updates)
    lr_range.show(lr_range.lr_range(arguments.overrides, *options))
    return 0


def schedule(arguments: argparse.Namespace) -> int:
    """Every knob over the run, without training."""
    from tricktable.runner.explore import preview

    preview.show(arguments.overrides, arguments.images, arguments.json)
    return 0


def show(arguments: argparse.Namespace) -> int:
    """The resolved config; or, with --images, a picture of the first batch's images."""
    import yaml

    if arguments.images is not None:
        machine.import_torch()
        from tricktable.runner.explore import first_batch

        print(first_batch.show(arguments.overrides, arguments.images))
        return 0

    from tricktable.runner.config import compose, schema

    print(yaml.safe_dump(schema.plain(compose.compose(arguments.overrides)), sort_keys=False), end="")
    return 0


def list_(arguments: argparse.Namespace) -> int:
    """What can be chosen."""
    from tricktable.runner.config.catalogue import listing, markdown

    if arguments.hours is not None:
        return _hours(arguments.place, arguments.hours, arguments.markdown)
    if arguments.markdown and arguments.place == "tables":
        from tricktable.runner.papers import listing as tables

        print(tables.markdown())
        return 0
    if arguments.markdown:
        print(markdown())
        return 0
    if arguments.place == "tables":
        from tricktable.runner.papers import recipe

        lines = recipe.listing()
    elif arguments.place == "figures":
        from tricktable.runner.figures import figure as figures

        lines = figures.listing()
    else:
        lines = list(listing(arguments.place))
    _print_columns(lines)
    return 0


def _hours(place: str | None, billions: float, markdown: bool) -> int:
    """What every table takes at the paper's budget; 0 billions: as many as this machine has."""
    if place != "tables":
        raise BadInput(f"--hours: expected `tricktable list tables --hours`, got {place or 'no tables'}")
    if billions < 0 or not math.isfinite(billions):
        raise BadInput(f"--hours: expected billions of multiply-adds a second, above 0, got {billions:g}")
    machine.import_torch()
    from tricktable.runner.papers import estimate, hours, recipe

    rate = billions * hours.BILLION or estimate.trial("cpu")
    names, costs = recipe.names(), []
    print(f"{rate / hours.BILLION:.3g} billion multiply-adds a second; {len(names)} tables", file=sys.stderr)
    for i, name in enumerate(names, 1):
        costs.append(hours.table(name, rate))
        if sys.stderr.isatty():  # it takes minutes
            print(f"\r{i} of {len(names)}", end="\n" if i == len(names) else "", file=sys.stderr, flush=True)
    if markdown:
        print(hours.markdown(costs, rate))
        return 0
    _print_columns(hours.lines(costs))
    return 0


def _print_columns(lines: list[tuple[str, str]]) -> None:
    width = max((len(name) for name, _ in lines), default=0)
    for name, about in lines:
        print(f"{name:<{width}}  {about}")


def cache(arguments: argparse.Namespace) -> int:
    """What is kept between runs."""
    from tricktable.runner.data import kept

    kept.show() if arguments.clear is None else kept.clear(arguments.clear)
    return 0


def count(arguments: argparse.Namespace) -> int:
    """What networks cost."""
    from tricktable.runner.explore import networks

    overrides = arguments.overrides
    rows = networks.all_networks(overrides) if arguments.all else [networks.network(overrides)]
    form = networks.markdown if arguments.markdown else networks.text
    print(json.dumps(rows, indent=2) if arguments.json else form(rows))
    return 0
