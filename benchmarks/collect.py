"""Collecting runs against reading their JSON alone: `python -m benchmarks.collect [--runs 10000] [--json FILE]`.

The runs are made up: folders with a run.json, summary.json and config.yaml as a run of today leaves them, over ten
studies. What counts is the ratio to a bare loop of json.load over run.json and summary.json of the same folders.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import written
from tricktable.runner import report
from tricktable.runner.config import schema
from tricktable.runner.config.compose import compose
from tricktable.runner.disk import record
from tricktable.runner.disk.runs import under

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
INFO = {
    "state": "complete", "reason": None, "attempt": 1, "config_hash": "0" * 64, "fingerprint": "sha256:" + "0" * 64,
    "started": "2026-01-01T00:00:00+00:00", "updated": "2026-01-01T00:00:00+00:00",
    "code": {f"tricks/place/trick_{i}.py": f"{i:064x}" for i in range(9)},
}  # fmt: skip


def make(root: Path, runs: int) -> None:
    """So many run folders, each with its own seed."""
    config = schema.plain(compose(["model=resnet20", "data=cifar10", "augment=[crop,flip,mixup]", "noise=hybrid"]))
    for seed in range(runs):
        folder = root / f"study-{seed % 10}" / f"run-{seed:08x}"
        folder.mkdir(parents=True)
        if seed == 0:
            record.write_config(folder / "config.yaml", {**config, "seed": 0})
            text = (folder / "config.yaml").read_text(encoding="utf-8")
        (folder / "config.yaml").write_text(text.replace("\nseed: 0\n", f"\nseed: {seed}\n"), encoding="utf-8")
        (folder / "summary.json").write_text(json.dumps({**SUMMARY, "seed": seed}, indent=2), encoding="utf-8")
        (folder / "run.json").write_text(json.dumps({"id": folder.name, **INFO}, indent=2), encoding="utf-8")


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
