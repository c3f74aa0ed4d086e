"""Seconds a step of a compiled network beside one that is not: `python -m benchmarks.compiled [--json FILE]`.

Two runs of one config, one with `compute.compile=on`, take turns on synthetic 32x32 images; the medians' ratio counts.
What compiling took is a column of its own: inductor keeps its results on disk, so they are put aside for it.
"""

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

from benchmarks import written

ROUNDS, STEPS, BATCH = 7, 8, 128
NETWORKS = ("resnet20",)


def measured(network: str, overrides: list[str]) -> written.Row:
    """The row of a network."""
    from benchmarks.epoch import make, seconds
    from tricktable.runner.training import compiled

    keys = [f"model={network}", f"batch_size={BATCH}", f"data.n_train={BATCH * STEPS}", *overrides]
    runs = make(keys), make([*keys, "compute.compile=on"])
    for run in runs:
        compiled.tried(run, run.model, BATCH)
    started = time.monotonic()
    compiled.tried(runs[1], runs[1].network, BATCH)
    took = time.monotonic() - started
    times: tuple[list[float], list[float]] = ([], [])
    for epoch in range(ROUNDS + 1):
        for run, kept in zip(runs, times, strict=True):
            second = seconds(run, epoch, bare=False)
            if epoch:  # the first is a warm-up
                kept.append(second / STEPS)
    eager, mine = map(statistics.median, times)
    repaid = f"{took / (eager - mine):,.0f}" if mine < eager else "never"
    return {
        "network": network, "device": runs[0].compute.device.type, "seconds a step": round(eager, 4),
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
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = cache  # before torch looks
        rows = [measured(network, arguments.overrides) for network in NETWORKS]
    compared = (
        f"A step of a batch of {BATCH} images of 32x32, with crop and flip: as it is, and with compute.compile=on. "
        f"Seconds of the clock, medians of {ROUNDS} rounds of {STEPS} steps that took turns."
    )
    written.show("What does compiling the network give?", compared, rows, arguments.json)


if __name__ == "__main__":
    main()
