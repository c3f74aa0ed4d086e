"""Collecting runs against reading their JSON alone: `python -m benchmarks.collect [--runs 10000] [--json FILE]`.

The runs are made up: folders with the files of a run of today, sealed, over ten studies. What counts is the ratio to a
bare loop of json.load over run.json and summary.json of the same folders.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from benchmarks import written
from tricktable.runner import report
from tricktable.runner.config import schema
from tricktable.runner.config.compose import compose
from tricktable.runner.disk import record, seal
from tricktable.runner.disk.info import Identity, RunInfo
from tricktable.runner.disk.runs import under

STUDIES = 10
SUMMARY = {
    "id": "r", "study": "s", "state": "complete", "variant": "final", "inference": "plain",
    "test_loss": 0.3, "test_error": 7.5, "train_loss": 0.01, "train_error": 0.1,
    "results": [{"variant": "final", "inference": "plain", "test_loss": 0.3, "test_error": 7.5}],
    "diverged_at": None, "seed": 0, "epochs": 200, "updates": 78200, "samples": 10000000,
    "params": 272474, "madds": 40551040,
    "data": {"title": "cifar10", "fingerprint": "sha256:" + "0" * 64, "train": 50000, "validation": 0, "test": 10000,
             "classes": 10, "mean": [0.49, 0.48, 0.45], "std": [0.25, 0.24, 0.26]},
    "weights_sha256": "0" * 64,
    "compute": {"device": "cpu", "precision": "fp32", "threads": 2},
    "environment": {"python": "3.11", "torch": "2", "platform": "Linux", "cpu": "a processor", "gpu": None},
}  # fmt: skip
CODE = {f"tricks/place/trick_{i}.py": f"{i:064x}" for i in range(9)}
INFO = RunInfo(
    identity=Identity("", "", CODE), state="complete", attempt=1, host="host", pid=1234, epoch=200,
    epochs=200, updates=78200,
    started="2026-01-01T00:00:00.000+00:00", updated="2026-01-01T00:00:00.000+00:00", choices_key="0" * 64,
)  # fmt: skip
ROW = ",".join(["0.123456789012345"] * 12)
ROWS = "\n".join(["epoch,lr,loss,error", *[f"{epoch},{ROW}" for epoch in range(200)]]).encode() + b"\n"
PICTURES = json.dumps({"images": [1000] * 10, "right": [900] * 10, "worst": ["0" * 2500] * 24}).encode()


def identity(seed: int) -> Identity:
    """Of one of the runs."""
    return Identity(f"{seed:08x}" + "0" * 56, "sha256:" + "0" * 64, CODE)


def make(root: Path, runs: int) -> None:
    """So many run folders, each with its own seed and sealed, as a run that has ended leaves them.

    metrics.csv and predicted.json, 42 and 60 kB, are one file in all of a study's folders: what is measured is the
    processor.
    """
    config = schema.plain(compose(["model=resnet20", "data=cifar10", "augment=[crop,flip,mixup]", "noise=hybrid"]))
    record.write_config(root / "config.yaml", {**config, "seed": 0})
    text = (root / "config.yaml").read_text(encoding="utf-8")
    for seed in range(runs):
        folder = root / f"study-{seed % STUDIES}" / f"run-{seed:08x}"
        folder.mkdir(parents=True)
        shared = {"metrics.csv": ROWS, "predicted.json": PICTURES}
        own = {
            "config.yaml": text.replace("\nseed: 0\n", f"\nseed: {seed}\n").encode(),
            "summary.json": json.dumps({**SUMMARY, "seed": seed}, indent=2).encode(),
        }
        sealed = {name: seal.digest(data) for name, data in {**own, **shared}.items()}
        own["run.json"] = replace(INFO, identity=identity(seed), id=folder.name, seal=sealed).packed()
        for name, data in own.items():
            (folder / name).write_bytes(data)
        for name, data in shared.items():
            first = folder.parent / f"run-{seed % STUDIES:08x}" / name
            first.write_bytes(data) if seed < STUDIES else (folder / name).hardlink_to(first)


def bare(root: Path) -> int:
    """The loop that one would write by hand, with nothing checked and no config."""
    count = 0
    for path in sorted(root.glob("*/*/run.json")):
        for name in ("run.json", "summary.json"):
            with (path.parent / name).open(encoding="utf-8") as file:
                json.load(file)
        count += 1
    return count


def seconds(work: Callable[[], object]) -> float:
    """Of the processor, for machines are shared."""
    started = time.process_time()
    work()
    return time.process_time() - started


def main() -> None:
    """Print the seconds and the ratio, and write them where --json asks for it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "outputs"
        root.mkdir()
        make(root, arguments.runs)
        bare(root)  # warms the file cache
        theirs = seconds(lambda: bare(root))
        ours = seconds(lambda: report.write_collected(under(root), Path(folder) / "table"))
    row = {
        "runs": f"{arguments.runs:,}",
        "ours, s": round(ours, 2),
        "json.load, s": round(theirs, 2),
        "ratio": round(ours / theirs, 2),
    }
    compared = "A table's files of made-up runs; and json.load alone over their run.json and summary.json."
    written.show("What does collecting runs cost?", compared, [row], arguments.json)


if __name__ == "__main__":
    main()
