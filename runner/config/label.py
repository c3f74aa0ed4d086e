"""The readable part of a run's id."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from tricktable.runner.config.options import defaults
from tricktable.runner.config.overrides import Overrides
from tricktable.runner.config.places import KNOBS, PLACES, SCHEDULED
from tricktable.runner.config.renamed import former


def label(choices: Mapping[str, Any], plain: Mapping[str, Any], varied: Collection[str] = ()) -> str:
    """Network, data, what differs from configs/train.yaml, seed: of Hydra's choices and the values that they gave.

    varied: keys of choices that other runs of the study have otherwise; what is chosen there is named, usual or not.
    """
    usual = defaults()
    words = [_network(choices["model"], plain["model"]), choices["data"]]
    for name, place in PLACES.items():
        if place.many:
            words += [option for option in plain[name] if option not in usual[name] or name in varied]
        elif plain[name] and name != "schedule" and (choices.get(name) != usual[name] or name in varied):
            words.append(choices[name])
        if name in varied and not plain[name]:
            words.append(f"no-{name}" if place.many else f"{name}-null")
    if choices.get("noise") or "noise" in varied:
        words.append(choices.get("noise") or "noise-null")  # it says what the noise scale and lr have
    for knob in KNOBS[1:] if choices.get("noise") else SCHEDULED:
        mount = f"schedule@schedule.{knob}"
        if choices.get(mount) != usual[mount] or f"schedule.{knob}" in varied:
            words.append(f"{former(knob)}-{choices.get(mount) or 'null'}")
    return "-".join([*words, f"s{plain['seed']}"])


def _network(choice: str, arguments: Mapping[str, Any]) -> str:
    """The network; of a library of others, with its name there."""
    arch = arguments.get("arch")
    return f"{choice}_{arch}" if isinstance(arch, str) and arch.isidentifier() else choice


def varied(points: Sequence[Overrides]) -> frozenset[str]:
    """The keys that a multirun's points set in different ways."""
    first = points[0]
    known = set(first)
    return frozenset(o.key for point in points for o in point if o not in known and o.value != first.get(o.key))
