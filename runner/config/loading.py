"""A YAML file's plain values: nothing in it can run, and a key that stands twice is an error."""

import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from tricktable.runner.config import CONFIGS
from tricktable.runner.errors import BadInput

__all__ = ["SafeLoader", "copied", "load", "own", "refuse", "strict"]

LEVELS = 32  # of lists and mappings within each other
DIGITS = 100
_MAY_REFER = re.compile(rb"(?:^|[\s\[{,:-])[&*][^\s]", re.MULTILINE)  # a YAML anchor or alias, or text like one
_OPENS = re.compile(rb"[\[{]")
_INDENT = re.compile(rb"(?:^|[\r\n\x85\xa8\xa9])([ \t?:-]*)")  # block collections that a line may be within, or open
_MAY_BE_LONG = re.compile(rb"[0-9][0-9a-fA-FxX_:.]{%d}" % DIGITS)
_LONG = re.compile(rb"[-+]?(?:%s)+[0-9a-fA-FxX_:.]*" % _MAY_BE_LONG.pattern)
_KEY = re.compile(rb"^[A-Za-z_][A-Za-z0-9_]*:(?= |$)", re.MULTILINE)  # of a file's outermost mapping
_NO_PIECES = (b"\r", b"...", b"---", b"<<")  # other line ends and documents, merged keys: they reach across keys
KEYS, LONGEST = 256, 4096  # outermost keys of a file that is taken apart, and bytes of a piece that is remembered

try:
    from yaml import CSafeLoader as SafeLoader  # several times as fast, where PyYAML has libyaml
except ImportError:
    from yaml import SafeLoader  # type: ignore[assignment]


class _Loader(SafeLoader):
    """PyYAML's, which refuses a key that stands twice instead of taking the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[tuple[str, str]] = set()
        for each, _ in node.value:
            if isinstance(each, yaml.ScalarNode):
                if (each.tag, each.value) in seen:
                    raise BadInput(f"line {each.start_mark.line + 1}: the key {each.value} stands twice")
                seen.add((each.tag, each.value))
        return super().construct_mapping(node, deep)


def load(path: Path) -> Any:
    """A YAML file's plain values; BadInput, with the line, where it is none."""
    data = path.read_bytes()
    try:
        if not path.is_relative_to(CONFIGS):  # the package's are ours, and hundreds
            refuse(data, aliases=True)
    except (ValueError, yaml.YAMLError) as error:
        raise BadInput(" ".join(str(error).split())) from None
    return strict(data)


def strict(data: bytes) -> Any:
    """The plain values of a file's bytes; BadInput, with the line, where they are none or a key stands twice."""
    loader = _Loader(data.decode("utf-8"))
    try:
        return loader.get_single_data()
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        raise BadInput(f"line {line}: {error.problem}") from None
    finally:
        loader.dispose()


def own(data: bytes) -> Any:
    """The plain values of a file that we wrote, or that says so; ValueError or YAMLError as `refuse` and YAML.

    Configs of a study differ in a line or two: each outermost key is read by itself, and once for all files that have
    it in the same words. A file that cannot be taken apart is read as a whole.
    """
    starts = [found.start() for found in _KEY.finditer(data)]
    if starts[:1] == [0] and len(starts) <= KEYS and not any(each in data for each in _NO_PIECES):
        try:
            pieces = [data[a:b] for a, b in zip(starts, [*starts[1:], len(data)], strict=True)]
            return {key: copied(value) for piece in pieces for key, value in _piece(piece).items()}
        except (ValueError, yaml.YAMLError):
            pass  # of the whole it is said in which line
    return _whole(data)


def _piece(data: bytes) -> dict[Any, Any]:
    found = _remembered(data) if len(data) <= LONGEST else _whole(data)
    if not isinstance(found, dict):
        raise ValueError("it is no mapping")
    return found


def _whole(data: bytes) -> Any:
    refuse(data)
    return SafeLoader(data).get_single_data()


_remembered = lru_cache(maxsize=4096)(_whole)


def copied(value: Any) -> Any:
    """Plain mappings and lists once more."""
    if isinstance(value, dict):
        return {key: copied(inner) for key, inner in value.items()}
    return [copied(inner) for inner in value] if isinstance(value, list) else value


def refuse(data: bytes, aliases: bool = False) -> None:
    """ValueError for what a file of a few bytes could do harm with, before its values are made.

    That is an alias, which can stand for gigabytes; lists or mappings more than LEVELS deep, for libyaml's own stack
    overflows; and a number of more than DIGITS digits. We write none of these. `aliases`: they are let through, as in
    files that people write.
    """
    # Looking at every event takes as long as reading: only where a byte of the file can begin such a thing.
    nested = len(_OPENS.findall(data)) + 2 * max(map(len, _INDENT.findall(data)), default=0) > LEVELS
    if not (nested or b"\0" in data or _MAY_REFER.search(data) or _MAY_BE_LONG.search(data)):  # \0: it is UTF-16
        return
    depth = 0
    for event in yaml.parse(data, SafeLoader):
        if isinstance(event, yaml.AliasEvent) and not aliases:
            raise ValueError("it has an alias")
        if isinstance(event, yaml.ScalarEvent) and _LONG.fullmatch(event.value.encode("utf-8", "replace")):
            raise ValueError(f"line {_line(event)}: a number has more than {DIGITS} digits")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > LEVELS:
            raise ValueError(f"line {_line(event)}: more than {LEVELS} levels of lists or mappings")


def _line(event: yaml.Event) -> int | str:
    return event.start_mark.line + 1 if event.start_mark else "?"
