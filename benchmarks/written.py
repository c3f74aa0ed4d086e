"""What a benchmark writes: its question, what it compares, its rows and the machine, as JSON of one form."""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

Row = Mapping[str, str | float | int]


def machine() -> dict[str, str | int]:
    """What the figures were measured on."""
    processor = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        names = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        processor = next(iter(names), processor)
    return {
        "processor": processor,
        "cores": os.cpu_count() or 1,
        "python": platform.python_version(),
        **{name: version(name) for name in ("torch", "hydra-core", "omegaconf")},
    }


def show(question: str, compared: str, rows: Sequence[Row], path: Path | None) -> None:
    """Print the rows as a table, and write them where a path is given."""
    print("\n".join([question, compared, *table(rows)]))
    if path:
        document = {"question": question, "compared": compared, "machine": machine(), "rows": list(rows)}
        path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def table(rows: Sequence[Row]) -> list[str]:
    """Rows of the same keys in Markdown."""
    names = list(rows[0])
    lines = [names, [":---", *["---:"] * (len(names) - 1)], *([str(row[name]) for name in names] for row in rows)]
    return [f"| {' | '.join(line)} |" for line in lines]
