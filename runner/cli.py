# PYTHON_ARGCOMPLETE_OK
"""The command line: which command is meant, how it ends, and what is said of it."""

import argparse
import os
import re
import signal
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import NoReturn

from tricktable.runner import machine, terminal
from tricktable.runner.commands import finished, looking, packing, reproducing, tables, training
from tricktable.runner.config import own
from tricktable.runner.errors import BadInput, Interrupted, Stopped, StorageProblem, TricktableError

EPILOG = (
    "Errors are one line. Exit codes: 0 done, 2 bad input, 3 runs failed, 4 diverged, 5 data, 6 checkpoint, "
    "7 storage, 8 run in use, 9 expectation failed, 10 a process lost, 75 interrupted (run it again to go on)."
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

    for group in (training, tables, reproducing, finished, looking, packing):
        group.add(commands)
    return parser, dict(commands.choices)


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
    except (Exception, KeyboardInterrupt) as error:
        code = _ended(error)
    if (lost := terminal.lost()) and code == 0:
        code = _said(StorageProblem(f"stdout: {lost}; what was printed is not whole"))
    sys.exit(code)


def _ended(error: BaseException) -> int:
    """Say of an error what is to be said; the exit code. One that nobody foresaw is raised again.

    A signal that came first is what counts: a library that it meets while it sets something right may raise another.
    """
    stop = _signal(error)
    if isinstance(stop, Stopped):
        return _said(Interrupted(f"{stop}: run the same command again to go on"))
    if stop is not None:
        return 130
    if isinstance(error, OSError):  # a folder that may not be entered, a name that is too long
        where, why = error.filename or "storage", (error.strerror or str(error)).lower()
        return _said(StorageProblem(f"{where}: {why}"))
    if isinstance(error, TricktableError):
        return _said(error)
    raise error


def _signal(error: BaseException | None) -> KeyboardInterrupt | None:
    """The signal that an error comes from, if one does."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error


def _said(error: TricktableError) -> int:
    terminal.complain(str(error))
    return error.exit_code


def _stopped(number: int) -> NoReturn:
    raise Stopped(signal.Signals(number).name)


def _dispatch(parser: argparse.ArgumentParser, commands: Mapping[str, _Parser], arguments: list[str]) -> int:
    arguments = own.named(arguments)
    command = next((each for each in arguments if not each.startswith("-")), None)
    if command is not None and command not in commands:
        raise _unknown_command(command, commands)
    parsed, more = parser.parse_known_args(arguments)
    if parsed.version:
        print(_version())
        return 0
    if parsed.command is None:
        parser.print_help()
        return 0
    for extra in more:  # argparse stops collecting overrides at the first option
        if extra.startswith("-"):
            raise _unknown_option(extra, arguments, parsed.command, commands[parsed.command])
    parsed.overrides = [*parsed.overrides, *more]
    if parsed.config is not None or any(each.startswith("experiment=") for each in parsed.overrides):
        from tricktable.runner.disk import config_file

        several = bool(vars(parsed).get("multirun"))
        parsed.overrides = list(config_file.whole(parsed.config, parsed.overrides, several))
    code: int = parsed.run(parsed)
    return code


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        own = version("tricktable")
    except PackageNotFoundError:  # run from its folder, not installed
        own = "(not installed)"
    return f"tricktable {own}, torch {version('torch')}, Python {sys.version.split()[0]}"


def _unknown_command(word: str, commands: Iterable[str]) -> BadInput:
    from tricktable.runner.config.slips import unknown_command

    return BadInput(unknown_command(word, list(commands)))


def _unknown_option(option: str, arguments: Sequence[str], command: str, parser: argparse.ArgumentParser) -> BadInput:
    from tricktable.runner.config.slips import unknown_option

    return BadInput(
        unknown_option(option, arguments, command, re.findall(r"(?<![\w-])--[a-z-]+", parser.format_usage()))
    )
