"""How long runs will take, from how fast this machine has trained so far: multiply-adds a second."""

import statistics
import time
from collections.abc import Sequence

from tricktable.runner import data
from tricktable.runner.config.schema import ComputeConfig
from tricktable.runner.disk.runs import Runs, StoredRun
from tricktable.runner.explore import networks
from tricktable.runner.papers.plan import Point

START = 4.0  # seconds until a run's first step
BACKWARD = 3  # forward and backward together, in forward passes
NEWEST = 30  # runs that say how fast the machine is


def seconds(points: Sequence[Point], rate: float | None) -> float | None:
    """Of all points, one after another, at so many multiply-adds a second.

    None where that is not known, or the size of some data cannot be known before it is read.
    """
    total = 0.0
    if points and rate is None:
        return None
    for point in points:
        size = data.known(point.config.data, point.dataset)
        if size is None:
            return None
        images, shape, classes = size
        madds = networks.cost(point.config, shape, classes).madds
        assert rate is not None, "asked above"
        total += START + point.config.epochs * images * BACKWARD * madds / rate
    return total


def duration(total: float | None) -> str:
    """In words: seconds below a minute and a half, minutes below two hours."""
    if total is None:
        return "an unknown time"
    if total < 90:
        return f"{total:.0f} s"
    return f"{total / 60:.0f} min" if total < 7200 else f"{total / 3600:.1f} h"


def rate(runs: Runs, asked: ComputeConfig) -> float | None:
    """Multiply-adds a second: of the newest runs on the kind of device that is asked for, else of a trial.

    None where this machine has no such device, and no run was on one.
    """
    import torch

    there = torch.cuda.is_available()
    device = "cuda" if asked.device == "cuda" or (asked.device == "auto" and there) else "cpu"
    ended = [run for alike in runs.by_choices.values() for run in alike]
    newest = sorted(ended, key=lambda run: str(run.info.started))[-NEWEST:]
    rates = [achieved for run in newest if (achieved := _achieved(run, device))]
    if rates:
        return statistics.median(rates)
    return trial(device) if device == "cpu" or there else None


def _achieved(run: StoredRun, device: str) -> float | None:
    if run.damage or run.summary.compute.device != device:
        return None
    known = [epoch.images_per_second for epoch in run.epochs if epoch.images_per_second]
    return statistics.median(known) * run.summary.madds * BACKWARD if known else None


def trial(device: str) -> float:
    """Multiply-adds a second of two steps of a small residual network on blank images."""
    import torch

    from tricktable.runner.config.compose import compose
    from tricktable.runner.training.build import build_model
    from tricktable.runner.training.count import count

    model, images = build_model(compose(["model=resnet20"]), 3, 10), 16
    madds = count(model, (3, 32, 32)).madds
    model.to(device)
    x = torch.zeros(images, 3, 32, 32, device=device)
    for i in range(3):
        if i == 1:  # the first one is slower
            began = time.monotonic()
        model(x).sum().backward()
        if device == "cuda":
            torch.cuda.synchronize()
    return 2 * images * BACKWARD * madds / (time.monotonic() - began)
