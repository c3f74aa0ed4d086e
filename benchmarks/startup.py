"""Runs, start to end, against the bare loop: `python -m benchmarks.startup [--rounds 7] [--json FILE]`.

Both are whole processes that train ResNet-20 on images of 32x32 for 2 epochs and evaluate 128 images after each: on 256
images (4 steps), which is mostly start-up, and on 2,048 (32 steps). They alternate, and what counts is the median of
the rounds' ratios of processor seconds. Also: what `train --help`, and saying what tables take (one of deep networks,
and one of 60 rows), cost beside `import torch`.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks import written

ROOT = Path(__file__).resolve().parent.parent

OURS = [
    "-m", "tricktable", "train", "model=resnet20", "data=synthetic", "data.n_test=128",
    "data.size=32", "data.channels=3", "data.classes=10", "epochs=2", "batch_size=128", "compute=cpu",
]  # fmt: skip
IMAGES = (256, 2048)
LOOKS = (
    ["train", "--help"],
    ["table", "he2016_resnet/table6", "--dry-run"],
    ["table", "foret2020_sam/table1", "--dry-run"],
)


def seconds(arguments: list[str], folder: Path) -> float:
    """Seconds of the processor that a Python process takes in an empty folder; it must succeed."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_WAIT_POLICY": "PASSIVE"}
    before = os.times()
    subprocess.run([sys.executable, *arguments], cwd=folder, env=environment, check=True, capture_output=True)
    after = os.times()
    return after.children_user - before.children_user + after.children_system - before.children_system


def ratios(rounds: int, ours: list[str], theirs: list[str]) -> list[dict[str, float]]:
    """Both commands in turn, so many times after one to warm the file cache."""
    rows = []
    for i in range(rounds + 1):
        with tempfile.TemporaryDirectory() as folder:
            first = seconds(ours, Path(folder))
            second = seconds(theirs, Path(folder))
        if i:
            rows.append({"ours_s": round(first, 3), "theirs_s": round(second, 3), "ratio": round(first / second, 4)})
    return rows


def summarised(name: str, rounds: list[dict[str, float]]) -> written.Row:
    """A comparison's medians."""
    ours, theirs, ratio = (statistics.median(row[key] for row in rounds) for key in ("ours_s", "theirs_s", "ratio"))
    every = [row["ratio"] for row in rounds]
    spread = f"{ratio:.3f} ({min(every):.2f} to {max(every):.2f})"
    return {"compared": name, "ours, s": round(ours, 2), "theirs, s": round(theirs, 2), "ratio": spread}


def main() -> None:
    """Print all comparisons, and write every round where --json asks for it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rounds = arguments.rounds
    with tempfile.TemporaryDirectory() as folder:
        bare = ["-m", "benchmarks.bare"]
        results = {
            f"{n:,} images, 2 epochs: tricktable / bare loop": ratios(
                rounds, [*OURS, f"data.n_train={n}"], [*bare, str(n), "2", str(Path(folder) / "weights.pt")]
            )
            for n in IMAGES
        }
    for command in LOOKS:
        results[f"{' '.join(command)} / import torch"] = ratios(
            rounds, ["-m", "tricktable", *command], ["-c", "import torch"]
        )
    rows = [summarised(name, found) for name, found in results.items()]
    compared = f"Medians of {arguments.rounds} rounds, in which the two took turns; in brackets the least and the most."
    written.show("What does a run cost, start to end?", compared, rows, arguments.json)


if __name__ == "__main__":
    main()
