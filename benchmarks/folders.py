"""Finding a run's folder in a study of many: `python -m benchmarks.folders [--json FILE]`.

Compared: a look through the study for each run, as a single run does it; and what a launch does, which lists it once.
"""

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks import written
from tricktable.runner.disk import rundir
from tricktable.runner.disk.info import Identity, RunInfo

SIZES = (300, 1_000, 3_000)


def made(root: Path, start: int, stop: int) -> list[Identity]:
    """So many more folders, each with its run.json."""
    identities = [Identity(f"{i:08x}" + "0" * 56, "sha256:" + "0" * 64, {}) for i in range(start, stop)]
    for identity in identities:
        folder = root / "study" / f"run-{identity.config_hash[:8]}"
        folder.mkdir(parents=True)
        RunInfo(identity=identity, id=folder.name).write(folder)
    return identities


def milliseconds(root: Path, identities: Sequence[Identity], known: rundir.Listing | None) -> float:
    """Of the processor, for one run."""
    began = time.process_time()
    for each in identities:
        assert rundir.find_or_plan(root, "study", "run", each, known).exists
    return 1000 * (time.process_time() - began) / len(identities)


def main() -> None:
    """Print a row for each size, and write them where --json asks for it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rows: list[written.Row] = []
    with tempfile.TemporaryDirectory() as folder:
        root, identities = Path(folder), []
        for size in SIZES:
            identities += made(root, len(identities), size)
            looked = milliseconds(root, identities[:20], None)
            listed = milliseconds(root, identities[:500], rundir.listing(root, "study"))
            rows.append({
                "folders": f"{size:,}", "ms a look": round(looked, 2), "ms in a launch": round(listed, 3),
                "ratio": round(listed / looked, 4),
            })  # fmt: skip
    compared = "A look through the study for each run; and a launch, which lists the study once."
    written.show("What does finding a run among many cost?", compared, rows, arguments.json)


if __name__ == "__main__":
    main()
