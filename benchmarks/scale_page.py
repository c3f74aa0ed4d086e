"""docs/scale.md: scale_page.md with figures of benchmarks/results/: `python -m benchmarks.scale_page`."""

import json
from collections.abc import Sequence
from pathlib import Path
from string import Template
from typing import Any

from benchmarks.page import section
from benchmarks.scale import STEPS
from benchmarks.written import Row

HERE = Path(__file__).resolve().parent
RUNS, GPUS, BESIDE, MINUTES = 100_000, 1_000, 8, 10  # of the arithmetic; BESIDE: GPUs of a node
ANSWERED = 20_000  # calls a second that the file server is taken to answer
FILES = 6  # of a finished run that a launch reads
CALLS = 4  # look a name up, open, read, close


def arithmetic(rows: Sequence[Row]) -> dict[str, str]:
    """What the figures come to for so many runs on so many GPUs."""
    found = {(str(row["what"]), str(row["runs"])): row for row in rows}
    steps = {name: found.get((words, f"{RUNS:,}"), {}) for name, (words, _) in STEPS.items()}
    plan, begin, again, collect = (float(steps[name]["CPU s"]) for name in ("planning", "begin", "again", "collecting"))
    start = next(row["ms a run"] for row in rows if row["what"] == STEPS["starting"][0])
    launches, hours = GPUS // BESIDE, RUNS * MINUTES / GPUS / 60
    once = RUNS * FILES * CALLS
    calls, rate = once * launches, once * launches / hours / 3600
    return {
        "runs": f"{RUNS:,}",
        "gpus": f"{GPUS:,}",
        "beside": f"{BESIDE}",
        "minutes": f"{MINUTES}",
        "seconds": f"{60 * MINUTES}",
        "launches": f"{launches}",
        "hours": f"{hours:.1f}",
        "plan": f"{plan:.0f}",
        "begin": f"{begin:.1f}",
        "before": f"{(plan + begin) / 36 / hours:.2f}",
        "megabytes": f"{steps['planning']['MB at the most']}",
        "starts": f"{GPUS / MINUTES / 60:.1f}",
        "start": f"{start}",
        "files": f"{FILES}",
        "calls_each": f"{CALLS}",
        "calls": f"{calls:,}",
        "rate": f"{rate:,.0f}",
        "answered": f"{ANSWERED:,}",
        "busy": f"{100 * rate / ANSWERED:.0f}",
        "at_once": f"{calls / ANSWERED / 60:.0f}",
        "again": f"{again:.0f}",
        "collect": f"{collect:.0f}",
        "once": f"{once:,}",
    }


def page() -> str:
    """The page."""
    results = sorted((HERE / "results" / "scale").glob("*.json"))
    found: dict[str, Any] = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in results}
    hosts = section(found["nfs"], "`benchmarks/nfs/run.sh FOLDER`, as root; what it needs stands in its first lines.")
    steps = section(found["steps"], "`python -m benchmarks.scale`")
    packed = json.loads((HERE / "results" / "packed.json").read_text(encoding="utf-8"))
    images = section(packed, "`python -m benchmarks.packed`")
    text = Template((HERE / "scale_page.md").read_text(encoding="utf-8"))
    return text.substitute(hosts=hosts, steps=steps, images=images, **arithmetic(found["steps"]["rows"])).rstrip()


if __name__ == "__main__":
    print(page())
