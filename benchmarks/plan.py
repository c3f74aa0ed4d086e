"""Planning a multirun, from what is typed to jobs with their ids: `python -m benchmarks.plan [--seeds N]`.

Compared with the same points composed one by one, each from its own texts as a single run is: 20 of them, for it is
slow. Nothing is trained.
"""

import argparse
import resource
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import written
from tricktable.runner.config import compose, grammar, schema
from tricktable.runner.config.label import varied
from tricktable.runner.config.overrides import Overrides
from tricktable.runner.launch import sweep

TYPED = [
    "model=resnet8", "data=synthetic", "data.n_train=64", "data.n_test=32", "data.size=8", "data.channels=1",
    "data.classes=3", "batch_size=16", "compute=cpu", "augment=[crop,flip]", "optimizer.lr=0.1,0.2,0.3,0.4,0.5",
]  # fmt: skip


def seconds(work: Callable[[], object]) -> float:
    """Of the processor."""
    began = time.process_time()
    work()
    return time.process_time() - began


def planned(seeds: int) -> None:
    """As `tricktable train -m` does it before the first run starts."""
    points = [Overrides(point) for point in compose.expand([*TYPED, f"seed=range({seeds})"])]
    named = varied(points)
    sweep.plan([(point, compose.compose(point, named)) for point in points])


def alone(seed: int) -> None:
    """One run's config and what it is found by, with nothing known from others."""
    compose._read.cache_clear()
    grammar._override.cache_clear()
    lr, *rest = reversed(TYPED)
    config = compose.compose([*rest, lr.partition(",")[0], f"seed={seed}"])
    schema.choices_key(config)


def main() -> None:
    """Print both, and write them where --json asks for it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    planned(1)  # what is imported on the way is no part of it
    runs = 5 * arguments.seeds
    ours = seconds(lambda: planned(arguments.seeds)) / runs
    theirs = statistics.median(seconds(lambda seed=seed: alone(seed)) for seed in range(20))  # type: ignore[misc]
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    rows = [
        {"way": f"{runs:,} runs at once", "ms a run": round(1000 * ours, 3), "ratio": round(ours / theirs, 4),
         "MB of the process": memory},
        {"way": "each by itself", "ms a run": round(1000 * theirs, 3), "ratio": 1.0, "MB of the process": memory},
    ]  # fmt: skip
    written.show("What does planning a run cost?", "Points that differ by lr and seed.", rows, arguments.json)


if __name__ == "__main__":
    main()
