"""How long runs will take, from how fast this machine has trained so far: multiply-adds a second."""

import statistics
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from runner import data
from runner.config.overrides import Overrides
from runner.config.places import PLACES
from runner.disk import record
from runner.papers.matching import Found, Point
from runner.papers.statics import counts

START = 4.0  # seconds until a run's first step
BACKWARD = 3  # forward and backward together, in forward passes


def seconds(points: Sequence[Point], known: Mapping[str, Sequence[Found]]) -> float | None:
    """Of all points, one after another; None where the size of some data cannot be known before it is read."""
    rate = _rate(known)
    total = 0.0
    for point in points:
        size = data.known(point.config.data)
        if size is None:
            return None
        images, shape, classes = size
        madds = counts(network(point.overrides), shape, classes)["madds"]
        total += START + point.config.epochs * images * BACKWARD * madds / rate
    return total


def duration(total: float | None) -> str:
    """In words: seconds below a minute and a half, minutes below two hours."""
    if total is None:
        return "an unknown time"
    if total < 90:
        return f"{total:.0f} s"
    return f"{total / 60:.0f} min" if total < 7200 else f"{total / 3600:.1f} h"


def network(overrides: Overrides) -> Overrides:
    """Those that the network depends on."""
    return Overrides(overrides.of_groups("model", *(place.name for place in PLACES.values() if place.stage == "BUILD")))


def _rate(known: Mapping[str, Sequence[Found]]) -> float:
    """Multiply-adds a second: of the newest runs of this kind of device, else of a trial."""
    from runner.config.compose import compose
    from runner.training.compute import resolve

    device = str(resolve(compose([]).compute).device)
    every = [run for runs in known.values() for run in runs]
    newest = sorted(every, key=lambda run: str(run.info.get("started")))
    rates = [rate for run in newest[-30:] if (rate := _achieved(run, device))]
    return statistics.median(rates) if rates else _trial(device)


def _achieved(run: Found, device: str) -> float | None:
    summary = record.read_summary(run.folder / "summary.json")
    if summary["compute"]["device"] != device:
        return None
    speeds: Iterable[Any] = (row.get("images_per_second") for row in record.read(run.folder / "metrics.csv"))
    known = [float(speed) for speed in speeds if speed]
    return statistics.median(known) * summary["madds"] * BACKWARD if known else None


def _trial(device: str) -> float:
    """Three steps of a small residual network on blank images."""
    import torch

    from runner.config.compose import compose
    from runner.training.build import build_model
    from runner.training.count import count

    model, images = build_model(compose(["model=resnet20"]), 3, 10), 64
    madds = count(model, (3, 32, 32)).madds
    model.to(device)
    x = torch.zeros(images, 3, 32, 32, device=device)
    for i in range(4):
        if i == 1:  # the first one is slower
            began = time.monotonic()
        model(x).sum().backward()
        if device == "cuda":
            torch.cuda.synchronize()
    return 3 * images * BACKWARD * madds / (time.monotonic() - began)
