"""The table of launches, benchmarks/launches.json: `python -m tests.cuda.launches` writes it anew.

Of each case: the operators that launch kernels in one step, and how many feature maps left channels_last in it.
"""

import json
import sys
import tempfile
from pathlib import Path

from tests.conftest import ROOT
from tests.cuda import cases, device

TABLE = ROOT / "benchmarks" / "launches.json"
RENEW = "python -m tests.cuda.launches"


def row(report):
    """What the table says of a case; of one that is refused, nothing."""
    if "error" in report:
        return None
    return {"launches": sum(report["launches"].values()), "other_layout": sum(report["layouts"].values())}


def main():
    """Write the table, of the cases named or all, and say what changed."""
    if device.MISSING:
        sys.exit(device.MISSING)
    old = json.loads(TABLE.read_text(encoding="utf-8")) if TABLE.exists() else {}
    with tempfile.TemporaryDirectory() as folder:
        reports = {}
        for group in sys.argv[1:] or cases.GROUPS.keys() - set(cases.LONG):
            reports |= device.tried(Path(folder), group, cases.GROUPS[group]())
    write({**(old if sys.argv[1:] else {}), **{name: row(report) for name, report in reports.items()}}, old)


def write(table, old):
    """Write the table in the order of the names; print each row that changed."""
    made = {name: values for name, values in sorted(table.items()) if values is not None}
    for name in sorted(made.keys() | old.keys()):
        if made.get(name) != old.get(name):
            print(f"{name}: {old.get(name)} -> {made.get(name)}")
    lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(values)}" for name, values in made.items())
    TABLE.write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
