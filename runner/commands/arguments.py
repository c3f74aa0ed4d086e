"""What commands share: how one is added, and arguments that several take."""

import argparse
from pathlib import Path
from typing import Any, TypeAlias

from tricktable.runner.commands.engines import take_engine
from tricktable.runner.config import own

OVERRIDES = (
    "key=value in Hydra's grammar: model=resnet56 optimizer.lr=0.05 'augment=[crop,flip]'; "
    "see `tricktable list` and `tricktable show`"
)

Commands: TypeAlias = "argparse._SubParsersAction[Any]"  # where commands are added


def add_command(
    commands: Commands, name: str, function: object, about: str, overrides: bool = True
) -> argparse.ArgumentParser:
    """Add a command that calls a function; its parser, for what else it takes.

    overrides: whether key=value is all that may stand behind it, and --config; else the command takes them in its turn.
    """
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=about, description=about[0].upper() + about[1:] + "."
    )
    parser.set_defaults(run=function, overrides=[], config=None)
    own.take(parser)
    if overrides:
        help_ = "a run's config.yaml, or keys in that form, as if they were typed; what is typed behind it wins"
        parser.add_argument("--config", type=Path, metavar="FILE", help=help_)
        take_overrides(parser)
    return parser


def take_overrides(parser: argparse.ArgumentParser) -> None:
    """key=value."""
    argument = parser.add_argument("overrides", nargs="*", metavar="key=value", help=OVERRIDES)
    completed(argument, "overrides")


def take_baseline(parser: argparse.ArgumentParser) -> None:
    """--baseline."""
    about = "the row that a study's others are compared with: its label, or a part of it alone; by default the first"
    parser.add_argument("--baseline", metavar="ROW", help=about)


def take_pool(parser: argparse.ArgumentParser) -> None:
    """--jobs, --gpus, --timeout, --engine, --detach."""
    parser.add_argument("--jobs", type=int, metavar="N", help="runs at once")
    parser.add_argument(
        "--gpus",
        type=_numbers,
        default=(),
        metavar="0,1",
        help="each run sees one of them, or one for each of its processes",
    )
    parser.add_argument("--timeout", type=float, metavar="MINUTES", help="the longest that one run may take")
    take_engine(parser)


def take_figures(parser: argparse.ArgumentParser) -> None:
    """--figures."""
    about = "its figures in this format too, beside the PNGs; may be given again"
    parser.add_argument("--figures", choices=("svg", "pdf", "png"), action="append", default=[], help=about)


def take_programs(parser: argparse.ArgumentParser, what: str) -> None:
    """--json, --junit."""
    parser.add_argument("--json", action="store_true", help=f"for programs: {what}, alone on stdout")
    parser.add_argument("--junit", metavar="FILE", help="write a JUnit report, a test case for each of several runs")


def _numbers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected the numbers of GPUs, such as 0,1, got {text}") from None


def completed(argument: argparse.Action, *kinds: str) -> None:
    """Have an argument completed by these functions of config/completion.py."""

    def complete(prefix: str, parsed_args: argparse.Namespace | None = None, **_: object) -> list[str]:
        from tricktable.runner.config import completion, roots

        if parsed_args is not None:
            roots.add(parsed_args.plugins, parsed_args.config_dir)
        typed = [text for value in vars(parsed_args or argparse.Namespace()).values() for text in _texts(value)]
        functions = {
            "overrides": lambda: completion.overrides(prefix),
            "tables": completion.tables,
            "papers": completion.papers,
            "figures": completion.figures,
            "places": completion.places,
            "studies": lambda: completion.studies(typed),
            "runs": lambda: completion.runs(typed),
        }
        return [name for kind in kinds for name in functions[kind]() if name.startswith(prefix)]

    argument.completer = complete  # type: ignore[attr-defined]


def _texts(value: object) -> list[str]:
    several = value if isinstance(value, list) else [value]
    return [each for each in several if isinstance(each, str)]


def print_json(document: object) -> None:
    """Strict JSON, which lacks NaN and the infinities: these are null."""
    from tricktable.runner.disk import atomic

    print(atomic.dump(document).decode(), end="")
