# PYTHON_ARGCOMPLETE_OK
"""The commands; nothing but argument handling. What a command needs is imported when it runs."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from runner import commands as run
from runner.errors import BadInput, TricktableError

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


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="tricktable",
        description="Name a model, an optimizer, a schedule and some tricks; get the table, measured.",
        epilog=EPILOG
        + ' Completion: eval "$(register-python-argcomplete tricktable)" (bash and zsh; fish: --shell fish).',
    )
    commands = parser.add_subparsers(dest="command", metavar="command", required=True, parser_class=_Parser)

    _to_train(commands)
    _to_reproduce(commands)
    _to_look(commands)
    return parser


def _to_train(commands: "argparse._SubParsersAction[_Parser]") -> None:
    train = _command(commands, "train", run.train, "train one run, or with -m every point of a multirun")
    train.add_argument("-m", "--multirun", action="store_true", help="seed=0,1,2 or seed=range(5): run every point")
    train.add_argument("--expect", metavar="'test_error<5'", help="exit 9 where a figure of the summary does not hold")
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
    table.add_argument("name", help="<paper>/<table>, as `tricktable list tables` has them; a quoted glob of them; all")
    table.add_argument("--budget", choices=("smoke", "short", "paper"), help="how much of the paper's training")
    table.add_argument("--run", dest="make", action="store_true", help="make the runs that are missing")
    table.add_argument(
        "--dry-run", action="store_true", help="say what each row is, what exists, and how long the rest takes"
    )
    table.add_argument("--minutes", type=float, help="stop then, with all saved; the same command goes on")
    _take_pool(table)
    _take_overrides(table)

    report = _command(commands, "report", run.report, "a table's or a study's page, tables and figures", False)
    report.add_argument("name", nargs="?", help="<paper>/<table>, or a study; by default every run, as runs.csv")
    report.add_argument("--budget", choices=("smoke", "short", "paper"), help="of a paper's table")
    _take_overrides(report)

    compare = _command(commands, "compare", run.compare, "two runs, or two rows of runs, side by side", False)
    compare.add_argument("a", metavar="A", help="a run's folder or id, or a quoted glob of a row's runs")
    compare.add_argument("b", metavar="B", help="the other")
    _take_overrides(compare)

    static = _command(commands, "static", run.static, "what a paper states that needs no training, decided here", False)
    static.add_argument("paper", nargs="?", help="one paper; by default all")
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
    evaluate.add_argument("runs", metavar="RUN", help="a run's folder or id, a study's folder, or a quoted glob")
    evaluate.add_argument("--together", action="store_true", help="the models of all these runs as one ensemble")
    _take_overrides(evaluate)

    figure = _command(commands, "figure", run.figure, "a figure of finished runs: see `tricktable list figures`", False)
    figure.add_argument("name", help="which figure, as `tricktable list figures` has them")
    figure.add_argument(
        "runs", nargs="+", metavar="RUN", help="a run's folder or id, a study's folder or a quoted glob; then key=value"
    )

    show = _command(commands, "show", run.show, "print the resolved config; or the first batch's images, as a picture")
    show.add_argument(
        "--images", metavar="FILE.png", type=Path, help="draw training images, before and after augmentation"
    )

    listing = _command(commands, "list", run.list_, "what can be chosen at each place", overrides=False)
    listing.add_argument("place", nargs="?", help="one place: its options, with their papers")
    listing.add_argument("--markdown", action="store_true", help="every trick, or every table, for documents")

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
    argument.completer = _complete  # type: ignore[attr-defined]


def _take_pool(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--jobs", type=int, metavar="N", help="runs at once")
    parser.add_argument("--gpus", type=_numbers, default=(), metavar="0,1", help="each run sees one of them")
    parser.add_argument("--timeout", type=float, metavar="MINUTES", help="the longest that one run may take")


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


def _complete(prefix: str, **_: object) -> list[str]:
    from runner.config.catalogue import complete

    return complete(prefix)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command and exit with its code."""
    parser = _parser()
    if "_ARGCOMPLETE" in os.environ:
        import argcomplete

        argcomplete.autocomplete(parser)
    try:
        code = _dispatch(parser, sys.argv[1:] if arguments is None else list(arguments))
        sys.stdout.flush()
    except TricktableError as error:
        print(f"tricktable: {' '.join(str(error).split())}", file=sys.stderr)
        code = error.exit_code
    except KeyboardInterrupt:
        code = 130
    except BrokenPipeError:  # `tricktable list | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    sys.exit(code)


def _dispatch(parser: argparse.ArgumentParser, arguments: list[str]) -> int:
    parsed, more = parser.parse_known_args(arguments)
    for extra in more:  # argparse stops collecting overrides at the first option
        if extra.startswith("-"):
            raise BadInput(f"unknown option {extra} (tricktable {parsed.command} --help)")
    parsed.overrides = [*parsed.overrides, *more]
    if parsed.config is not None:
        from runner.disk import config_file

        parsed.overrides = list(config_file.overrides(parsed.config, parsed.overrides))
    code: int = parsed.run(parsed)
    return code
