"""The knobs over a run: base value times schedule, at a time in epochs. Pure arithmetic, so nothing of it is saved.

The noise scale of SGD is a knob as well (Smith et al. 2018, arXiv:1711.00489): g = lr N / (B (1 - m)), with the batch
size B, the momentum m (0 where there is none) and N training images. A schedule of `noise_scale` says how it falls, and
the payers say which knobs make it so.

1 / (1 - m) is the gain of SGD's momentum: how many times lr the step of a steady gradient is. Another optimizer has
its own in its place (MomentumGain), Adam's moving average 1. Where it is not known, g has no number, and can fall all
the same: that it falls by half is a matter of lr and B.

The images' side is a knob where it has a schedule, and only there: see `nearest_side`.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True)
class Payer:
    """A knob that moves for the noise scale: lr, batch_size or momentum, and no further than its cap."""

    knob: str
    cap: float | None = None

    def pay(self, base: float, due: float) -> tuple[float, float]:
        """Return the knob's value and the factor by which g changes with it: `due`, apart from its cap and rounding.

        A momentum pays only where g grows as 1 / (1 - m).
        """
        if self.knob == "batch_size":
            images = max(1, round(self._capped(base, base / max(due, 1e-9))))
            return images, base / images
        if self.knob == "lr":
            lr = self._capped(base, base * due)
            return lr, lr / base
        momentum = self._capped(base, max(0.0, 1 - (1 - base) / max(due, 1e-9)))
        return momentum, (1 - base) / (1 - momentum)

    def _capped(self, base: float, value: float) -> float:
        if self.cap is None:
            return value
        return min(value, self.cap) if self.cap > base else max(value, self.cap)


class Shape(NamedTuple):
    """What a step takes: so many images, of a height and width in pixels; None where these are the images' own."""

    images: int
    size: tuple[int, int] | None = None


def nearest_side(own: int, factor: float, stride: int) -> int:
    """Return the side in pixels that is nearest to `factor` times the images' own, of those that are allowed.

    These are the multiples of the stride, from the first on, and the images' own side, which none is above; of two that
    are as near it is the larger.
    """
    wanted = factor * own
    multiple = stride * max(1, math.floor(wanted / stride + 0.5))
    return own if multiple >= own or own - wanted <= abs(wanted - multiple) else multiple


@dataclass(frozen=True)
class Knobs:
    """`base` holds lr, batch_size and what else the optimizer has; `schedules` a factor for some of them.

    Where the images' size has a schedule, `base` has it too: their height in pixels, or 1 where they are not known.

    n: images of the training set (N); drop_last: whether an epoch's last batch is left out when it is smaller.
    payers: in order, who pays for a schedule of `noise_scale`. scaling: (exponent, batch size that the base lr is for).
    gain: of a momentum, as in MomentumGain; None where it is not known.
    own: the training images' height and width; None where they are not known. stride: the network's, in total.
    """

    base: Mapping[str, float]
    schedules: Mapping[str, Callable[[float], float]]
    n: int
    drop_last: bool = False
    payers: tuple[Payer, ...] = ()
    scaling: tuple[float, int] | None = None
    gain: Callable[[float], float] | None = None
    own: tuple[int, int] | None = None
    stride: int = 1

    def at(self, epoch: float) -> dict[str, float]:
        """Return every knob's value at a time in epochs; the batch size is a whole number of images, at least 1.

        The size, where it is scheduled, is the images' height in whole pixels; where their own is not known, its share.
        """
        values = self._unscaled(epoch)
        if self.scaling:
            exponent, reference = self.scaling
            values["lr"] *= (values["batch_size"] / reference) ** exponent
        return values

    def lr_factor(self, epoch: float) -> float:
        """Return what lr's base value is multiplied by at a time in epochs, the scaling by the batch left out.

        What lr pays for the noise scale counts as its schedule.
        """
        if "lr" in self.schedules:
            return self.schedules["lr"](epoch)
        if any(payer.knob == "lr" for payer in self.payers):
            return self._unscaled(epoch)["lr"] / self.base["lr"]
        return 1.0

    def _unscaled(self, epoch: float) -> dict[str, float]:
        values = {k: v * self.schedules[k](epoch) if k in self.schedules else v for k, v in self.base.items()}
        values["batch_size"] = max(1, round(values["batch_size"]))
        if "size" in self.schedules and self.own is not None:
            values["size"] = (self.image_size(epoch) or self.own)[0]
        if "noise_scale" in self.schedules:
            due = self.schedules["noise_scale"](epoch)
            for payer in self.payers:
                values[payer.knob], paid = payer.pay(self.base[payer.knob], due)
                due = due / paid if paid else 1.0
        return values

    def scales(self, values: Mapping[str, float]) -> dict[str, float | None]:
        """Return what the knobs' values come to: g by the papers' approximation and exactly, and lr times the gain.

        For SGD g = lr N / (B (1 - m)), and exactly lr / (1 - m) (N / B - 1): arXiv:1711.00489, section 2. All are None
        where the momentum's gain is not known.
        """
        if self.gain is None:
            return dict.fromkeys(("noise_scale", "noise_scale_exact", "effective_lr"))
        effective = values["lr"] * self.gain(values.get("momentum", 0.0))
        share = self.n / values["batch_size"]
        return {
            "noise_scale": effective * share,
            "noise_scale_exact": effective * (share - 1),
            "effective_lr": effective,
        }

    def unpaid(self, epoch: float) -> float:
        """Return the factor by which g is off what its schedule says; 1 where the payers pay it all."""
        if "noise_scale" not in self.schedules:
            return 1.0
        scheduled = self._noise(self.base) * self.schedules["noise_scale"](epoch)
        return self._noise(self.at(epoch)) / scheduled if scheduled else 1.0

    def _noise(self, values: Mapping[str, float]) -> float:
        """What g is in proportion to: also where the gain is not known, as long as the momentum stays."""
        gain = self.gain(values.get("momentum", 0.0)) if self.gain else 1.0
        return values["lr"] * gain / values["batch_size"]

    @property
    def momentum_pays(self) -> bool:
        """Whether g grows with the momentum as 1 / (1 - m), by whatever factor."""
        if self.gain is None:
            return False
        low, high = (self.gain(m) * (1 - m) for m in (0.5, 0.9))
        return math.isclose(low, high)

    def image_size(self, epoch: float) -> tuple[int, int] | None:
        """Return the height and width of the training images at a time in epochs; None where they are their own."""
        if "size" not in self.schedules or self.own is None:
            return None
        factor = self.schedules["size"](epoch)
        height, width = (nearest_side(side, factor, self.stride) for side in self.own)
        return None if (height, width) == self.own else (height, width)

    def batches(self, epoch: int, position: int = 0) -> Iterator[tuple[int, int]]:
        """Yield the epoch's batches from a position on, as (start, stop) in its order.

        The size is read before each batch at epoch + position/N, because it may change within an epoch.
        """
        while position < self.n:
            size = int(self.at(epoch + position / self.n)["batch_size"])
            stop = min(position + size, self.n)
            if stop - position < size and self.drop_last:
                return
            yield position, stop
            position = stop

    def steps(self, epochs: int) -> Iterator[tuple[float, int]]:
        """Yield, of each step of a run of so many epochs, its time in epochs and the number of its images."""
        batches = list(self.batches(0))
        for epoch in range(epochs):
            for start, stop in self.batches(epoch) if self._batch_moves else batches:
                yield epoch + start / self.n, stop - start

    def updates(self, epochs: int) -> int:
        """Return the number of steps in a run of so many epochs."""
        if not self._batch_moves:
            return epochs * sum(1 for _ in self.batches(0))
        return sum(1 for epoch in range(epochs) for _ in self.batches(epoch))

    def sizes(self, epochs: int) -> Counter[int]:
        """Return how many steps a run of so many epochs takes of each number of images."""
        counted: Counter[int] = Counter()
        for shape, count in self.shapes(epochs).items():
            counted[shape.images] += count
        return counted

    def shapes(self, epochs: int) -> Counter[Shape]:
        """Return how many steps a run of so many epochs takes of each number of images of each size."""
        moving = epochs if self._batch_moves or "size" in self.schedules else 1
        counted = Counter(Shape(images, self.image_size(time)) for time, images in self.steps(moving))
        return Counter({shape: count * epochs // moving for shape, count in counted.items()})

    def largest_batch(self, epochs: int) -> int:
        """Return the largest batch size that the schedule asks for."""
        if not self._batch_moves:
            return int(self.at(0)["batch_size"])
        times = (e + start / self.n for e in range(epochs) for start in (0, *(start for start, _ in self.batches(e))))
        return max(
            int(self.at(t)["batch_size"]) for t in times
        )  # with each epoch's first, which may be too large to take

    @property
    def _batch_moves(self) -> bool:
        pays = "noise_scale" in self.schedules and any(payer.knob == "batch_size" for payer in self.payers)
        return "batch_size" in self.schedules or pays


def time_constant(momentum: float) -> float:
    """Return in how many steps a velocity forgets all but 1/e of a gradient: T = -1 / ln(m)."""
    return -1 / math.log(momentum) if momentum else 0.0
