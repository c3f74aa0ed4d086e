"""`--config FILE`, `experiment=NAME`: the config.yaml of a run, or keys in that form, as if they were typed."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tricktable.runner.config import compose, loading, reader, roots, written
from tricktable.runner.config.options import EXPERIMENT, options
from tricktable.runner.config.overrides import Overrides
from tricktable.runner.disk import record
from tricktable.runner.errors import BadInput, StorageProblem, suggest


def values(path: Path) -> dict[str, Any]:
    """What a person's YAML file holds, a mapping; BadInput where it cannot be read or is none.

    It is data, with the limits of record.read_config; a key that stands twice is an error.
    """
    if not path.is_file():
        raise BadInput(f"{path}: there is no such file")
    try:
        data = record.plain_file(path, record.CONFIG_LIMIT)
        record.config_of(path, data)
        found: dict[str, Any] = loading.strict(data)
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


def whole(path: Path | None, typed: Sequence[str], several: bool) -> Overrides:
    """What a command is given by `--config` or `experiment=`; `several`: a multirun, whose points open the latter."""
    if path is None:
        return Overrides(typed) if several else begun(typed)
    if EXPERIMENT in Overrides(typed).keys:
        raise BadInput(f"--config and {EXPERIMENT}=: both say what to begin with; choose one")
    return overrides(path, typed)


def begun(typed: Sequence[str]) -> Overrides:
    """What was typed, with the keys of configs/experiment/NAME.yaml before it where `experiment=NAME` is among it."""
    whole = Overrides(typed)
    names = [each.value for each in whole if each.key == EXPERIMENT]
    if not names:
        return whole
    if names[1:]:
        raise BadInput(f"{EXPERIMENT} is given twice: {' and '.join(names)}")
    if names[0] not in options(EXPERIMENT):
        near = suggest(names[0], options(EXPERIMENT))
        raise BadInput(f"{EXPERIMENT}: nothing is called {names[0]}{near} (a study's name is study={names[0]})")
    return overrides(roots.config(f"{EXPERIMENT}/{names[0]}.yaml"), whole.without(EXPERIMENT))
