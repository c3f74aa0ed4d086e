"""`--config FILE`: the config.yaml of a run, or a part of one in that form, as if its keys were typed."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tricktable.runner.config import compose, loading, reader, written
from tricktable.runner.config.overrides import Overrides
from tricktable.runner.disk import record
from tricktable.runner.errors import BadInput, StorageProblem


def values(path: Path) -> dict[str, Any]:
    """What a person's YAML file holds, a mapping; BadInput where it cannot be read or is none.

    It is data, with the limits of record.read_config; a key that stands twice is an error.
    """
    if not path.is_file():
        raise BadInput(f"{path}: there is no such file")
    try:
        record.read_config(path)
        found: dict[str, Any] = loading.load(path)
    except StorageProblem as error:
        raise BadInput(f"{error}; expected a YAML file of keys and values") from None
    except BadInput as error:
        raise BadInput(f"{path}: {error}") from None
    return found


def overrides(path: Path, typed: Sequence[str]) -> Overrides:
    """The file's keys as overrides, with what was typed behind them; BadInput where the file alone is no config."""
    found = values(path)
    with reader.in_file(str(path)):
        own = written.overrides(found)
        compose.compose(own)
    return written.behind(own, typed)
