"""Knobs that had another name when the first runs were made: such runs are still found, continued and read.

What a run is identified by, and the words of its label, keep the earlier name; its config.yaml may have it.
"""

from collections.abc import Mapping
from typing import Any

FORMER = {"noise_scale": "noise"}


def former(knob: str) -> str:
    """The name in a run's identity and label."""
    return FORMER.get(knob, knob)


def current(values: Mapping[str, Any]) -> dict[str, Any]:
    """A config's plain values by the names of today."""
    schedule = values.get("schedule")
    if not isinstance(schedule, Mapping):
        return dict(values)
    today = {earlier: knob for knob, earlier in FORMER.items()}
    return {**values, "schedule": {today.get(knob, knob): option for knob, option in schedule.items()}}
