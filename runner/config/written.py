"""A config.yaml's values -> the overrides that make them again; and what is typed behind such overrides, which wins."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tricktable.runner.config import options, renamed
from tricktable.runner.config.overrides import Override, Overrides
from tricktable.runner.config.places import SCHEDULED
from tricktable.runner.errors import BadInput

LABEL = "label"  # made of the others
OF_ANY_DATA = (
    "validation",
    "split_seed",
    "subset",
    "test_subset",
    "last_batch",
    "normalize",
    "workers",
)  # any source's
_BARE = re.compile(r"[A-Za-z_/][\w/.-]*", re.ASCII)  # text that needs no quotes
_WORDS = ("null", "true", "false", "nan", "inf")  # unless it is one of these


def overrides(values: Mapping[str, Any]) -> Overrides:
    """What is typed for a config, or for a part of one. BadInput for a value that cannot be typed.

    Where the schedules stand in it, a knob that is not among them has none.
    """
    found: list[str] = []
    for key, value in renamed.current(values).items():
        if key == LABEL or (key in renamed.LATER and value is None and key not in values):
            continue
        if key == "schedule" and isinstance(value, Mapping):
            found += [
                each
                for knob in (*SCHEDULED, *(set(value) - {*SCHEDULED}))
                for each in _one(key, f"{key}.{knob}", value.get(knob))
            ]
        elif key in options.LISTS and isinstance(value, Mapping):
            found += _several(key, value)
        elif key in options.GROUPS:
            found += _one(key, key, value)
        elif isinstance(value, Mapping):
            found += [f"{key}.{name}={_text(f'{key}.{name}', inner)}" for name, inner in value.items()]
        else:
            found.append(f"{key}={_text(key, value)}")
    return Overrides(found)


def typed(key: str, value: Any) -> Override:
    """One key with its value, as it is typed. BadInput where it cannot be."""
    return Override(f"{key}={_text(key, value)}")


def _several(place: str, value: Mapping[str, Any]) -> Iterator[str]:
    """The list of a place, and the arguments of each option in it."""
    yield f"{place}=[{','.join(_text(place, name) for name in value)}]"
    for name, option in value.items():
        if isinstance(option, Mapping):
            yield from _arguments(place, f"{place}.{name}", option)


def _one(group: str, mount: str, value: Any) -> Iterator[str]:
    """An option with its arguments, at the key where it is chosen; or the keys of a group that is no option."""
    if not isinstance(value, Mapping):
        yield f"{mount}={_text(mount, value)}"
        return
    if "name" in value:
        yield f"{mount}={_text(mount, _option(group, value))}"
    yield from _arguments(group, mount, value)


def _arguments(group: str, mount: str, value: Mapping[str, Any]) -> Iterator[str]:
    for key, inner in value.items():
        if key == "name":
            continue
        if isinstance(inner, Mapping) and "name" in inner:
            yield from _one(group, f"{mount}.{key}", inner)
        else:
            yield f"{mount}.{key}={_text(f'{mount}.{key}', inner)}"


def _option(group: str, value: Mapping[str, Any]) -> Any:
    """Which option of a group these values are of: of several with one name, that with most of the same arguments."""
    name = value["name"]
    found = [each for each in options.options(group) if options.made_by(group, each) == name]
    if len(found) < 2:
        return name if not found or name in found else found[0]

    def alike(each: str) -> int:
        return sum(value.get(k, ...) == default for k, default in options.arguments(group, each).items())

    return max(found, key=alike)


def _text(key: str, value: Any) -> str:
    """A value in Hydra's grammar."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list):
        return f"[{','.join(_text(key, each) for each in value)}]"
    if isinstance(value, Mapping) and all(re.fullmatch(r"\w+", str(name)) for name in value):
        return f"{{{','.join(f'{name}: {_text(key, inner)}' for name, inner in value.items())}}}"
    if not isinstance(value, str) or not value.isprintable():
        raise BadInput(f"{key}: expected text, a number, true, false, null, or a list of these, got {value!r}")
    if _BARE.fullmatch(value) and value.lower() not in _WORDS:
        return value
    quoted = re.sub(r"(\\*)('|$)", lambda found: found[1] * 2 + ("\\'" if found[2] else ""), value)
    return f"'{quoted}'"


def behind(file: Overrides, typed: Sequence[str]) -> Overrides:
    """A file's overrides, and behind them what was typed, which wins.

    An option that is typed replaces that of the file together with its arguments; one that stays the same keeps them.
    """
    later = Overrides(typed)
    kept = [each for each in file if not any(_replaced(each, by, file) for by in later)]
    return Overrides([*kept, *later])


def _replaced(each: Override, by: Override, file: Overrides) -> bool:
    """Whether an override of the file gives way to one that was typed."""
    if each.key == by.key:
        return True
    if by.key == "noise":  # a whole schedule of the noise scale, with lr's
        return each.within("noise", "schedule.lr", "schedule.noise_scale")
    if not each.within(by.key):
        return False
    name = each.key.removeprefix(f"{by.key}.").partition(".")[0]
    if by.key in options.LISTS:
        several = "],[" in by.value.replace(" ", "")
        return several or name not in re.findall(r"\w+", by.value)
    if by.value == file.get(by.key):
        return False
    return by.key != "data" or name not in OF_ANY_DATA
