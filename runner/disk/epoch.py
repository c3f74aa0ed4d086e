"""A row of metrics.csv: what one epoch came to. Losses are means of an image, errors are in percent."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Number = float | None


@dataclass(frozen=True, kw_only=True)
class EpochRow:
    """One epoch. What a run does not have is None: no momentum, no validation split; a table of others lacks more.

    The knobs are those of the epoch's last step, with the noise scales and effective learning rate that they come to
    (Knobs.scales); samples and updates are counted from the beginning of the run. `figures` are the penalties' own.
    `size` is the height in pixels of the images trained on, where it has a schedule.
    """

    epoch: int
    samples: int | None = None
    updates: int | None = None
    lr: Number = None
    batch_size: int | None = None
    momentum: Number = None
    weight_decay: Number = None
    size: int | None = None
    noise_scale: Number = None
    noise_scale_exact: Number = None
    effective_lr: Number = None
    train_loss: Number = None
    train_error: Number = None
    figures: Mapping[str, Any] = field(default_factory=dict)
    val_loss: Number = None
    val_error: Number = None
    test_loss: Number = None
    test_error: Number = None
    images_per_second: Number = None

    def plain(self) -> dict[str, Any]:
        """As metrics.csv has it: the knobs that the run has alone, the figures each in a column of its own."""
        values = {**vars(self)}
        for knob in ("momentum", "weight_decay", "size"):
            if values[knob] is None:
                del values[knob]
        row: dict[str, Any] = {}
        for name, value in values.items():
            row |= value if name == "figures" else {name: value}
        return row

    @staticmethod
    def of(row: Mapping[str, Any]) -> "EpochRow":
        """A row that was read. ValueError where it has no epoch, or words for a number."""
        own = {name: value for name, value in row.items() if name in EpochRow.__dataclass_fields__}
        if type(own.get("epoch")) is not int or any(isinstance(value, str) for value in own.values()):
            raise ValueError("a row has no epoch, or a word in place of a number")
        for name in ("samples", "updates"):
            if type(own.get(name)) not in (int, type(None)):
                raise ValueError(f"{name} is {own[name]!r}, no whole number")
        return EpochRow(**own, figures={name: value for name, value in row.items() if name not in own})
