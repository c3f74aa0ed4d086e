"""A YAML file's plain values: nothing in it can run, and a key that stands twice is an error."""

from pathlib import Path
from typing import Any

import yaml

from tricktable.runner.errors import BadInput

__all__ = ["SafeLoader", "load"]

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
    loader = _Loader(path.read_text(encoding="utf-8"))
    try:
        return loader.get_single_data()
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        raise BadInput(f"line {line}: {error.problem}") from None
    finally:
        loader.dispose()
