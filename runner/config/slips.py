"""What is said of a command, or of an option behind two dashes, that does not exist: one line with what to type."""

from collections.abc import Sequence

from tricktable.runner.config import synonyms
from tricktable.runner.config.compose import as_usual
from tricktable.runner.config.grammar import typed
from tricktable.runner.config.meanings import Hint, surely
from tricktable.runner.config.spelling import fold, nearest
from tricktable.runner.config.suggestions import setting
from tricktable.runner.errors import BadInput

SURE = 0.8  # alikeness from which an option is a misspelt one


def unknown_command(word: str, commands: Sequence[str]) -> str:
    """The line for a command that does not exist."""
    if "=" in word:
        return f"{word}: a command comes first; did you mean tricktable train {word}?"
    meant = nearest(word, commands, SURE) or synonyms.others("command").get(fold(word)) or nearest(word, commands)
    said = f"no command is called {word}"
    return f"{said}; did you mean {meant}?" if meant else f"{said}; there are: {', '.join(commands)}"


def unknown_option(option: str, arguments: Sequence[str], command: str, options: Sequence[str]) -> str:
    """The line for an option that a command does not have: another one, or the key that it is here."""
    name, _, value = option.lstrip("-").partition("=")
    said = f"unknown option {option.partition('=')[0]}"
    near = nearest(name, [each.lstrip("-") for each in options if each.startswith("--")], SURE)
    other = f"--{near}" if near else synonyms.others("option").get(fold(name))
    if other in options:
        return f"{said}; did you mean {other}?"
    hint = _as_key(name, value or _following(option, arguments))
    return hint.after(said) if hint else f"{said} (tricktable {command} --help)"


def _following(option: str, arguments: Sequence[str]) -> str:
    """What was typed behind an option as its value; true where there is none."""
    later = arguments[arguments.index(option) + 1 :]
    return later[0] if later and not later[0].startswith("-") and "=" not in later[0] else "true"


def _as_key(name: str, value: str) -> Hint | None:
    """What an option is as a key: `--lr 0.1` is optimizer.lr=0.1."""
    try:
        (read,) = typed([f"{name.replace('-', '_')}={value}"])
    except BadInput:
        return None
    usual = as_usual()
    if read.key in usual.known:
        return Hint([setting(read, read.key, usual)])
    return surely(read, usual)
