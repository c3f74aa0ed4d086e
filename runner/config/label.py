"""The readable part of a run's id."""

from collections.abc import Mapping
from typing import Any

from runner.config.options import defaults
from runner.config.places import KNOBS, PLACES, SCHEDULED
from runner.config.renamed import former


def label(choices: Mapping[str, Any], plain: Mapping[str, Any]) -> str:
    """Network, data, what differs from configs/train.yaml, seed: of Hydra's choices and the values that they gave."""
    usual = defaults()
    words = [choices["model"], choices["data"]]
    for name, place in PLACES.items():
        if place.many:
            words += [option for option in plain[name] if option not in usual[name]]
        elif plain[name] and name != "schedule" and choices.get(name) != usual[name]:
            words.append(choices[name])
    if choices.get("noise"):
        words.append(choices["noise"])  # it says what the noise scale and lr have
    for knob in KNOBS[1:] if choices.get("noise") else SCHEDULED:
        mount = f"schedule@schedule.{knob}"
        if choices.get(mount) != usual[mount]:
            words.append(f"{former(knob)}-{choices.get(mount) or 'null'}")
    return "-".join([*words, f"s{plain['seed']}"])
