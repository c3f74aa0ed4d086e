"""Planning, launching and collecting many runs: `python -m benchmarks.scale [--sizes 1000 10000] [--json FILE]`.

The runs are made up, as in benchmarks/collect.py. Each step is a process of its own, whose memory is told by itself.
"""

import argparse
import contextlib
import io
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import collect, plan, written
from tricktable.runner import report
from tricktable.runner.disk.runs import under
from tricktable.runner.errors import Interrupted
from tricktable.runner.launch import pool
from tricktable.runner.launch.child import Child
from tricktable.runner.launch.outcome import Job

SIZES = (1_000, 10_000, 100_000)
STARTS = 300


def jobs(root: Path, runs: int) -> list[Job]:
    """Those that collect.make has made under this root, or would."""
    return [
        Job((f"seed={i}",), root, f"study-{i % collect.STUDIES}", "run", collect.identity(i), f"seed={i}")
        for i in range(runs)
    ]


def planning(root: Path, runs: int) -> None:
    """From what is typed to jobs with their ids: five learning rates, and seeds."""
    plan.planned(runs // 5)


def begin(root: Path, runs: int) -> None:
    """What a launch does before its first start, where no run is there yet."""
    with contextlib.suppress(Interrupted):
        pool.launch(jobs(root / "none", runs), until=time.monotonic() - 1)


def again(root: Path, runs: int) -> None:
    """The same command once more, when all are complete: each is found, and its files are compared with their seals."""
    pool.launch(jobs(root, runs))


def collecting(root: Path, runs: int) -> None:
    """runs.csv of all of them."""
    report.write_collected(under(root), root.parent / "table")


def starting(root: Path, runs: int) -> None:
    """What a launch's own process pays for so many processes of runs."""
    for _ in range(runs):
        child = Child(["true"], heard=True)
        while child.code is None:
            time.sleep(pool.POLL)
        child.said()


STEPS: dict[str, tuple[str, Callable[[Path, int], None]]] = {
    "planning": ("planning", planning),
    "begin": ("a launch, until its first start", begin),
    "again": ("a launch of what is complete", again),
    "collecting": ("collecting (`report`)", collecting),
    "starting": ("starting processes", starting),
}


def measured(step: str, root: Path, runs: int) -> written.Row:
    """A step in a process of its own: seconds of the processor, memory at the most."""
    command = [sys.executable, "-m", "benchmarks.scale", "--step", step, "--root", str(root), "--sizes", str(runs)]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return {
        "what": STEPS[step][0],
        "runs": f"{runs:,}",
        "CPU s": round(found["seconds"], 2),
        "ms a run": round(1000 * found["seconds"] / runs, 3),
        "MB at the most": found["megabytes"],
    }


def tell(step: str, root: Path, runs: int) -> None:
    """Do a step here, and print what it took."""
    with contextlib.redirect_stdout(io.StringIO()):
        STEPS[step][1](root, 10)  # what is imported on the way is no part of it
        began = time.process_time()
        STEPS[step][1](root, runs)
        seconds = time.process_time() - began
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps({"seconds": seconds, "megabytes": most}))


def main() -> None:
    """Print a row for each step and size, and write them where --json asks for it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--step", choices=STEPS)
    parser.add_argument("--root", type=Path)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if arguments.step:
        tell(arguments.step, arguments.root, arguments.sizes[0])
        return
    rows = [measured("planning", Path(), size) for size in arguments.sizes]
    for size in arguments.sizes:
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder) / "outputs"
            root.mkdir()
            collect.make(root, size)
            rows += [measured(step, root, size) for step in ("begin", "again", "collecting")]
    rows.append(measured("starting", Path(), STARTS))
    rows.sort(key=lambda row: [words for words, _ in STEPS.values()].index(str(row["what"])))
    compared = "Processor seconds and memory of a process that does nothing else; the runs' files are in the cache."
    written.show("What do so many runs cost before and after they train?", compared, rows, arguments.json)


if __name__ == "__main__":
    main()
