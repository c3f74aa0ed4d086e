"""A YAML file's plain values: nothing in it can run, and a key that stands twice is an error."""

import re
from pathlib import Path
from typing import Any

import yaml

from tricktable.runner.errors import BadInput

__all__ = ["SafeLoader", "load", "refuse_depth"]

try:
    from yaml import CSafeLoader as SafeLoader  # several times as fast, where PyYAML has libyaml
except ImportError:
    from yaml import SafeLoader  # type: ignore[assignment]


DEEPEST = 100  # levels of lists and mappings in one another
_INDENTED = re.compile(rb"^[ ?:-]{%d}" % DEEPEST, re.MULTILINE)


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


def refuse_depth(text: str | bytes) -> None:
    """ValueError where a YAML text nests deeper than any config: its reader calls itself, and would end the process.

    Each level needs a bracket, or a column before the first word of a line; so most texts are only looked at.
    """
    data = text.encode("utf-8", "replace") if isinstance(text, str) else text
    if data.count(b"[") + data.count(b"{") <= DEEPEST and not _INDENTED.search(data):
        return
    depth = 0
    for event in yaml.parse(data, SafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise ValueError(f"it nests deeper than {DEEPEST} levels")


def load(path: Path) -> Any:
    """A YAML file's plain values; BadInput, with the line, where it is none."""
    text = path.read_text(encoding="utf-8")
    try:
        refuse_depth(text)
    except (ValueError, yaml.YAMLError) as error:
        raise BadInput(" ".join(str(error).split())) from None
    loader = _Loader(text)
    try:
        return loader.get_single_data()
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        raise BadInput(f"line {line}: {error.problem}") from None
    finally:
        loader.dispose()
