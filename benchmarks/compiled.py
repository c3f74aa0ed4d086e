"""Seconds a step of a compiled network beside one that is not: `python -m benchmarks.compiled [--json FILE]`.

Two runs of one config, one with `compute.compile=on`, take turns on synthetic 32x32 images; the medians' ratio counts.
On a CPU; seconds are of the processor. What compiling took is a column of its own: inductor keeps its results on disk,
so it is given an empty folder.
"""

import argparse
import os
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks import written

ROUNDS, STEPS, BATCH = 7, 3, 128
NETWORKS = ("resnet20",)


def seconds(action: Callable[[], object]) -> float:
    """Of the processor: this process's threads, and compilers that it waited for."""
    before = os.times()
    action()
    return sum(os.times()[:4]) - sum(before[:4])


def measured(network: str, overrides: list[str]) -> written.Row:
    """The row of a network."""
    from benchmarks.epoch import make
    from tricktable.runner.training import compiled
    from tricktable.runner.training.train import train_epoch

    keys = ["compute=cpu", f"model={network}", f"batch_size={BATCH}", f"data.n_train={BATCH * STEPS}", *overrides]
    runs = make(keys), make([*keys, "compute.compile=on"])
    for run in runs:
        compiled.tried(run, run.model, BATCH)
    took = seconds(lambda: compiled.tried(runs[1], runs[1].network, BATCH))
    times: tuple[list[float], list[float]] = ([], [])
    for epoch in range(ROUNDS + 1):
        for run, kept in zip(runs, times, strict=True):
            run.clock.epoch, run.clock.position = epoch, 0
            second = seconds(lambda run=run: train_epoch(run, lambda: None))
            if epoch:  # the first is a warm-up
                kept.append(second / STEPS)
    eager, mine = map(statistics.median, times)
    repaid = f"{took / (eager - mine):,.0f}" if mine < eager else "never"
    return {
        "network": network, "seconds a step": round(eager, 4),
        "compiled": round(mine, 4), "ratio": round(mine / eager, 3), "seconds to compile": round(took, 1),
        "steps that repay it": repaid,
    }  # fmt: skip


def main() -> None:
    """Print a row for each network, and write them where --json asks for it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("overrides", nargs="*")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as cache:
        # Before torch looks; with one thread its compilers are children of this process.
        os.environ |= {"TORCHINDUCTOR_CACHE_DIR": cache, "TORCHINDUCTOR_COMPILE_THREADS": "1"}
        rows = [measured(network, arguments.overrides) for network in NETWORKS]
    compared = (
        f"A step of a batch of {BATCH} images of 32x32, with crop and flip: as it is, and with compute.compile=on. "
        f"Medians of {ROUNDS} rounds of {STEPS} steps that took turns."
    )
    written.show("What does compiling the network give?", compared, rows, arguments.json)


if __name__ == "__main__":
    main()
