# PYTHON_ARGCOMPLETE_OK
"""The commands; nothing but argument handling. What a command needs is imported when it runs."""

import argparse
import os
import re
import signal
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from tricktable.runner import commands as run
from tricktable.runner import machine, terminal
from tricktable.runner.errors import BadInput, Interrupted, Stopped, StorageProblem, TricktableError

EPILOG = (
    "Errors are one line. Exit codes: 0 done, 2 bad input, 3 runs failed, 4 diverged, 5 data, 6 checkpoint, "
    "7 storage, 8 run in use, 9 expectation failed, 75 interrupted (run it again to go on)."
)

OVERRIDES = (
    "key=value in Hydra's grammar: model=resnet56 optimizer.lr=0.05 'augment=[crop,flip]'; "
    "see `tricktable list` and `tricktable show`"
)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise BadInput(f"{message} ({self.prog} --help)")


def _parser() -> tuple[argparse.ArgumentParser, dict[str, _Parser]]:
    """The parser, and those of the commands by name."""
    parser = _Parser(
        prog="tricktable",
        description="Name a model, an optimizer, a schedule and some tricks; get the table, measured.",
        epilog=EPILOG
        + ' Completion: eval "$(register-python-argcomplete tricktable)" (bash and zsh; fish: --shell fish).',
    )
    parser.add_argument("--version", action="store_true", help="this program's version, and torch's")
    commands = parser.add_subparsers(dest="command", metavar="command", parser_class=_Parser)

    _to_train(commands)
    _to_reproduce(commands)
    _to_look(commands)
    return parser, dict(commands.choices)


def _to_train(commands: "argparse._SubParsersAction[_Parser]") -> None:
    train = _command(commands, "train", run.train, "train one run, or with -m every point of a multirun")
    train.add_argument("-m", "--multirun", action="store_true", help="seed=0,1,2 or seed=range(5): run every point")
    train.add_argument(
        "--expect",
        metavar="'test_error<5'",
        action="append",
        default=[],
        help="exit 9 where a figure of the summary does not hold, or a run diverged or failed; may be given again",
    )
    train.add_argument("--label", help=argparse.SUPPRESS)  # a multirun says how its runs are called
    _take_programs(train, "the summary, with -m the list of outcomes")
    _take_baseline(train)
    _take_pool(train)

    study = _command(
        commands, "study", run.study, "a whole study that a YAML file holds: its runs and its table", False
    )
    study.add_argument(
        "file", metavar="FILE", type=Path, help="rows, seeds and what they share: see docs/own-images.md"
    )
    _take_pool(study)
    _take_overrides(study)

    init = _command(commands, "init", run.init, "look at a folder of images and write a first study of it", False)
    init.add_argument(
        "folder", metavar="FOLDER", help="<class>/<image>, or train/<class>/<image> and test/<class>/<image>"
    )
    init.add_argument("--to", metavar="FILE", type=Path, help="the study's file; by default <folder's name>.yaml, here")


def _to_reproduce(commands: "argparse._SubParsersAction[_Parser]") -> None:
    table = _command(commands, "table", run.table, "a paper's table: theirs, ours, and the verdicts", False)
    name = table.add_argument(
        "name", help="<paper>/<table>, as in `tricktable list tables`; a quoted glob of them; all"
    )
    _completed(name, "tables")
    table.add_argument("--budget", choices=("smoke", "short", "paper"), help="how much of the paper's training")
    table.add_argument("--run", dest="make", action="store_true", help="make the runs that are missing")
    table.add_argument(
        "--dry-run", action="store_true", help="say what each row is, what exists, and how long the rest takes"
    )
    table.add_argument("--minutes", type=float, help="stop then, with all saved; the same command goes on")
    _take_programs(table, "rows and claims")
    _take_pool(table)
    _take_overrides(table)

    report = _command(commands, "report", run.report, "a table's or a study's page, tables and figures", False)
    name = report.add_argument("name", nargs="?", help="<paper>/<table>, or a study; by default every run, as runs.csv")
    _completed(name, "tables", "studies")
    report.add_argument("--budget", choices=("smoke", "short", "paper"), help="of a paper's table")
    _take_baseline(report)
    _take_overrides(report)

    compare = _command(commands, "compare", run.compare, "two runs, or two rows of runs, side by side", False)
    _completed(
        compare.add_argument("a", metavar="A", help="a run's folder or id, or a quoted glob of a row's runs"), "runs"
    )
    _completed(compare.add_argument("b", metavar="B", help="the other"), "runs")
    _take_overrides(compare)

    static = _command(commands, "static", run.static, "what a paper states that needs no training, decided here", False)
    _completed(static.add_argument("paper", nargs="?", help="one paper, or its arXiv number; by default all"), "papers")
    static.add_argument("--markdown", action="store_true", help="for documents")


def _to_look(commands: "argparse._SubParsersAction[_Parser]") -> None:
    test = _command(commands, "lr-range", run.lr_range, "the learning-rate range test: loss and accuracy as lr rises")
    test.add_argument("--from", dest="low", type=float, default=1e-5, help="the first learning rate (1e-5)")
    test.add_argument("--to", dest="high", type=float, default=10.0, help="the last one (10)")
    test.add_argument("--linear", action="store_true", help="in a straight line, as in the paper; else exponentially")
    test.add_argument("--updates", type=int, help="about so many steps, in whole epochs (100 at least)")

    schedule = _command(commands, "schedule", run.schedule, "every knob over the run, without training")
    schedule.add_argument("--json", action="store_true", help="for programs")
    schedule.add_argument("--images", type=int, help="training images, where the set is not to be loaded")

    evaluate = _command(commands, "evaluate", run.evaluate, "evaluate finished runs again, without training", False)
    one = evaluate.add_argument("runs", metavar="RUN", help="a run's folder or id, a study's folder, or a quoted glob")
    _completed(one, "runs")
    evaluate.add_argument("--together", action="store_true", help="the models of all these runs as one ensemble")
    _take_overrides(evaluate)

    figure = _command(commands, "figure", run.figure, "a figure of finished runs: see `tricktable list figures`", False)
    _completed(figure.add_argument("name", help="which figure, as `tricktable list figures` has them"), "figures")
    several = figure.add_argument(
        "runs", nargs="+", metavar="RUN", help="a run's folder or id, a study's folder or a quoted glob; then key=value"
    )
    _completed(several, "runs", "overrides")

    show = _command(commands, "show", run.show, "print the resolved config; or the first batch's images, as a picture")
    show.add_argument(
        "--images", metavar="FILE.png", type=Path, help="draw training images, before and after augmentation"
    )

    listing = _command(commands, "list", run.list_, "what can be chosen at each place", overrides=False)
    place = listing.add_argument("place", nargs="?", help="one place: its options, with their papers")
    _completed(place, "places")
    listing.add_argument("--markdown", action="store_true", help="every trick, or every table, for documents")

    cache = _command(commands, "cache", run.cache, "what is kept between runs: images decoded or fetched", False)
    cache.add_argument("--clear", nargs="?", const="", metavar="NAME", help="remove it, or all; a script is not asked")

    count = _command(commands, "count", run.count, "parameters, multiply-adds and FLOPs of a network")
    count.add_argument("--all", action="store_true", help="every network, at its paper's resolution")
    count.add_argument("--json", action="store_true", help="for programs")
    count.add_argument("--markdown", action="store_true", help="for documents")


def _command(
    commands: "argparse._SubParsersAction[_Parser]",
    name: str,
    function: object,
    about: str,
    overrides: bool = True,
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=about, description=about[0].upper() + about[1:] + "."
    )
    parser.set_defaults(run=function, overrides=[], config=None)
    if overrides:
        help_ = "a run's config.yaml, or keys in that form, as if they were typed; what is typed behind it wins"
        parser.add_argument("--config", type=Path, metavar="FILE", help=help_)
        _take_overrides(parser)
    return parser


def _take_overrides(parser: argparse.ArgumentParser) -> None:
    argument = parser.add_argument("overrides", nargs="*", metavar="key=value", help=OVERRIDES)
    _completed(argument, "overrides")


def _take_baseline(parser: argparse.ArgumentParser) -> None:
    about = "the row that a study's others are compared with: its label, or a part of it alone; by default the first"
    parser.add_argument("--baseline", metavar="ROW", help=about)


def _take_pool(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--jobs", type=int, metavar="N", help="runs at once")
    parser.add_argument("--gpus", type=_numbers, default=(), metavar="0,1", help="each run sees one of them")
    parser.add_argument("--timeout", type=float, metavar="MINUTES", help="the longest that one run may take")


def _take_programs(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument("--json", action="store_true", help=f"for programs: {what}, alone on stdout")
    parser.add_argument("--junit", metavar="FILE", help="write a JUnit report, a test case for each of several runs")


def _numbers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected the numbers of GPUs, such as 0,1, got {text}") from None


def _completed(argument: argparse.Action, *kinds: str) -> None:
    """Have an argument completed by these functions of config/completion.py."""

    def complete(prefix: str, parsed_args: argparse.Namespace | None = None, **_: object) -> list[str]:
        from tricktable.runner.config import completion

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


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command and exit with its code."""
    parser, commands = _parser()
    if "_ARGCOMPLETE" in os.environ:
        import argcomplete

        argcomplete.autocomplete(parser)
    terminal.listen()
    try:
        with machine.when_stopped(_stopped, machine.STOPS[1:]):
            code = _dispatch(parser, commands, sys.argv[1:] if arguments is None else list(arguments))
    except TricktableError as error:
        code = _said(error)
    except OSError as error:  # a folder that may not be entered, a name that is too long
        code = _said(StorageProblem(f"{error.filename or 'storage'}: {(error.strerror or str(error)).lower()}"))
    except Stopped as stop:
        code = _said(Interrupted(f"{stop}: run the same command again to go on"))
    except KeyboardInterrupt:
        code = 130
    if (lost := terminal.lost()) and code == 0:
        code = _said(StorageProblem(f"stdout: {lost}; what was printed is not whole"))
    sys.exit(code)


def _said(error: TricktableError) -> int:
    terminal.complain(str(error))
    return error.exit_code


def _stopped(number: int) -> NoReturn:
    raise Stopped(signal.Signals(number).name)


def _dispatch(parser: argparse.ArgumentParser, commands: Mapping[str, _Parser], arguments: list[str]) -> int:
    command = next((each for each in arguments if not each.startswith("-")), None)
    if command is not None and command not in commands:
        raise _unknown_command(command, commands)
    parsed, more = parser.parse_known_args(arguments)
    if parsed.version:
        print(run.version())
        return 0
    if parsed.command is None:
        parser.print_help()
        return 0
    for extra in more:  # argparse stops collecting overrides at the first option
        if extra.startswith("-"):
            raise _unknown_option(extra, arguments, parsed.command, commands[parsed.command])
    parsed.overrides = [*parsed.overrides, *more]
    if parsed.config is not None:
        from tricktable.runner.disk import config_file

        parsed.overrides = list(config_file.overrides(parsed.config, parsed.overrides))
    code: int = parsed.run(parsed)
    return code


def _unknown_command(word: str, commands: Iterable[str]) -> BadInput:
    from tricktable.runner.config.slips import unknown_command

    return BadInput(unknown_command(word, list(commands)))


def _unknown_option(option: str, arguments: Sequence[str], command: str, parser: argparse.ArgumentParser) -> BadInput:
    from tricktable.runner.config.slips import unknown_option

    return BadInput(
        unknown_option(option, arguments, command, re.findall(r"(?<![\w-])--[a-z-]+", parser.format_usage()))
    )
