"""Several runs at once on one card: `python -m benchmarks.gpu.packing --runs 8 --gpus=0 compute=gpu model=resnet20`.

A launch of so many seeds, as one types it; with MPS where it is there, and without. What counts is the images a second
of all runs together: the sum of their medians over the epochs behind the first.
"""

import argparse
import csv
import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.gpu.typed import ran, row
from tricktable.runner.launch import mps


def images_a_second(root: Path) -> list[float]:
    """Of each run, the median over its epochs behind the first, in which it starts up."""
    found = []
    for path in sorted(root.glob("*/*/metrics.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            speeds = [float(each["images_per_second"]) for each in csv.DictReader(file)]
        found.append(statistics.median(speeds[1:] or speeds))
    return found


def packed(runs: int, overrides: list[str], switch: str) -> int:
    """Make the launch, and print its row."""
    os.environ[mps.SWITCH] = switch
    notes: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        typed = [
            "data=synthetic",
            "augment=[crop,flip]",
            f"seed=range({runs})",
            f"output.root={folder}",
            "study=packing",
        ]
        began = time.monotonic()
        code = ran("tricktable", ["train", "-m", f"--jobs={runs}", *typed, *overrides], notes.append)
        took = time.monotonic() - began
        speeds = images_a_second(Path(folder)) if code == 0 else []
    said = [line for line in notes if "MPS" in line or "at once, not" in line]
    mps_used = any("MPS" in line and not line.startswith("note: ") for line in said)
    if speeds:
        row(measured="runs at once", runs=runs, mps=mps_used, images_a_second=sum(speeds), seconds=took, said=said)
    return code


def main() -> int:
    """A row for each way; the exit code of the first launch that fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, required=True)
    parser.add_argument("overrides", nargs="*", help="what else `tricktable train` is given")
    given, more = parser.parse_known_args()
    there = given.runs > 1 and shutil.which(mps.CONTROL) is not None
    codes = (packed(given.runs, [*given.overrides, *more], way) for way in (["auto"] if there else []) + ["off"])
    return next((code for code in codes if code), 0)


if __name__ == "__main__":
    sys.exit(main())
