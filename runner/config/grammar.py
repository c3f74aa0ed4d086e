"""Hydra's grammar of overrides: what each says, and what of it is refused here; the points of a multirun."""

import itertools
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, IntervalSweep, QuotedString, RangeSweep, Sweep
from hydra.core.override_parser.types import Override as Parsed
from hydra.errors import HydraException

from tricktable.runner.config.loading import LEVELS
from tricktable.runner.config.options import BESIDE, options
from tricktable.runner.config.overrides import Override, Overrides
from tricktable.runner.errors import BadInput

POINTS = 200_000  # of one multirun, which are all looked at before the first one begins: a minute and 1 GB of 100,000
_BRACKETS = re.compile(r"[\[({]|[\])}]")
HOME = re.compile(r"~(/[^,'\[\]]*)?")  # a path that begins at the home folder


@dataclass(frozen=True)
class Typed:
    """A key and its value as they were typed; `text` is the value's text."""

    key: str
    value: Any
    text: str


def typed(overrides: Sequence[str]) -> list[Typed]:
    """What overrides set, each key once. BadInput for what cannot be read, or is several values."""
    return [
        Typed(override.key_or_group, _value(override), (override.input_line or "").partition("=")[2])
        for override in _parsed(overrides)
    ]


def _parsed(overrides: Sequence[str], sweep: bool = False) -> list[Parsed]:
    """Each override parsed; `sweep`: with several values, too."""
    parsed: dict[str, Parsed] = {}
    for text in Overrides(overrides):
        override = _override(text)
        _check(override, text, sweep)
        key = override.get_key_element()
        if key in parsed:
            raise BadInput(f"{key} is given twice: {parsed[key].input_line} and {text}")
        parsed[key] = override
    return list(parsed.values())


@lru_cache(maxsize=1 << 16)
def _override(text: Override) -> Parsed:
    """One of them parsed. It takes a millisecond, and the runs of a study share most of theirs."""
    if _depth(text) > LEVELS:
        raise BadInput(f"{text.key}: brackets within brackets, at most {LEVELS} levels of them")
    try:
        return OverridesParser.create().parse_override(_as_list(_with_home(text)))
    except HydraException as error:
        raise BadInput(f"{text}: not in Hydra's override grammar ({one_line(error)}); quote it?") from None
    except ValueError:  # Python's own limit for a number's digits
        raise BadInput(f"{text.key}: a number has too many digits") from None


def _depth(text: str) -> int:
    """How many brackets are open at once at most; Hydra's parser calls itself for each."""
    steps = (1 if found[0] in "[({" else -1 for found in _BRACKETS.finditer(text))
    return max(itertools.accumulate(steps), default=0)


def _with_home(text: Override) -> str:
    """`data.path=~/x` in quotes: a shell leaves `~` behind a key as it is, and Hydra's grammar has none."""
    quoted = text.value.replace("'", "\\'")
    return f"{text.key}='{quoted}'" if HOME.fullmatch(text.value) else text


def _as_list(text: str) -> str:
    """`log=tensorboard,jsonl` in brackets."""
    key, _, value = text.partition("=")
    return f"{key}=[{value}]" if key in BESIDE and re.fullmatch(r"\w+(\s*,\s*\w+)+", value) else text


def _check(override: Parsed, text: str, sweep: bool) -> None:
    """BadInput for what Hydra would take, and we do not."""
    key = override.get_key_element()
    if key[0] in "+~":
        raise BadInput(f"{text}: keys are neither added nor removed here; write {key.lstrip('+~')}=... (or =null)")
    if override.key_or_group.split(".")[0].split("/")[0] == "hydra":
        raise BadInput(f"{text}: hydra's own keys are not used here; see output.root for where runs are written")
    if override.package is not None:
        raise BadInput(f"{text}: nothing is mounted with @ here; write schedule.<knob>=...")
    if "${" in text:
        raise BadInput(f"{text}: nothing is interpolated here; write the value")
    if override.is_sweep_override() and not sweep:
        raise BadInput(f"{text}: several values: add -m to run each, or write a list as [..]")


def expand(overrides: Sequence[str]) -> list[list[str]]:
    """A multirun's points, `seed=0,1,2` and `range()` and `glob()` multiplied out in the order that they were typed."""
    lists = []
    for override in _parsed(overrides, sweep=True):
        if isinstance(override.value(), Glob):
            names = override.value().filter(list(options(override.key_or_group)))
            if not names:
                raise BadInput(f"{override.input_line}: matches nothing in configs/{override.key_or_group}/")
            lists.append([f"{override.get_key_element()}={name}" for name in names])
        elif override.is_sweep_override():
            lists.append([f"{override.get_key_element()}={v}" for v in _values(override)])
        else:
            lists.append([override.input_line or ""])
    _check_number(math.prod(map(len, lists)))
    return [list(point) for point in itertools.product(*map(Overrides, lists))]  # points share their texts


def _values(override: Parsed) -> list[str]:
    """What a key is to have in turn. BadInput where that is nothing, without end, or between two bounds."""
    line, sweep = override.input_line, override.value()
    if isinstance(sweep, IntervalSweep):
        raise BadInput(f"{line}: an interval has no points to run; write range(start,stop,step), or the values")
    try:
        if isinstance(sweep, RangeSweep):  # first, for shuffle() makes a list of it
            _check_number(sum(1 for _ in itertools.islice(iter(sweep.range()), POINTS + 1)))
        values = list(override.sweep_string_iterator())
    except (HydraException, ValueError, ArithmeticError, TypeError) as error:
        raise BadInput(f"{line}: cannot be counted through ({one_line(error)})") from None
    if not values:
        raise BadInput(f"{line}: has no value; range(start,stop,step) goes from start to before stop")
    return values


def _check_number(points: int) -> None:
    if points > POINTS:
        raise BadInput(f"-m: expected at most {POINTS:,} runs, got more; give a part of them at a time")


def _value(override: Parsed) -> Any:
    try:
        return _unquoted(override.value())
    except BadInput as error:
        raise BadInput(f"{override.input_line}: {error}") from None


def _unquoted(value: Any) -> Any:
    if isinstance(value, Sweep):
        raise BadInput("several values stand within a list or a mapping; with -m, a key as a whole may have several")
    if isinstance(value, QuotedString):
        return value.text
    if isinstance(value, list):
        return [_unquoted(v) for v in value]
    if isinstance(value, dict):
        return {str(k): _unquoted(v) for k, v in value.items()}
    return value


def one_line(error: Exception) -> str:
    """The first line of what Hydra says."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
