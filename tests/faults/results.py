"""A pytest plugin: runs the rows' tests in their full form, and writes what became of each as a line of JSON."""

import json
import os
import re

from tests.faults.conftest import ROW
from tests.faults.rows import ROWS

OTHERS = {node: row for row, each in ROWS.items() for node in each.others}


def base(nodeid):
    return nodeid.partition("[")[0]


def pytest_collection_modifyitems(config, items):
    """Of a test with a full form that alone; of other folders what a row names."""
    full = {base(item.nodeid) for item in items if item.get_closest_marker("faults")}

    def wanted(item):
        if item.get_closest_marker("long"):
            return False
        if base(item.nodeid) in OTHERS:
            return True
        in_full = item.get_closest_marker("faults") or base(item.nodeid) not in full or "[short]" not in item.nodeid
        return item.nodeid.startswith("tests/faults/") and bool(ROW.search(item.name)) and bool(in_full)

    chosen = [item for item in items if wanted(item)]
    config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
    items[:] = sorted(chosen, key=_turn)


def _turn(item):
    """What was asked for in so many trials comes first, in case the time is up; other folders' tests last."""
    begin = ("_s1_", "flipped_bit", "cut_off", "_a1_", "_c", "_d", "_a", "_b", "_g", "_t", "_h", "_e", "_f")
    if not item.nodeid.startswith("tests/faults/"):
        return len(begin)
    return next(i for i, word in enumerate(begin) if word in item.nodeid.partition("::")[2])


def pytest_runtest_logreport(report):
    if (
        report.when != "call"
        or not (path := os.environ.get("TRICKTABLE_FAULTS"))
        or "PYTEST_XDIST_WORKER" in os.environ
    ):
        return
    told = [value for name, value in report.user_properties if name == "fault"]
    if not told and not report.skipped:
        row = OTHERS.get(base(report.nodeid)) or re.search(ROW.pattern, report.nodeid)[1].upper()
        told = [{"row": row, "trials": 1, "held": int(report.passed), "note": ""}]
    with open(path, "a") as file:
        for each in told:
            line = {**each, "seconds": report.duration / len(told), "test": report.nodeid, "outcome": report.outcome}
            print(json.dumps(line), file=file)
