"""Keys that have changed since the first runs were made: such runs are still found, continued and read.

What a run is identified by keeps the earlier names, and so do the words of its label; its config.yaml may have them. A
place that came later is no part of the identity where it is null, and need not stand in config.yaml; nor is an argument
that came later where it has the value of what was done before.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

FORMER = {"noise_scale": "noise"}  # knobs
ARGUMENTS = {"nonlinearity": "activation"}  # of networks; the earlier name is a place now
LATER = ("activation", "log")  # groups; null there is what was before
BEFORE: dict[str, dict[str, Any]] = {  # of options and data sources, their later arguments
    "he": {"linear": True},
    "weight_standardization": {"unbiased": False},
    "crop": {"fill": "mean"},
    "image_folder": {"resize": None},
    "snapshots": {"T_mult": 1.0},
    "xavier": {"fan": "average"},
    "radam": {"replaced_by": None},
    "resnet": {"stem_width": None},
    "mobilenet_v2": {"divisor": 8},
    "shufflenet": {"units": "zhang"},
    "preact_resnet": {"shortcut_of": "activated", "first_relu": True, "last_norm": False},
}
SETTINGS: dict[str, dict[str, Any]] = {  # of groups, their later keys
    "data": {"test_subset": None, "test_share": None},
    "compute": {"capture": "auto", "pad_channels": None, "compile": "off", "processes": 1},
}

SCALARS = (str, int, float, bool, type(None))  # most values: what else they could be need not be asked


def former(knob: str) -> str:
    """The name in a run's identity and label."""
    return FORMER.get(knob, knob)


def earlier(values: Mapping[str, Any]) -> dict[str, Any]:
    """A config's plain values as the first runs would have had them: what identifies a run."""
    kept = {key: value for key, value in values.items() if key not in LATER or value is not None}
    found = {key: _without_later(value, SETTINGS.get(key, {})) for key, value in kept.items()}
    return _by(FORMER, ARGUMENTS, found)


def current(values: Mapping[str, Any]) -> dict[str, Any]:
    """A config's plain values by the names of today."""
    found = _by({v: k for k, v in FORMER.items()}, {v: k for k, v in ARGUMENTS.items()}, values)
    complete = {key: _with_later(value, SETTINGS.get(key, {})) for key, value in found.items()}
    return {**complete, **{key: None for key in LATER if found and key not in found}}


def _without_later(value: Any, settings: Mapping[str, Any] = MappingProxyType({})) -> Any:
    """An option, or several of a place, without the arguments that say no more than what was done before.

    settings: of the group itself, its later keys.
    """
    if isinstance(value, list | tuple):
        return [_without_later(each) for each in value]
    if not isinstance(value, Mapping):
        return value
    before = {**BEFORE.get(str(value.get("name")), {}), **settings}
    return {k: _without_later(v) for k, v in value.items() if k not in before or v != before[k]}


def _with_later(value: Any, settings: Mapping[str, Any] = MappingProxyType({})) -> Any:
    """An option, or several of a place, with all arguments of today; `settings` as in _without_later."""
    if type(value) in SCALARS:
        return value
    if isinstance(value, list | tuple):
        return [_with_later(each) for each in value]
    if not isinstance(value, Mapping):
        return value
    return {**BEFORE.get(str(value.get("name")), {}), **settings, **{k: _with_later(v) for k, v in value.items()}}


def _by(knobs: Mapping[str, str], arguments: Mapping[str, str], values: Mapping[str, Any]) -> dict[str, Any]:
    """The values with other names of knobs and of the network's arguments."""
    result = dict(values)
    for key, names in (("schedule", knobs), ("model", arguments)):
        inner = values.get(key)
        if isinstance(inner, Mapping):
            result[key] = {names.get(name, name): value for name, value in inner.items()}
    return result
