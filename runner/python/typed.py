"""What would be typed after a command, as Python has it."""

from collections.abc import Sequence

from tricktable.runner.errors import BadInput


def several(overrides: Sequence[str]) -> list[str]:
    """A list of key=value. BadInput for a single text, which would be taken letter by letter."""
    if isinstance(overrides, str):
        raise BadInput(f"overrides: expected a list of key=value, got a text; write [{overrides!r}]")
    return list(overrides)
